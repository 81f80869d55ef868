r"""The choice of the background function as an uncertainty: discrete profiling.

Dauncey, Kenzie, Wardle and Davies, arXiv:1408.6865: the function is a nuisance parameter with a few
values, over which the likelihood is profiled like over any other,

.. math:: \Lambda(\mu) = \min_f \left[-2 \ln L_f(\mu) + n_f\right],

with one unit for each parameter of a function, without which the one with most of them would win
always (their correction by the p-value).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...core import InputError, Record
from ..limits.likelihood import Likelihood
from ..limits.profiled import profile_nll
from ..spectra.functions import n_parameters
from ..spectra.spurious import spurious_signal

__all__ = ["FunctionEnvelope", "FunctionProfile", "function_envelope", "function_profile"]

Array = NDArray[np.float64]

_SAME = 1e-6


@dataclass(frozen=True)
class FunctionEnvelope(Record):
    """What several functions say of the background in the windows of a spectrum.

    Attributes
    ----------
    function : str
        The one of the search.
    functions : tuple of str
        All, that of the search first.
    fraction : tuple of float
        For each window, what the choice adds to the error of the search's function, as a fraction
        of the background: a nuisance.
    expected, expected_error : tuple of tuple of float
        Background of each window, by function.
    penalised : tuple of tuple of float
        Deviance outside of each window and one for each parameter, by function.

    Examples
    --------
    >>> from overdensity.stats import log_edges
    >>> edges = log_edges(2632, 6000, 16)
    >>> counts = np.round(5000 * 0.7 ** np.arange(16))
    >>> found = function_envelope(edges, counts, [(edges[4], edges[7])], function="dijet4",
    ...                           others=["dijet3"])
    >>> found.functions, 0 <= found.fraction[0] < 0.05
    (('dijet4', 'dijet3'), True)
    """

    function: str
    functions: tuple[str, ...]
    fraction: tuple[float, ...]
    expected: tuple[tuple[float, ...], ...]
    expected_error: tuple[tuple[float, ...], ...]
    penalised: tuple[tuple[float, ...], ...]


def function_envelope(
    edges: ArrayLike,
    counts: ArrayLike,
    windows: ArrayLike,
    *,
    function: str,
    others: Sequence[str],
) -> FunctionEnvelope:
    r"""Fit functions outside of each window, and profile the background inside over them.

    With the prediction :math:`b_f \pm \sigma_f` of each, the profile is
    :math:`\Lambda(b) = \min_f [\chi^2_f + n_f + (b - b_f)^2 / \sigma_f^2]`. Its interval
    :math:`\Lambda \le \Lambda_\mathrm{min} + 1` reaches up to e from the prediction of the
    search's function, and :math:`\sqrt{e^2 - \sigma^2}` is what the choice adds.

    Parameters
    ----------
    edges, counts : array_like of shape (n_bins + 1,), (n_bins,)
        Bin edges in GeV, and the unselected events.
    windows : array_like of shape (n_windows, 2)
        Low and high edge of each, GeV, on bin edges.
    function : str
        That of the search.
    others : sequence of str
        Those that it might have been.

    Returns
    -------
    FunctionEnvelope

    Raises
    ------
    FitError
        If too few bins outside a window have events, or a fit does not converge.

    Examples
    --------
    >>> from overdensity.stats import log_edges
    >>> edges = log_edges(2632, 6000, 16)
    >>> counts = np.round(5000 * 0.7 ** np.arange(16))
    >>> window = [(edges[4], edges[7])]
    >>> function_envelope(edges, counts, window, function="dijet3", others=[]).fraction
    (0.0,)
    """
    names = (function, *(name for name in others if name != function))
    fits = [spurious_signal(edges, counts, windows, function=name, guard=0) for name in names]
    expected = np.array([fit.expected for fit in fits])
    error = np.maximum([fit.expected_error for fit in fits], 1e-9)
    sizes = np.array([n_parameters(name) for name in names])
    penalised = np.array([fit.deviance for fit in fits]) + sizes[:, None]
    # Each parabola is one function; where it is below the smallest value plus one, b is allowed.
    room = 1 - (penalised - penalised.min(axis=0))
    reach = np.where(room > 0, np.sqrt(np.maximum(room, 0.0)) * error, np.nan)
    far = np.nanmax(
        np.abs(np.stack([expected + reach, expected - reach]) - expected[0]), axis=(0, 1)
    )
    extra = np.where(far > (1 + _SAME) * error[0], np.sqrt(np.abs(far**2 - error[0] ** 2)), 0.0)
    return FunctionEnvelope(
        function=function,
        functions=names,
        fraction=tuple((extra / np.maximum(expected[0], 1.0)).tolist()),
        expected=_tuples(expected),
        expected_error=_tuples(error),
        penalised=_tuples(penalised),
    )


@dataclass(frozen=True)
class FunctionProfile(Record):
    r"""The likelihood of the strength, profiled over everything, the function included.

    Attributes
    ----------
    functions : tuple of str
        All that were fitted.
    strengths : tuple of float
        Where the likelihood was looked at.
    curves : tuple of tuple of float
        :math:`-2 \ln L_f + n_f` of each function above the smallest of all.
    z : float
        Significance :math:`\sqrt{\Lambda(0) - \Lambda_\mathrm{min}}`.
    mu, low, high : float
        The best strength, and where the profile has risen by one; the first or last strength where
        it does not rise so far.

    Examples
    --------
    >>> FunctionProfile(("dijet3",), (0.0, 1.0), ((4.0, 0.0),), 2.0, 1.0, 0.5, 1.5).envelope
    (4.0, 0.0)
    """

    functions: tuple[str, ...]
    strengths: tuple[float, ...]
    curves: tuple[tuple[float, ...], ...]
    z: float
    mu: float
    low: float
    high: float

    @property
    def envelope(self) -> tuple[float, ...]:
        """The smallest of all curves at each strength."""
        return tuple(np.min(self.curves, axis=0).tolist())


def function_profile(models: Mapping[str, Likelihood], strengths: ArrayLike) -> FunctionProfile:
    """Profile the strength over functions.

    Parameters
    ----------
    models : mapping of str to Likelihood
        The same data with each function (`categories`).
    strengths : array_like of shape (n,)
        From 0 up.

    Returns
    -------
    FunctionProfile

    Raises
    ------
    InputError
        If there is no model, or the strengths do not start at 0 and increase.
    FitError
        If a fit does not converge.

    Examples
    --------
    >>> from overdensity.stats import FitModel, log_edges
    >>> from overdensity.stats.workspaces.categories import categories
    >>> edges, peak = log_edges(2632, 6000, 16), 90 * np.exp(-(np.arange(-6.0, 10) ** 2) / 2)
    >>> counts = np.round(5000 * 0.7 ** np.arange(16) + 3 * peak)
    >>> models = {name: categories(edges, counts, None, signal=peak, model=FitModel(name))
    ...           for name in ("dijet3", "dijet4")}
    >>> found = function_profile(models, np.linspace(0, 6, 25))
    >>> found.functions, found.low < 3 < found.high
    (('dijet3', 'dijet4'), True)
    """
    at = np.asarray(strengths, dtype=float)
    if not models or at.size < 3 or at[0] != 0 or np.any(np.diff(at) <= 0):
        msg = "a profile over functions needs functions, and at least three strengths from 0 up"
        raise InputError(msg)
    curves = np.array(
        [
            2 * profile_nll(model, at, start=model.start) + n_parameters(name)
            for name, model in models.items()
        ]
    )
    curves -= curves.min()
    envelope = curves.min(axis=0)
    best = int(envelope.argmin())
    rise = envelope - envelope[best] - 1
    return FunctionProfile(
        functions=tuple(models),
        strengths=tuple(at.tolist()),
        curves=_tuples(curves),
        z=float(np.sqrt(max(envelope[0] - envelope[best], 0.0))),
        mu=float(at[best]),
        low=_crossing(at[best::-1], rise[best::-1]),
        high=_crossing(at[best:], rise[best:]),
    )


def _crossing(at: Array, rise: Array) -> float:
    """Return where a curve that starts below zero rises above it."""
    above = np.flatnonzero(rise > 0)
    if not above.size:
        return float(at[-1])
    k = int(above[0])
    return float(np.interp(0.0, rise[k - 1 : k + 1], at[k - 1 : k + 1]))


def _tuples(rows: Array) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(row) for row in rows.tolist())
