"""How much a selection bends the mass spectrum, and whether the fit can absorb it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial.distance import jensenshannon
from scipy.special import ndtr, ndtri

from ...core import ConfigError, InputError, Record
from ..selection.levels import rank_order, selection_levels
from ..selection.patterns import count_patterns
from ..spectra.batch_fit import refit
from ..spectra.fit_model import FitModel
from .hunt_result import HuntResult
from .scanning import Scan, scan

__all__ = [
    "Sculpting",
    "SelectionSculpting",
    "WindowSculpting",
    "contradicted",
    "sculpting",
]

Array = NDArray[np.float64]

_COMMON = 3.0  # significance of the mean shift beyond which no window is above suspicion
_NEEDED_IF_COMMON = 1.0  # significance of its own with which a window is refused then
_FARTHEST = 4.0  # location of a bin, in standard deviations of the score, beyond which none is told


@dataclass(frozen=True)
class SelectionSculpting(Record):
    """What one selection does to the spectrum of one window.

    Attributes
    ----------
    efficiency : float
        Fraction of events kept.
    fake, fake_error : float
        Events that the sideband fit would see in excess in the signal region without any signal,
        predicted from the bulk of the scores; and the error of the prediction.
    fake_z : float
        ``fake`` in units of the statistical error of the local significance.
    refused : bool
        The prediction is significant, too large, and no small part of what is observed: the
        selection must not be counted.
    chi2, ndf : float, int
        Of the hypothesis that selected events have the masses of all events (Pearson).
    distance : float
        Jensen-Shannon distance of the spectra before and after selection at equal normalisation,
        in [0, 1]; statistical fluctuations alone make it positive.
    """

    efficiency: float
    fake: float
    fake_error: float
    fake_z: float
    refused: bool
    chi2: float
    ndf: int
    distance: float


@dataclass(frozen=True)
class WindowSculpting(Record):
    """One window.

    Attributes
    ----------
    low, high : float
        Its signal region, GeV.
    shift, shift_error : float
        Location of the bulk of the normal scores in the signal region over what the sidebands let
        one expect, in standard deviations of the score.
    location, location_error : tuple of float
        Location of the bulk in each mass bin.
    selections : tuple of SelectionSculpting
        From loose to tight.
    """

    low: float
    high: float
    shift: float
    shift_error: float
    location: tuple[float, ...]
    location_error: tuple[float, ...]
    selections: tuple[SelectionSculpting, ...]


@dataclass(frozen=True)
class Sculpting(Record):
    """Sculpting of all windows and selections of a search.

    Attributes
    ----------
    edges : tuple of float
        Bin edges of the fits, GeV.
    bulk : float
        Fraction of events, the lowest in score, that make the bulk.
    tolerance, significance, share : float
        What is refused, see `sculpting`.
    common : float
        Mean shift of all windows in units of its standard deviation; beyond 3 the classifiers
        of this search are known to have learnt the mass.
    windows : tuple of WindowSculpting
        In the order of the scan.
    """

    edges: tuple[float, ...]
    bulk: float
    tolerance: float
    significance: float
    share: float
    common: float
    windows: tuple[WindowSculpting, ...]

    @property
    def refused(self) -> NDArray[np.bool_]:
        """Which selections must not be counted, shape (n_windows, n_selections)."""
        return np.array([[row.refused for row in each.selections] for each in self.windows])

    def sentences(self) -> tuple[str, ...]:
        """Say which selections are refused and why, one sentence each."""
        return tuple(
            f"window {window.low:.0f}-{window.high:.0f} GeV, efficiency {row.efficiency:g}: the "
            f"score knows the mass (the bulk of its distribution is shifted by {window.shift:.3f} ± "
            f"{window.shift_error:.3f} standard deviations), which would fake {row.fake:.0f} ± "
            f"{row.fake_error:.0f} events; it is not counted"
            for window in self.windows
            for row in window.selections
            if row.refused
        )


def sculpting(
    scores: ArrayLike,
    mass: ArrayLike,
    folds: ArrayLike,
    *,
    edges: ArrayLike,
    windows: ArrayLike,
    efficiencies: Sequence[float],
    events: ArrayLike | None = None,
    function: str = "dijet5",
    constraint: float = 1.0,
    guard: int = 2,
    bulk: float = 0.9,
    tolerance: float = 0.5,
    significance: float = 2.5,
    share: float = 0.33,
) -> Sculpting:
    r"""Predict from the bulk of the scores what excess a selection fakes, and refuse it if need be.

    A classifier that has learnt the mass gives high scores to the background of the signal region,
    and nothing in the sidebands shows it. But it moves *all* events there, whereas a signal is a
    small fraction of them at high scores. So the location of the bulk tells the two apart: of
    normal scores z (normal quantiles of the rank in the fold), the mean over the events of a mass
    bin with z < c, c being the ``bulk`` quantile, is that of a truncated normal distribution,

    .. math:: \langle z \rangle_{z < c} = a - \frac{\phi(c - a)}{\Phi(c - a)},

    which gives the location a of each bin with the error :math:`1 / \sqrt{n\,v(a)}`, v being the
    variance of that distribution. Neither depends on how many events lie above c, which a signal
    changes. A selection of efficiency ε then keeps :math:`\Phi(a - t)` of the background of the
    bin, t being such that it keeps ε of all. The fit of the unselected spectrum times these
    efficiencies goes through the sideband fit of the search, with all its freedom, and what is
    left in the signal region is the fake excess. For a small shift Δ of the signal region over
    the interpolated sidebands it is :math:`B\,\Delta\,\phi(z_\epsilon)`.

    Windows have classifiers of their own, but the same method, features and events. So where the
    mean shift of all windows is positive by more than three standard deviations, a window is
    refused from one error of its own on.

    Parameters
    ----------
    scores : array_like of shape (n_events, n_windows)
        What is selected on: anomaly scores, or ``-conformal_p(...)``; larger is more anomalous.
    mass : array_like of shape (n_events,)
        Resonant mass, GeV. Events outside the edges do not count.
    folds : array_like of int, shape (n_events,)
        Outer fold of each event.
    edges : array_like of shape (n_bins + 1,)
        Bin edges of the fits, GeV (`subdivide` of those of the scan).
    windows : array_like of shape (n_windows, 2)
        Low and high edge of each signal region, GeV, on bin edges.
    efficiencies : sequence of float
        The selections, decreasing.
    events : array_like of uint64, shape (n_events,), optional
        Event ids, by which ties are broken.
    function, constraint, guard
        Background function, its freedom in a selected spectrum and the bins beside the signal
        region, as in `FitModel` (where ``constraint`` is called ``freedom``).
    bulk : float
        Fraction of events that make the bulk, at most one less the loosest selection.
    tolerance : float
        Fake excess, in units of the statistical error, above which a selection is refused.
    significance : float
        How many of its own errors the fake excess must be above zero for that.
    share : float
        A selection whose observed excess is so large that the fake one, with two errors added, is
        a smaller share of it, is not refused: a strong signal reaches into the bulk, and moves it
        a little, but not by as much as its excess would need.

    Returns
    -------
    Sculpting

    Raises
    ------
    InputError
        If shapes disagree, or windows do not lie on bin edges.
    ConfigError
        If the bulk reaches into a selection.
    FitError
        If there are too few events to fit.
    """
    scores, mass, folds = np.asarray(scores), np.asarray(mass, dtype=float), np.asarray(folds)
    if mass.ndim != 1 or scores.shape[:1] != mass.shape or scores.ndim != 2:
        msg = f"scores {scores.shape} and mass {mass.shape} must be (n_events, n_windows), (n_events,)"
        raise InputError(msg)
    edges = np.asarray(edges, dtype=float)
    within = (mass >= edges[0]) & (mass < edges[-1])
    ids = np.arange(mass.size) if events is None else np.asarray(events)
    levels = np.stack(
        [
            selection_levels(column, folds, efficiencies, within=within, events=ids)
            for column in scores.T
        ],
        axis=1,
    )
    fits = scan(
        count_patterns(mass, levels, edges),
        windows,
        efficiencies,
        model=FitModel(function, guard=guard, freedom=constraint),
    )
    steps = np.array(fits.efficiencies[1:])
    if not 0 < bulk <= 1 - steps[0] + 1e-9:
        msg = f"bulk = {bulk:g} must leave the loosest selection ({steps[0]:g}) out: use {1 - steps[0]:g}"
        raise ConfigError(msg)
    bins = np.searchsorted(edges, mass[within], side="right") - 1
    total = fits.counts[0]
    locations = [
        _bulk_location(_normal_scores(column, folds[within], ids[within]), bins, total.size, bulk)
        for column in scores[within].T
    ]
    location = np.array([each for each, _ in locations])
    error = np.array([each for _, each in locations])
    kept = _kept(location, total, steps)
    contrasts = _contrasts(fits, error)
    shift = (contrasts * location).sum(axis=1)
    shift_error = np.sqrt((contrasts**2 * error**2).sum(axis=1))
    common = _common(contrasts, location, error)
    fake, fake_error = _fakes(fits, kept), _slopes(fits, kept) * shift_error[:, None]
    statistical = np.sqrt(fits.fits.expected[0] + fits.fits.error[0] ** 2)
    excess = fits.observed - fits.fits.expected[0]
    fake_z = fake / statistical.reshape(fits.shape)[:, 1:]
    needed = _NEEDED_IF_COMMON if common > _COMMON else significance
    refused = (fake_z > tolerance) & (fake > needed * fake_error)
    refused &= fake + 2 * fake_error > share * excess.reshape(fits.shape)[:, 1:]
    counts = fits.counts.reshape(*fits.shape, -1)
    return Sculpting(
        edges=tuple(edges.tolist()),
        bulk=bulk,
        tolerance=tolerance,
        significance=significance,
        share=share,
        common=common,
        windows=tuple(
            WindowSculpting(
                low=float(low),
                high=float(high),
                shift=float(shift[w]),
                shift_error=float(shift_error[w]),
                location=tuple(location[w].tolist()),
                location_error=tuple(error[w].tolist()),
                selections=tuple(
                    SelectionSculpting(
                        efficiency=float(efficiency),
                        fake=float(fake[w, k]),
                        fake_error=float(fake_error[w, k]),
                        fake_z=float(fake_z[w, k]),
                        refused=bool(refused[w, k]),
                        chi2=_chi2(counts[w, k + 1], total),
                        ndf=int((total > 0).sum()) - 1,
                        distance=float(jensenshannon(counts[w, k + 1], total, base=2)),
                    )
                    for k, efficiency in enumerate(steps)
                ),
            )
            for w, (low, high) in enumerate(fits.windows)
        ),
    )


def contradicted(result: HuntResult, *, threshold: float = 3.0) -> NDArray[np.bool_]:
    r"""Say where a selection has more excess than the spectrum before selection can hide.

    Signal that passes a selection was there before it. With excesses :math:`E = n - b` before (1)
    and after selection (s), the events that fail the selection have the excess
    :math:`E_1 - E_s`, which fluctuates by Poisson and fit errors only. Where
    :math:`E_s - \max(E_1, 0)` exceeds ``threshold`` times
    :math:`\sqrt{b_1 - b_s + \sigma_1^2 + \sigma_s^2}`, background was moved, not signal found.

    Parameters
    ----------
    result : HuntResult
        The search.
    threshold : float
        In standard deviations.

    Returns
    -------
    ndarray of bool, shape (n_windows, n_selections)
    """
    found = []
    for window in result.windows:
        before = window.unselected
        hidden = max(before.observed - before.expected, 0.0)
        row = []
        for after in window.selections:
            variance = max(before.expected - after.expected, 0.0)
            variance += (before.expected_error or 0.0) ** 2 + (after.expected_error or 0.0) ** 2
            row.append(after.observed - after.expected - hidden > threshold * np.sqrt(variance))
        found.append(row)
    return np.array(found, dtype=bool)


def _normal_scores(scores: NDArray, folds: NDArray, ids: NDArray) -> Array:
    """Return the normal quantile of the rank of each event in its fold."""
    z = np.empty(scores.size)
    for fold in np.unique(folds):
        members = np.flatnonzero(folds == fold)
        ranked = members[rank_order(scores[members], ids[members])[::-1]]
        z[ranked] = ndtri((np.arange(members.size) + 0.5) / members.size)
    return z


def _bulk_location(
    z: Array, bins: NDArray[np.int64], n_bins: int, bulk: float
) -> tuple[Array, Array]:
    """Return location and error of the bulk of normal scores in each mass bin."""
    cut = float(ndtri(bulk))
    low = z < cut
    n = np.bincount(bins[low], minlength=n_bins)
    total = np.bincount(bins[low], weights=z[low], minlength=n_bins)
    grid = np.linspace(-_FARTHEST, _FARTHEST, 801)
    ratio = np.exp(-((cut - grid) ** 2) / 2) / np.sqrt(2 * np.pi) / ndtr(cut - grid)
    mean = grid - ratio
    variance = 1 - (cut - grid) * ratio - ratio**2
    location = np.where(n > 0, np.interp(total / np.maximum(n, 1), mean, grid), 0.0)
    return location, 1 / np.sqrt(np.maximum(n, 0.5) * np.interp(location, grid, variance))


def _kept(location: Array, total: Array, steps: Array) -> Array:
    """Return the efficiency in each bin, shape (n_windows, n_selections, n_bins), from locations.

    The threshold is found by bisection such that the efficiency of all events is as asked.
    """
    low = np.full((len(location), steps.size), -2 * _FARTHEST)
    high = -low
    share = total / total.sum()
    for _ in range(60):
        middle = (low + high) / 2
        too_many = ndtr(location[:, None] - middle[..., None]) @ share > steps
        low, high = np.where(too_many, middle, low), np.where(too_many, high, middle)
    return ndtr(location[:, None] - ((low + high) / 2)[..., None])


def _fakes(fits: Scan, kept: Array) -> Array:
    """Return what the sideband fits see in excess in spectra bent by these efficiencies alone."""
    n_windows, n_levels = fits.shape
    smooth = _smooth(fits)
    spectra = np.empty((n_windows, n_levels, smooth.size))
    spectra[:, 0] = smooth
    spectra[:, 1:] = smooth * kept
    flat = spectra.reshape(-1, smooth.size)
    expected = refit(fits.problem, flat[None]).expected[0]
    return ((flat * fits.problem.masked).sum(axis=1) - expected).reshape(fits.shape)[:, 1:]


def _slopes(fits: Scan, kept: Array) -> Array:
    """Return the change of the selected events in the signal regions with a shift of the score."""
    density = np.exp(-(ndtri(kept) ** 2) / 2) / np.sqrt(2 * np.pi)
    return np.einsum("b,wkb,wb->wk", _smooth(fits), density, _signal(fits))


def _smooth(fits: Scan) -> Array:
    """Return the fit of the unselected spectrum in all bins."""
    return fits.problem.basis.expected(fits.reference.theta[0, 0])


def _signal(fits: Scan) -> NDArray[np.bool_]:
    """Return the bins of each signal region, shape (n_windows, n_bins)."""
    return fits.problem.masked.reshape(*fits.shape, -1)[:, 0]


def _contrasts(fits: Scan, error: Array) -> Array:
    """Return the weights that take locations to shifts, shape (n_windows, n_bins).

    A shift is the weighted mean of the locations in the signal region, less that of the sidebands'
    fit by the columns of the background function.
    """
    columns = fits.problem.basis.design.mean(axis=1)
    contrasts = np.empty_like(error)
    for contrast, inside, weight in zip(contrasts, _signal(fits), error**-2.0, strict=True):
        known = columns * np.where(inside, 0.0, weight)[:, None]
        share = np.where(inside, weight, 0.0) / weight[inside].sum()
        contrast[:] = share - known @ np.linalg.pinv(known.T @ columns) @ (columns.T @ share)
    return contrasts


def _common(contrasts: Array, location: Array, error: Array) -> float:
    """Return the mean pull of the windows' shifts over its standard deviation.

    That is the larger of the two for scores that the windows have in common, and for scores that
    know nothing of each other: linear in their correlation, it lies between these.
    """
    shift_error = np.sqrt((contrasts**2 * error**2).sum(axis=1))
    pulls = (contrasts * location).sum(axis=1) / shift_error
    together = (contrasts * error / shift_error[:, None]).mean(axis=0)
    return float(pulls.mean() / np.sqrt(max(1 / len(pulls), (together**2).sum())))


def _chi2(selected: Array, total: Array) -> float:
    """Return Pearson's χ² of the hypothesis that selected events are drawn from all at random."""
    share = selected.sum() / total.sum()
    expected = share * total[total > 0]
    return float((((selected[total > 0] - expected) ** 2) / (expected * (1 - share))).sum())
