r"""Significances to be expected of a signal: from the Asimov dataset, and in toys.

Both go through the statistical step of the search: sideband fits, local p-values with the errors of
the background, the rules by which an excess may count, and the correction for the trials.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..p_values.local import local_log_p, p_of_z, z_of_log_p, z_of_p
from ..search.pseudo_experiments import BATCH, global_p, join_toys, scan_batch
from ..search.scan_fits import fit_scan
from ..search.trials import NOT_COUNTED, beyond_pseudo_experiments, trials
from ..selection.contradiction import contradicted
from .blind_background import BlindBackground
from .signal_response import SignalResponse

__all__ = ["ScanToys", "asimov_significances", "scan_toys", "toy_significances"]

Array = NDArray[np.float64]

_GRID = np.r_[np.arange(0.0, 10.0, 0.05), np.arange(10.0, 37.0, 0.5)]  # local significances


@dataclass(frozen=True, eq=False)
class ScanToys:
    """Background-only toys of the whole scan: what an excess has to stand out from.

    Attributes
    ----------
    z : ndarray of shape (n, n_windows, n_levels)
        Local significances; `NOT_COUNTED` where a test does not count.
    p_local : ndarray of shape (n, n_levels)
        Local p-values of the window looked at, all of them.
    largest_deviance : ndarray of shape (n_levels,)
        Above it, a fit of the window is not counted.
    """

    z: Array
    p_local: Array
    largest_deviance: Array

    @cached_property
    def _scale(self) -> Array:
        """Global significances of the local ones of _GRID, as a search gives them."""
        smallest = p_of_z(self.z.max(axis=(1, 2)))
        found = [
            beyond_pseudo_experiments(
                global_p(float(p_of_z(z)), smallest), trials(z, self.z)
            ).z_global
            for z in _GRID.tolist()
        ]
        return np.maximum.accumulate(np.maximum(found, 0.0))

    def z_global(self, z_local: ArrayLike) -> Array:
        """Return the global significance of a local one, both from 0 up."""
        return np.interp(np.asarray(z_local, dtype=float), _GRID, self._scale)

    def z_local(self, z_global: float) -> float:
        """Return the smallest local significance with so large a global one."""
        return float(_GRID[min(int(np.searchsorted(self._scale, z_global)), _GRID.size - 1)])


def scan_toys(background: BlindBackground, *, n: int, seed: int) -> ScanToys:
    """Throw the whole scan without signal, and scan it as a search does.

    Parameters
    ----------
    background : BlindBackground
        What to throw.
    n : int
        How many, rounded up to batches of `BATCH`.
    seed : int
        Seed.

    Returns
    -------
    ScanToys

    Examples
    --------
    >>> from overdensity.stats import FitModel, log_edges
    >>> from overdensity.stats.reach.blind_background import blind_background
    >>> edges, counts = log_edges(2632, 6000, 16), np.round(5000 * 0.7 ** np.arange(16))
    >>> windows = [edges[[5, 8]], edges[[8, 11]]]
    >>> seen = blind_background(edges, counts, windows, 0, [0.1], model=FitModel("dijet3"))
    >>> toys = scan_toys(seen, n=250, seed=1)
    >>> toys.z.shape, 3.0 < toys.z_local(3.0) < 4.0
    ((250, 2, 2), True)
    """
    n_windows, n_levels = background.problem.shape
    spurious = np.repeat(background.spurious, n_levels)
    done = []
    for index in range(-(-n // BATCH)):
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(0, index)))
        counts = background.throw(BATCH, rng, n_windows)
        done.append(scan_batch(background.problem, counts, spurious, rng))
    toys = join_toys(done)
    counted = np.tile(background.counted, n_windows)
    use = counted & ~toys.bad_fit(background.model.gof_threshold)
    z = np.where(use, z_of_p(toys.p_local), NOT_COUNTED).reshape(-1, n_windows, n_levels)
    mine = slice(background.window * n_levels, (background.window + 1) * n_levels)
    threshold = 1 - background.model.gof_threshold
    return ScanToys(
        z, toys.p_local[:, mine], np.quantile(toys.deviance[:, mine], threshold, axis=0)
    )


def asimov_significances(
    background: BlindBackground, response: SignalResponse, strengths: Sequence[float]
) -> Array:
    r"""Return the local significances of the Asimov dataset, where every bin holds its expectation.

    Background and signal are fitted as data are, so that what leaks into the sidebands is absorbed,
    and :math:`z` is that of the p-value of the search for :math:`n = b + s` (Cowan, Cranmer, Gross
    and Vitells, arXiv:1007.1727, §3.2; :math:`n` need not be whole).

    Parameters
    ----------
    background : BlindBackground
        The background.
    response : SignalResponse
        The signal; the mean of its trainings is taken.
    strengths : sequence of float
        Signal events before selection.

    Returns
    -------
    ndarray of shape (n_strengths, n_levels)
        From 0 up; 0 where the excess contradicts the unselected spectrum, and may not be quoted.

    Examples
    --------
    >>> from overdensity.stats import FitModel, log_edges
    >>> from overdensity.stats.reach.blind_background import blind_background
    >>> from overdensity.stats.reach.signal_response import gaussian_response
    >>> edges, counts = log_edges(2632, 6000, 16), np.round(5000 * 0.7 ** np.arange(16))
    >>> seen = blind_background(edges, counts, [edges[[5, 8]]], 0, [0.1], model=FitModel("dijet3"))
    >>> signal = gaussian_response(edges, 3600.0, 0.03, [0.5])
    >>> z = asimov_significances(seen, signal, [0.0, 100.0])
    >>> z[0].tolist(), bool(z[1, 1] > z[1, 0] > 0)
    ([0.0, 0.0], True)
    """
    signal = np.stack([strength * response.at(strength).mean(axis=0) for strength in strengths])
    total = np.full(len(signal), background.expected.sum())
    kept = response.kept_background(signal.sum(axis=2), total, background.efficiencies)
    counts = kept[..., None] * background.expected + signal
    fits = fit_scan(background.of_window, counts)
    observed = (counts * background.masked).sum(axis=2)
    spurious = background.spurious[background.window] * fits.expected
    log_p = local_log_p(observed, fits.expected, np.hypot(fits.error, spurious))
    against = contradicted(observed, fits.expected, fits.error, n_levels=counts.shape[1])
    z = np.where(fits.converged & ~against, np.maximum(z_of_log_p(log_p), 0.0), 0.0)
    z[np.array(strengths) == 0] = 0.0  # of half an event, rounding aside
    return z


def toy_significances(
    background: BlindBackground,
    response: SignalResponse,
    strength: float,
    toys: ScanToys,
    *,
    n: int,
    seed: int,
) -> Array:
    """Return the local significances of Poisson datasets with signal, as a search reads them.

    Every toy takes the response of one of the trainings, chosen at random.

    Parameters
    ----------
    background : BlindBackground
        The background.
    response : SignalResponse
        The signal.
    strength : float
        Signal events before selection.
    toys : ScanToys
        Those without signal, for the thresholds of the goodness of fit.
    n : int
        How many.
    seed : int
        Seed; at all strengths the same toys have the same background.

    Returns
    -------
    ndarray of shape (n, n_levels)
        From 0 up; 0 where a fit may not be quoted.

    Examples
    --------
    >>> from overdensity.stats import FitModel, log_edges
    >>> from overdensity.stats.reach.blind_background import blind_background
    >>> from overdensity.stats.reach.signal_response import gaussian_response
    >>> edges, counts = log_edges(2632, 6000, 16), np.round(5000 * 0.7 ** np.arange(16))
    >>> seen = blind_background(edges, counts, [edges[[5, 8]]], 0, [0.1], model=FitModel("dijet3"))
    >>> signal = gaussian_response(edges, 3600.0, 0.03, [0.5])
    >>> z = toy_significances(seen, signal, 100.0, scan_toys(seen, n=250, seed=1), n=200, seed=1)
    >>> expected = asimov_significances(seen, signal, [100.0])[0]
    >>> bool(np.all(abs(np.median(z, axis=0) - expected) < 0.3))
    True
    """
    background_rng, rng = (
        np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(1, k))) for k in range(2)
    )
    fractions = response.at(strength)
    inside = np.concatenate([fractions[:, 1:], np.zeros_like(fractions[:, :1])], axis=1)
    shells = np.maximum(fractions - inside, 0.0)
    thrown = rng.poisson(strength * shells[rng.integers(len(fractions), size=n)])
    signal = np.cumsum(thrown[:, ::-1], axis=1)[:, ::-1]

    def kept(total: Array) -> Array:
        return response.kept_background(signal.sum(axis=2), total, background.efficiencies)

    counts = background.throw(n, background_rng, kept=kept) + signal
    spurious = np.full(counts.shape[1], background.spurious[background.window])
    found = scan_batch(background.of_window, counts, spurious, rng)
    good = found.deviance <= toys.largest_deviance
    return np.where(good, np.maximum(z_of_p(found.p_local), 0.0), 0.0)
