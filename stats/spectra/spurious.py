"""The spurious signal: what a function fabricates in a spectrum that holds no resonance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...core import FitError, InputError, Record
from .batch_fit import Fits, fit_free
from .binning import window_bins
from .functions import Basis, basis
from .poisson import checked_counts

__all__ = ["SpuriousSignal", "fit_outside", "spurious_signal"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class SpuriousSignal(Record):
    """What the sideband fits of a spectrum without signal predict wrongly, window by window.

    Attributes
    ----------
    function : str
        Background function.
    windows : tuple of (float, float)
        Low and high edge of each window, GeV.
    fraction : tuple of float
        Spurious signal of each window as a fraction of its background: the largest misprediction
        beyond its fluctuations of the window and its neighbours. To be used as the standard
        deviation of a nuisance parameter.
    misprediction : tuple of float
        (observed - expected) / expected in the window itself; positive is a fake excess. Where
        less than one event is expected, the denominator is one event.
    error : tuple of float
        Statistical error of ``misprediction``: Poisson, and the covariance of the fit.
    z : tuple of float
        ``misprediction / error``.
    observed : tuple of int
        Events in each window.
    expected, expected_error : tuple of float
        Prediction of the sideband fit there, and its error.
    deviance : tuple of float
        Poisson deviance of each fit outside the window and its guard.
    ndf : tuple of int
        Bins there, less the parameters.
    neighbours : int
        Windows on either side that count as neighbours.

    Examples
    --------
    >>> import numpy as np
    >>> from overdensity.stats import log_edges
    >>> edges = log_edges(2632, 6000, 16)
    >>> counts = np.round(5000 * 0.7 ** np.arange(16))
    >>> found = spurious_signal(edges, counts, [(edges[4], edges[7])], function='dijet3')
    >>> found.observed, len(found.fraction)
    ((2628,), 1)
    """

    function: str
    windows: tuple[tuple[float, float], ...]
    fraction: tuple[float, ...]
    misprediction: tuple[float, ...]
    error: tuple[float, ...]
    z: tuple[float, ...]
    observed: tuple[int, ...]
    expected: tuple[float, ...]
    expected_error: tuple[float, ...]
    deviance: tuple[float, ...]
    ndf: tuple[int, ...]
    neighbours: int


def spurious_signal(
    edges: ArrayLike,
    counts: ArrayLike,
    windows: ArrayLike,
    *,
    function: str = "dijet5",
    guard: int = 2,
    neighbours: int = 1,
    fluctuations: float = 2.0,
) -> SpuriousSignal:
    r"""Measure what a function fabricates in each window of a spectrum without signal.

    For each window, the function is fitted to all bins outside, as `scan` does, and its prediction
    :math:`b \pm \sigma` compared with the :math:`n` events inside,

    .. math:: f = \frac{n - b}{b}, \qquad \delta f = \frac{\sqrt{b + \sigma^2}}{b}.

    The estimate of a window is the largest :math:`\sqrt{\max(f^2 - (k\,\delta f)^2, 0)}` of the
    window and its neighbours, k = ``fluctuations``, so that where the misprediction changes its
    sign it is not taken for zero: the practice of ATLAS, who fit signal and background to
    background alone (arXiv:1408.7084; there in events). What the fluctuations of the sample explain
    is left out, since the error of the search's own fit knows of it already; two errors by default,
    since the largest of three windows exceeds one in two thirds of the samples whose function is
    right. A small sample therefore shows no small misprediction: use a simulation several times as
    large as the data, or the spectrum before a selection that keeps few of its events. A resonance
    that stands out in it is taken for a misprediction.

    Parameters
    ----------
    edges : array_like of shape (n_bins + 1,)
        Bin edges, GeV: those of the fits of the search.
    counts : array_like of shape (n_bins,)
        Events in each bin, of a simulation or of the unselected data.
    windows : array_like of shape (n_windows, 2)
        Low and high edge of each window, GeV, on bin edges.
    function : str
        Background function (`background_functions`).
    guard : int
        Bins on either side of a window that are fitted but do not count in ``deviance``.
    neighbours : int
        Windows on either side, in order of mass, whose mispredictions count.
    fluctuations : float
        How many errors of a misprediction are put down to the fluctuations of the sample.

    Returns
    -------
    SpuriousSignal

    Raises
    ------
    InputError
        If counts or windows cannot be used.
    FitError
        If too few bins outside a window have events, or a fit does not converge.

    Examples
    --------
    >>> import numpy as np
    >>> from overdensity.stats import log_edges
    >>> edges = log_edges(2632, 6000, 16)
    >>> counts = np.round(5000 * 0.7 ** np.arange(16))
    >>> found = spurious_signal(edges, counts, [(edges[4], edges[7])], function='dijet3')
    >>> found.fraction  # no more than its fluctuations
    (0.0,)
    """
    model = basis(function, edges)
    counts = checked_counts(counts, model.edges)
    windows = np.asarray(windows, dtype=float).reshape(-1, 2)
    if not len(windows) or min(guard, neighbours, fluctuations) < 0:
        msg = (
            f"a spurious signal needs windows, and a guard, neighbours and fluctuations that are not "
            f"negative; got {len(windows)} windows, {guard}, {neighbours} and {fluctuations:g}"
        )
        raise InputError(msg)
    masked = window_bins(model.edges, windows)
    tested = ~(masked | _within(masked, guard))
    fits = fit_outside(model, counts, windows, tested=tested)

    observed, expected, sigma = (counts * masked).sum(axis=1), fits.expected[0], fits.error[0]
    whole = np.maximum(expected, 1.0)
    misprediction = (observed - expected) / whole
    error = np.sqrt(expected + sigma**2) / whole
    beyond = np.sqrt(np.maximum(misprediction**2 - (fluctuations * error) ** 2, 0.0))
    return SpuriousSignal(
        function=function,
        windows=tuple((float(low), float(high)) for low, high in windows),
        fraction=tuple(_largest_near(beyond, windows, neighbours).tolist()),
        misprediction=tuple(misprediction.tolist()),
        error=tuple(error.tolist()),
        z=tuple((misprediction / error).tolist()),
        observed=tuple(observed.astype(int).tolist()),
        expected=tuple(expected.tolist()),
        expected_error=tuple(sigma.tolist()),
        deviance=tuple(fits.deviance[0].tolist()),
        ndf=tuple((tested.sum(axis=1) - model.n_parameters).tolist()),
        neighbours=neighbours,
    )


def fit_outside(
    model: Basis, counts: Array, windows: Array, *, tested: NDArray[np.bool_] | None = None
) -> Fits:
    """Fit the spectrum outside each window.

    Parameters
    ----------
    model : Basis
        Background function.
    counts : ndarray of shape (n_bins,)
        Events. Those in a window are not fitted, but tell where the fits start: give none where
        nobody may look.
    windows : ndarray of shape (n_windows, 2)
        Low and high edge of each, GeV, on bin edges.
    tested : ndarray of bool, shape (n_windows, n_bins), optional
        Bins in the deviance; by default, those that are fitted.

    Raises
    ------
    InputError
        If the windows do not lie on bin edges.
    FitError
        If too few bins outside a window have events, or the fit does not converge there.

    Examples
    --------
    >>> import numpy as np
    >>> from overdensity.stats import log_edges
    >>> edges, counts = log_edges(2632, 6000, 16), np.round(5000 * 0.7 ** np.arange(16))
    >>> found = fit_outside(basis("dijet3", edges), counts, edges[None, [5, 6]])
    >>> bool(abs(found.expected[0, 0] - counts[5]) < 20)
    True
    """
    masked = window_bins(model.edges, windows)
    filled = ((counts > 0) & ~masked).sum(axis=1)
    if filled.min() <= model.n_parameters:
        low, high = windows[filled.argmin()]
        msg = (
            f"only {filled.min()} bins outside the window {low:g}-{high:g} GeV have events; "
            f"{model.name} needs more than {model.n_parameters}: use a larger sample or fewer "
            "parameters"
        )
        raise FitError(msg)
    fits = fit_free(model, counts, masked, tested=tested)
    if not fits.converged.all():
        low, high = windows[~fits.converged[0]][0]
        msg = (
            f"the {model.name} fit outside the window {low:g}-{high:g} GeV does not converge: "
            "use a larger sample or fewer parameters"
        )
        raise FitError(msg)
    return fits


def _within(masked: NDArray[np.bool_], distance: int) -> NDArray[np.bool_]:
    """Return the bins up to ``distance`` bins away from masked ones."""
    near = masked.copy()
    for step in range(1, distance + 1):
        near[:, step:] |= masked[:, :-step]
        near[:, :-step] |= masked[:, step:]
    return near


def _largest_near(size: Array, windows: Array, neighbours: int) -> Array:
    """Return, for each window, the largest size of it and its neighbours in order of mass."""
    order = np.argsort(windows.mean(axis=1), kind="stable")
    largest = np.empty_like(size)
    for place, window in enumerate(order):
        near = order[max(place - neighbours, 0) : place + neighbours + 1]
        largest[window] = size[near].max()
    return largest
