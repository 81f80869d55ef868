"""The excess that a selection fabricates because it bends the mass spectrum, and its refusal.

*Sculpting* is the bending of a mass spectrum by a selection. What matters of it is the excess that
is left where the fit of the sidebands cannot follow.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial.distance import jensenshannon
from scipy.special import ndtri

from ...core import ConfigError, InputError
from ..search.scan_fits import fit_scan
from ..search.scanning import Scan, scan
from ..selection.levels import normal_scores, selection_levels
from ..selection.patterns import count_patterns
from ..spectra.fit_model import FitModel
from .bulk import bulk_location, common_shift, contrasts, kept_fractions
from .sculpting_result import Sculpting, SelectionSculpting, WindowSculpting

__all__ = [
    "FabricatedExcess",
    "fabricated_excess",
    "refuse_fabricated",
]

Array = NDArray[np.float64]

_COMMON = 3.0  # significance of the mean shift beyond which no window is above suspicion
_NEEDED_IF_COMMON = 1.0  # significance of its own with which a window is refused then


@dataclass(frozen=True, eq=False)
class FabricatedExcess:
    """What the selections of a scan fabricate without any signal.

    Attributes
    ----------
    fits : Scan
        The scan on the data.
    bulk : float
        Fraction of events, the lowest in score, that make the bulk.
    location, location_error : ndarray of shape (n_windows, n_bins)
        Location of the bulk of the normal scores in each mass bin, in standard deviations.
    shift, shift_error : ndarray of shape (n_windows,)
        Location in the signal region over what the sidebands let one expect.
    common : float
        Mean shift of all windows in units of its standard deviation.
    fake, fake_error : ndarray of shape (n_windows, n_selections)
        Events that the sideband fits would see in excess.

    Examples
    --------
    >>> import numpy as np
    >>> from overdensity.stats import FitModel, log_edges
    >>> edges, rng = log_edges(2632, 6000, 16), np.random.default_rng(1)
    >>> mass = 2632 * rng.random(10_000) ** (-1 / 8)
    >>> found = fabricated_excess(
    ...     rng.normal(size=(mass.size, 1)), mass, rng.integers(0, 5, mass.size), edges=edges,
    ...     windows=[(edges[4], edges[7])], efficiencies=(0.1,), model=FitModel("dijet3"),
    ... )
    >>> found.location.shape, found.fake_z.shape
    ((1, 16), (1, 1))
    """

    fits: Scan
    bulk: float
    location: Array
    location_error: Array
    shift: Array
    shift_error: Array
    common: float
    fake: Array
    fake_error: Array

    @property
    def fake_z(self) -> Array:
        """``fake`` in units of the statistical error of the local significance."""
        expected, error = self.fits.fits.expected[0], self.fits.fits.error[0]
        return self.fake / np.sqrt(expected + error**2).reshape(self.fits.shape)[:, 1:]

    @property
    def excess(self) -> Array:
        """Events observed over the sideband fit, shape (n_windows, n_selections)."""
        excess = self.fits.observed - self.fits.fits.expected[0]
        return excess.reshape(self.fits.shape)[:, 1:]


def fabricated_excess(
    scores: ArrayLike,
    mass: ArrayLike,
    folds: ArrayLike,
    *,
    edges: ArrayLike,
    windows: ArrayLike,
    efficiencies: Sequence[float],
    events: ArrayLike | None = None,
    model: FitModel | None = None,
    bulk: float = 0.9,
) -> FabricatedExcess:
    r"""Predict from the bulk of the scores what excess a selection fabricates without any signal.

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
    efficiencies goes through the sideband fits of the search, with all their freedom, and what is
    left in the signal region is the fake excess. For a small shift Δ of the signal region over
    the interpolated sidebands it is :math:`B\,\Delta\,\phi(z_\epsilon)`.

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
    model : FitModel, optional
        How the background is fitted; by default ``FitModel()``.
    bulk : float
        Fraction of events that make the bulk, at most one less the loosest selection.

    Returns
    -------
    FabricatedExcess

    Raises
    ------
    InputError
        If shapes disagree, or windows do not lie on bin edges.
    ConfigError
        If the bulk reaches into a selection.
    FitError
        If there are too few events to fit.

    Examples
    --------
    >>> import numpy as np
    >>> from overdensity.stats import FitModel, log_edges
    >>> edges, rng = log_edges(2632, 6000, 16), np.random.default_rng(1)
    >>> mass = 2632 * rng.random(10_000) ** (-1 / 8)
    >>> scores = rng.normal(size=(mass.size, 1)) + (abs(mass - 3500) < 200)[:, None]
    >>> found = fabricated_excess(
    ...     scores, mass, rng.integers(0, 5, mass.size), edges=edges,
    ...     windows=[(edges[4], edges[7])], efficiencies=(0.1,), model=FitModel("dijet3"),
    ... )
    >>> bool(found.fake[0, 0] > 5 * found.fake_error[0, 0])
    True
    """
    scores, mass, folds = np.asarray(scores), np.asarray(mass, dtype=float), np.asarray(folds)
    if mass.ndim != 1 or scores.shape[:1] != mass.shape or scores.ndim != 2:
        msg = f"scores {scores.shape} and mass {mass.shape} must be (n_events, n_windows), (n_events,)"
        raise InputError(msg)
    edges = np.asarray(edges, dtype=float)
    within = (mass >= edges[0]) & (mass < edges[-1])
    ids = np.arange(mass.size) if events is None else np.asarray(events)
    levels = [
        selection_levels(column, folds, efficiencies, within=within, events=ids)
        for column in scores.T
    ]
    fits = scan(
        count_patterns(mass, np.stack(levels, axis=1), edges),
        windows,
        efficiencies,
        model=model,
    )
    steps = np.array(fits.efficiencies[1:])
    if not 0 < bulk <= 1 - steps[0] + 1e-9:
        msg = f"bulk = {bulk:g} must leave the loosest selection ({steps[0]:g}) out: use {1 - steps[0]:g}"
        raise ConfigError(msg)
    bins = np.searchsorted(edges, mass[within], side="right") - 1
    total = fits.counts[0]
    of_window = [
        bulk_location(_fold_scores(column, folds[within], ids[within]), bins, total.size, bulk)
        for column in scores[within].T
    ]
    location, error = (np.array(each) for each in zip(*of_window, strict=True))
    kept = kept_fractions(location, total, steps)
    weights = contrasts(fits.problem.columns, _signal(fits), error)
    shift_error = np.sqrt((weights**2 * error**2).sum(axis=1))
    return FabricatedExcess(
        fits=fits,
        bulk=bulk,
        location=location,
        location_error=error,
        shift=(weights * location).sum(axis=1),
        shift_error=shift_error,
        common=common_shift(weights, location, error),
        fake=_fakes(fits, kept),
        fake_error=_slopes(fits, kept) * shift_error[:, None],
    )


def refuse_fabricated(
    found: FabricatedExcess,
    *,
    tolerance: float = 0.5,
    significance: float = 2.5,
    share: float = 0.33,
) -> Sculpting:
    """Refuse the selections whose fabricated excess is certain, and too large to be counted.

    Windows have classifiers of their own, but the same method, features and events. So where the
    mean shift of all windows is positive by more than three standard deviations, a window is
    refused from one error of its own on.

    Parameters
    ----------
    found : FabricatedExcess
        The prediction.
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

    Examples
    --------
    >>> import numpy as np
    >>> from overdensity.stats import FitModel, log_edges
    >>> edges, rng = log_edges(2632, 6000, 16), np.random.default_rng(1)
    >>> mass = 2632 * rng.random(10_000) ** (-1 / 8)
    >>> scores = rng.normal(size=(mass.size, 1)) + (abs(mass - 3500) < 200)[:, None]
    >>> found = fabricated_excess(
    ...     scores, mass, rng.integers(0, 5, mass.size), edges=edges,
    ...     windows=[(edges[4], edges[7])], efficiencies=(0.1,), model=FitModel("dijet3"),
    ... )
    >>> refuse_fabricated(found).refused.tolist()
    [[True]]
    """
    needed = _NEEDED_IF_COMMON if found.common > _COMMON else significance
    refused = (found.fake_z > tolerance) & (found.fake > needed * found.fake_error)
    refused &= found.fake + 2 * found.fake_error > share * found.excess
    return Sculpting(
        edges=tuple(found.fits.problem.basis.edges.tolist()),
        bulk=found.bulk,
        tolerance=tolerance,
        significance=significance,
        share=share,
        common=found.common,
        windows=tuple(_window(found, w, refused[w]) for w in range(len(found.fits.windows))),
    )


def _window(found: FabricatedExcess, w: int, refused: NDArray[np.bool_]) -> WindowSculpting:
    """Return the record of one window."""
    fits = found.fits
    low, high = fits.windows[w]
    total, selected = fits.counts[0], fits.counts.reshape(*fits.shape, -1)[w, 1:]
    return WindowSculpting(
        low=float(low),
        high=float(high),
        shift=float(found.shift[w]),
        shift_error=float(found.shift_error[w]),
        location=tuple(found.location[w].tolist()),
        location_error=tuple(found.location_error[w].tolist()),
        selections=tuple(
            SelectionSculpting(
                efficiency=float(efficiency),
                fake=float(found.fake[w, k]),
                fake_error=float(found.fake_error[w, k]),
                fake_z=float(found.fake_z[w, k]),
                refused=bool(refused[k]),
                chi2=_chi2(selected[k], total),
                ndf=int((total > 0).sum()) - 1,
                distance=_distance(selected[k], total),
            )
            for k, efficiency in enumerate(fits.efficiencies[1:])
        ),
    )


def _fold_scores(scores: NDArray, folds: NDArray, ids: NDArray) -> Array:
    """Return the normal score of each event in its fold."""
    z = np.empty(scores.size)
    for fold in np.unique(folds):
        members = np.flatnonzero(folds == fold)
        z[members] = normal_scores(scores[members], ids[members])
    return z


def _fakes(fits: Scan, kept: Array) -> Array:
    """Return what the sideband fits see in excess in spectra bent by these efficiencies alone."""
    n_windows, n_levels = fits.shape
    smooth = _smooth(fits)
    spectra = np.empty((n_windows, n_levels, smooth.size))
    spectra[:, 0] = smooth
    spectra[:, 1:] = smooth * kept
    flat = spectra.reshape(-1, smooth.size)
    expected = fit_scan(fits.problem, flat[None]).expected[0]
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


def _chi2(selected: Array, total: Array) -> float:
    """Return Pearson's χ² of the hypothesis that selected events are drawn from all at random."""
    share = selected.sum() / total.sum()
    if not 0 < share < 1:  # nothing is selected, or all
        return 0.0
    expected = share * total[total > 0]
    return float((((selected[total > 0] - expected) ** 2) / (expected * (1 - share))).sum())


def _distance(selected: Array, total: Array) -> float:
    """Return the Jensen-Shannon distance; 0 where no event is selected that could tell."""
    return float(jensenshannon(selected, total, base=2)) if selected.any() else 0.0
