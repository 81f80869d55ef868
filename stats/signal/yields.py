r"""Number of signal events before any selection, by one fit of the shells between the selections.

With simulated signal, its number is one parameter of the fit (`shells`): every shell has the share
and the shape that the simulation gives it. Without, a peak with tails is fitted to the events that
pass a selection and to those that fail it: N events in all, of which n pass, so that
:math:`N\,T(m) - n\,T_p(m)` fail. N and n are parameters, and what fraction passes is left open.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...core import FitError, InputError, Record
from ..spectra.binning import checked_edges
from .peak_template import SELECTED, PassingPeak, peak_of
from .shells import FittedSignal, fit_shells

__all__ = [
    "NumberOfEvents",
    "SignalPeak",
    "passing_failing_yield",
    "sample_template",
    "simulated_yield",
    "unselected_yield",
]

Array = NDArray[np.float64]

_NARROWEST = 0.01  # widths of the mass, as in the fit of the peak
_WIDEST = (0.08, 0.2)  # of a peak that was found narrow, and of any
_ROOM = 1.5  # times the width that was found


@dataclass(frozen=True)
class NumberOfEvents(Record):
    """A fitted number of signal events before selection.

    Attributes
    ----------
    value, error : float
        Events, negative for a deficit, and their error.
    chi2, ndf : float, int
        Deviance of the fit, and its degrees of freedom.

    Examples
    --------
    >>> NumberOfEvents(240.0, 105.0, 61.0, 55).error
    105.0
    """

    value: float
    error: float
    chi2: float
    ndf: int


@dataclass(frozen=True)
class SignalPeak(Record):
    """A peak in passing and failing events together.

    Attributes
    ----------
    number : NumberOfEvents
        Events in it, before selection.
    mass, width : float
        Position, and standard deviation of its core, GeV.
    """

    number: NumberOfEvents
    mass: float
    width: float


def sample_template(edges: ArrayLike, mass: ArrayLike, weight: ArrayLike) -> Array:
    """Return the share of a simulated signal in each bin, of all simulated events.

    Parameters
    ----------
    edges : array_like of shape (n_bins + 1,)
        Bin edges, GeV.
    mass : array_like of shape (n_events,)
        All simulated events, those outside the edges too.
    weight : array_like of shape (n_events,)
        Probability of each to be selected.

    Returns
    -------
    ndarray of shape (n_bins,)
        A fit's strength of this template is a number of events before selection.

    Examples
    --------
    >>> sample_template([1000, 2000, 3000], [1500.0, 2500.0, 3500.0, 2600.0], [1, 0.5, 1, 0.5])
    array([0.25, 0.25])
    """
    counts, _ = np.histogram(np.asarray(mass), checked_edges(edges), weights=np.asarray(weight))
    return counts / np.size(mass)


def unselected_yield(
    edges: ArrayLike, counts: ArrayLike, template: ArrayLike, *, function: str = "dijet5"
) -> NumberOfEvents:
    """Fit a smooth background and a signal of known shape to the unselected spectrum.

    Parameters
    ----------
    edges : array_like of shape (n_bins + 1,)
        Bin edges, GeV.
    counts : array_like of shape (n_bins,)
        Events.
    template : array_like of shape (n_bins,)
        Share of the signal in each bin.
    function : str
        Background function.

    Returns
    -------
    NumberOfEvents

    Raises
    ------
    FitError
        If the fit does not converge.
    """
    shells = np.atleast_2d(np.asarray(counts, dtype=float))
    return simulated_yield(edges, shells, np.atleast_2d(template), function=function)


def simulated_yield(
    edges: ArrayLike,
    shells: ArrayLike,
    templates: ArrayLike,
    *,
    function: str = "dijet5",
    odds_widths: ArrayLike | None = None,
) -> NumberOfEvents:
    """Fit one number of signal events to all shells, with the shares that simulation gives.

    Parameters
    ----------
    edges : array_like of shape (n_bins + 1,)
        Bin edges, GeV.
    shells : array_like of shape (n_shells, n_bins)
        Events that pass exactly so many selections, from none on.
    templates : array_like of shape (n_shells, n_bins)
        Share of the signal in each shell and bin (`sample_template`).
    function : str
        Background function.
    odds_widths : array_like of shape (n_shells - 1, order), optional
        How far the selections bend the background (`fit_shells`).

    Returns
    -------
    NumberOfEvents

    Raises
    ------
    FitError
        If no bin has a share of the signal, or the fit does not converge.
    """
    known = np.asarray(templates, dtype=float)[None]
    if not np.any(known > 0):
        msg = "no selection keeps any of the simulated signal: the number of events is unknown"
        raise FitError(msg)
    found = fit_shells(edges, shells, known, function=function, odds_widths=odds_widths)
    return _number(found)


def passing_failing_yield(
    edges: ArrayLike,
    shells: ArrayLike,
    *,
    mass: float,
    width: float,
    low: float,
    high: float,
    function: str = "dijet5",
    odds_widths: ArrayLike | None = None,
) -> SignalPeak:
    """Fit one peak to the events that pass a selection and to those that fail it, with its tails.

    Its mass and width are fitted where it is seen, in the events that pass, and are those of both;
    their errors are in that of the number. The fraction that passes floats. A peak that starts
    narrow is at most 8 % wide, a broader one half as much again as it starts with, up to 20 %.

    Parameters
    ----------
    edges : array_like of shape (n_bins + 1,)
        Bin edges, GeV.
    shells : array_like of shape (2, n_bins)
        Events that fail, and events that pass.
    mass, width : float
        Where the fit starts, GeV.
    low, high : float
        The signal region: the mass stays within it, and a third of its width on either side, or
        the width of the peak where that is more.
    function : str
        Background function.
    odds_widths : array_like of shape (1, order), optional
        How far the selection bends the background (`fit_shells`).

    Returns
    -------
    SignalPeak

    Raises
    ------
    InputError
        If there are not two shells.
    FitError
        If the fit does not converge.
    """
    counts, edges = np.asarray(shells, dtype=float), checked_edges(edges)
    if len(counts) != 2:
        msg = f"events pass or fail: two spectra are needed, not {len(counts)}"
        raise InputError(msg)

    background: dict[str, Any] = {"function": function, "odds_widths": odds_widths}

    def fitted(place: Array) -> FittedSignal:
        """Fit the whole peak at a place, and what passes of it."""
        whole, moved = np.array([[1.0], [0.0]]), np.array([[-1.0], [1.0]])
        both = whole * peak_of(edges, place), moved * peak_of(edges, place, SELECTED)
        return fit_shells(edges, counts, np.stack(both), **background)

    margin = max((high - low) / 3, width)
    widest = np.clip(_ROOM * width / mass, *_WIDEST)
    limits = np.log([[max(low - margin, 1.0), high + margin], [_NARROWEST, widest]])
    start = np.clip(np.log([mass, width / mass]), *limits.T)
    seen = fit_shells(
        edges,
        counts,
        PassingPeak(edges),
        place=start,
        limits=limits,
        **background,
    )
    found = fitted(seen.place)
    values, vectors = np.linalg.eigh(seen.place_covariance)
    moved = np.clip(seen.place + (vectors * np.sqrt(np.maximum(values, 0.0))).T, *limits.T)
    shifts = [fitted(place).number - found.number for place in moved]
    at, relative = np.exp(seen.place).tolist()
    number = replace(_number(found), error=float(np.hypot(found.error, np.linalg.norm(shifts))))
    return SignalPeak(number, mass=at, width=relative * at)


def _number(found: FittedSignal) -> NumberOfEvents:
    return NumberOfEvents(found.number, found.error, found.chi2, found.ndf)
