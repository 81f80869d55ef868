"""Where the fits of a scan begin, told by the fits themselves.

A trigger or a cut on the leading jet bends the spectrum at its lower end, where no function of a
falling spectrum describes it. A good fit of the whole range does not show that: it has as many events
in a few bins at the lower end as in all the others, and follows these. So every window and selection
is asked, with its signal region left out, and the fits begin at the lowest mass from which
(nearly) all of them describe their sidebands.

No signal region has a say in its own fit, and no local p-value is looked at: the choice is between
fits that describe what lies outside, not between excesses.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import chi2

from ...core import FitError, InputError, Record
from ..selection.patterns import Patterns
from ..spectra.fit_model import FitModel
from .scan_fits import fit_scan
from .scanning import Scan, scan

__all__ = ["MOST_BAD", "FitStart", "StartCandidate", "beyond_start", "choose_start"]

MOST_BAD = 0.1
"""Fewer of the fits than this share may be bad."""

_AT_THE_START = 4  # one window in so many
_FEWEST_WINDOWS = 3  # so that a share means something


@dataclass(frozen=True)
class StartCandidate(Record):
    """A mass at which fits may begin.

    Attributes
    ----------
    start : float
        GeV.
    bad, fits : int
        Fits that do not describe their sidebands or do not converge, of all windows and selections.
    """

    start: float
    bad: int
    fits: int

    @property
    def share(self) -> float:
        """The share of bad fits."""
        return self.bad / self.fits


@dataclass(frozen=True)
class FitStart(Record):
    """Where the fits begin, and what was found on the way there.

    Attributes
    ----------
    start : float
        GeV.
    candidates : tuple of StartCandidate
        All that were tried, from the lowest to the start.
    holds : bool
        Fewer than a tenth of the fits are bad there; else it is the best of all.
    """

    start: float
    candidates: tuple[StartCandidate, ...]
    holds: bool

    def __str__(self) -> str:
        """Say it in a sentence."""
        tried = ", ".join(
            f"{100 * each.share:.0f} % from {each.start:.0f}" for each in self.candidates
        )
        return f"fits begin at {self.start:.0f} GeV; bad ones: {tried} GeV"


def choose_start(
    patterns: Patterns,
    windows: ArrayLike,
    efficiencies: Sequence[float],
    *,
    starts: ArrayLike,
    below: int,
    model: FitModel | None = None,
) -> FitStart:
    """Return the lowest start from which fits describe what lies outside their windows.

    A fit is bad if its deviance has a χ² probability below the threshold of the model (0.003). The start
    is the lowest one at which fewer than 10 % of the windows and selections have bad fits.

    Parameters
    ----------
    patterns : Patterns
        Events counted in the bins of the fits, from the lowest start on.
    windows : array_like of shape (n_windows, 2)
        Low and high edge of each signal region, GeV, on bin edges.
    efficiencies : sequence of float
        The selections, decreasing.
    starts : array_like of shape (n_starts,)
        Where fits may begin, GeV, on bin edges, increasing. Those that leave fewer than three
        windows are not tried, but for the first.
    below : int
        So many bins must lie between a start and the signal region of a window.
    model : FitModel, optional
        How the background is fitted.

    Raises
    ------
    InputError
        If a start is no bin edge.
    FitError
        If no fit can be made from any start.

    Examples
    --------
    A spectrum that turns on up to 2900 GeV, and falls from there:

    >>> from overdensity.stats import count_patterns, log_edges
    >>> rng, edges = np.random.default_rng(1), log_edges(2500, 6000, 32)
    >>> mass = 2500 / rng.random(60_000) ** 0.2
    >>> mass = mass[rng.random(60_000) < np.clip((mass - 2200) / 700, 0, 1)]
    >>> events = count_patterns(mass, rng.random((len(mass), 4)) < 0.1, edges)
    >>> regions = [edges[[k, k + 4]] for k in (10, 14, 18, 22)]
    >>> found = choose_start(events, regions, [0.1], starts=edges[:8:2], below=4, model=FitModel("dijet3"))
    >>> found.holds, bool(2750 < found.start < 3050)
    (True, True)
    """
    model = model or FitModel()
    regions = np.asarray(windows, dtype=float).reshape(-1, 2)
    tried: list[StartCandidate] = []
    for start in np.asarray(starts, dtype=float):
        kept = beyond_start(patterns.edges, regions, float(start), below)
        if tried and np.count_nonzero(kept) < _FEWEST_WINDOWS:
            break
        try:
            fits = scan(
                _from(patterns, float(start), kept), regions[kept], efficiencies, model=model
            )
        except FitError:
            number = int(np.count_nonzero(kept)) * (1 + sum(each < 1 for each in efficiencies))
            tried.append(StartCandidate(float(start), number, number))
            continue
        bad = _bad_fits(fits, model)
        tried.append(StartCandidate(float(start), int(bad.sum()), bad.size))
        if tried[-1].share < MOST_BAD:
            return FitStart(float(start), tuple(tried), holds=True)
    if all(each.bad == each.fits for each in tried):
        msg = "no start of the fits describes the sidebands of any window; choose another function"
        raise FitError(msg)
    best = min(tried, key=lambda each: each.share)
    return FitStart(best.start, tuple(tried), holds=False)


def _bad_fits(found: Scan, model: FitModel) -> NDArray[np.bool_]:
    """Return which fits are bad, shape (n_spectra,), the region of the largest excess left out of all.

    A signal lies in the sidebands of all windows but its own, and is no fault of the function: a
    start that avoids it would hide it. In the lowest quarter of the windows it cannot be told from a turn-on.
    """
    problem, log_p = found.problem, found.log_p.reshape(found.shape).copy()
    if found.shape[1] > 1:
        log_p[:, 0] = 0.0  # an excess of all events is as often that of a turn-on
    log_p[: len(log_p) // _AT_THE_START] = 0.0  # as is one next to the start
    hidden = ~problem.tested[np.argmin(log_p)]
    shown = replace(problem, masked=problem.masked | hidden, tested=problem.tested & ~hidden)
    again = fit_scan(shown, found.counts[None])
    parameters = np.full(found.shape, problem.columns.shape[1])
    parameters[:, 0] = problem.basis.n_parameters
    ndf = np.maximum(shown.tested.sum(axis=1) - parameters.ravel(), 1)
    return (chi2.sf(again.deviance[0], ndf) < model.gof_threshold) | ~again.converged[0]


def beyond_start(
    edges: ArrayLike, windows: ArrayLike, start: float, below: int
) -> NDArray[np.bool_]:
    """Return which windows have so many bins between the start of the fits and their signal region.

    Parameters
    ----------
    edges : array_like of shape (n_bins + 1,)
        Bin edges, GeV.
    windows : array_like of shape (n_windows, 2)
        Low and high edge of each signal region, GeV.
    start : float
        GeV, one of the edges.
    below : int
        How many bins.

    Raises
    ------
    InputError
        If the start is no bin edge.

    Examples
    --------
    >>> beyond_start([1, 2, 3, 4, 5], [(2, 3), (3, 4)], 1.0, 2).tolist()
    [False, True]
    """
    edges = np.asarray(edges, dtype=float)
    first = _index(edges, start) + below
    lows = np.asarray(windows, dtype=float).reshape(-1, 2)[:, 0]
    return lows >= edges[min(first, edges.size - 1)] * (1 - 1e-9)


def _from(patterns: Patterns, start: float, windows: NDArray[np.bool_]) -> Patterns:
    """Return the events of the bins from a start on, in some windows."""
    first = _index(patterns.edges, start)
    kept = patterns.bins >= first
    return replace(
        patterns,
        edges=patterns.edges[first:],
        bins=patterns.bins[kept] - first,
        levels=patterns.levels[kept][:, windows],
        counts=patterns.counts[kept],
    )


def _index(edges: NDArray[np.float64], start: float) -> int:
    index = int(np.argmin(np.abs(edges - start)))
    if not np.isclose(edges[index], start, rtol=1e-9):
        msg = f"fits cannot begin at {start:g} GeV, which is no bin edge; the nearest is {edges[index]:g}"
        raise InputError(msg)
    return index
