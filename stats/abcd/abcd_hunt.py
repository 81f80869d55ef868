r"""A scan of windows and selections whose background is :math:`N_B N_C / N_D` in each of them.

No spectrum is fitted: whatever it looks like, and however one of the scores follows the mass, events
that pass both scores are compared with those that pass one or none at the same masses. What has to hold is that
background has both scores independent of each other in a window (double DisCo, arXiv:2007.14400).
How well it holds is measured outside the window, in data and in every pseudo-experiment.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr

from ...core.windows import geometric_center
from ..p_values.local import z_of_log_p, z_of_p
from ..search.hunt_result import Best, HuntResult, SelectionResult, WindowResult
from ..search.pseudo_experiments import BATCH, GlobalP, global_p, is_enough
from ..search.trials import NOT_COUNTED, Trials, beyond_pseudo_experiments, trials
from ..selection.levels import checked_efficiencies
from ..spectra.binning import subdivide, window_bins
from ..spectra.pass_fit import counted_spectrum, selected_background
from ..spectra.predictions import prediction
from ..spectra.resonance import Resonance, fit_resonance
from ..spectra.spectrum import SpectrumFit
from .two_scores import Estimates, count_cells, estimates, independent_means, regions_of

__all__ = ["hunt_abcd"]

Array = NDArray[np.float64]

_NAME = "abcd"
_ROUNDS = (1000, 2000, 5000)  # pseudo-experiments after which it may be clear enough
_RARE = 0.5  # events of a region that is empty in a bin, for the figure alone


def hunt_abcd(
    mass: ArrayLike,
    first: ArrayLike,
    second: ArrayLike,
    *,
    edges: ArrayLike,
    windows: ArrayLike,
    efficiencies: Sequence[float],
    bins_per_bin: int = 2,
    gof_threshold: float = 0.003,
    pseudo_experiments: int = 10_000,
    seed: int = 0,
) -> HuntResult:
    """Search a scan of windows and selections by two independent scores.

    Parameters
    ----------
    mass : array_like of shape (n_events,)
        Resonant mass, GeV.
    first, second : array_like of int, shape (n_events,)
        Number of selections that an event passes in each score (`selection_levels` with the square roots of
        the efficiencies).
    edges : array_like of shape (n_bins + 1,)
        Bin edges of the scan, GeV.
    windows : array_like of shape (n_windows, 2)
        Low and high edge of each signal region, GeV, on bin edges.
    efficiencies : sequence of float
        The selections, decreasing: the fraction of background that passes both. 1 is not counted.
    bins_per_bin : int
        Bins of the figures in each bin of the scan.
    gof_threshold : float
        A closure outside the window of the result with a smaller p-value is mentioned among the flags.
    pseudo_experiments : int
        How many at most; fewer where the global p-value is soon known to 5 %.
    seed : int
        Seed of the pseudo-experiments: both scores independent in each bin of the scan, but for one
        non-closure for all that is as large as that of the data.

    Returns
    -------
    HuntResult

    Raises
    ------
    InputError, ConfigError
        If the input cannot be used.

    Examples
    --------
    >>> from overdensity.stats import log_edges
    >>> rng, edges = np.random.default_rng(1), log_edges(2500, 6000, 16)
    >>> mass = np.r_[2500 / rng.random(20_000) ** 0.2, rng.normal(3500, 100, 100)]
    >>> one, two = (np.r_[rng.random(20_000) < 0.2, np.ones(100)].astype(int) for _ in range(2))
    >>> found = hunt_abcd(
    ...     mass, one, two, edges=edges, windows=[edges[[4, 8]], edges[[8, 12]]], efficiencies=[0.04],
    ...     pseudo_experiments=250,
    ... )
    >>> found.best.window, found.best.z_local > 3
    (0, True)
    """
    steps = checked_efficiencies(efficiencies)
    windows = np.asarray(windows, dtype=float).reshape(-1, 2)
    edges = np.asarray(edges, dtype=float)
    inside = window_bins(edges, windows)
    cells = count_cells(mass, first, second, edges, len(steps))
    found = _scanned(cells[None], inside)
    log_p = found.log_p[0]
    toys = _thrown(cells, inside, found, float(np.exp(log_p.min())), pseudo_experiments, seed)
    whole, corrected = _globally(log_p, toys)
    rows = _rows(found, cells, inside, steps)
    best = np.unravel_index(log_p.argmin(), log_p.shape)
    fine = subdivide(edges, bins_per_bin)
    drawn = _Drawn(
        fine, regions_of(count_cells(mass, first, second, fine, len(steps))), windows[best[0]], rows[best[0]],
        found.uncertainty[0, best[0]],
    )  # fmt: skip
    return HuntResult(
        edges=tuple(fine.tolist()),
        function=_NAME,
        windows=tuple(
            WindowResult(float(geometric_center(low, high)), low, high, row[0], tuple(row[1:]))
            for (low, high), row in zip(windows.tolist(), rows, strict=True)
        ),
        unselected_counted=False,
        best=Best(
            window=int(best[0]),
            efficiency=steps[best[1]],
            p_local=float(np.exp(log_p[best])),
            z_local=float(z_of_log_p(log_p[best])),
            resonance=drawn.peak(int(best[1])),
            spectra=(None, *(drawn.spectrum(k) for k in range(len(steps)))),
        ),
        global_p=whole,
        trials=corrected,
        unselected_chi2=0.0,
        unselected_ndf=0,
        unselected_p_value=1.0,
        null_mismatch=0.0,
        flags=_flags(found, steps, int(best[0]), gof_threshold),
    )


def _scanned(cells: Array, inside: NDArray[np.bool_]) -> Estimates:
    """Estimate all windows and selections of datasets of shape (n, n_bins, …)."""
    return estimates(regions_of(cells), inside)


def _thrown(  # noqa: PLR0917  (arrays of one scan)
    cells: Array, inside: NDArray[np.bool_], found: Estimates, smallest: float, n: int, seed: int
) -> Array:
    """Return ln p of pseudo-experiments, shape (n, n_windows, n_selections)."""
    mean, level = independent_means(cells), np.arange(cells.shape[-1])
    of_level = np.r_[0.0, np.nan_to_num(np.median(found.uncertainty[0], axis=0))]
    kappa = of_level[np.minimum(level[:, None], level)]
    goals = [-(-goal // BATCH) for goal in (*(goal for goal in _ROUNDS if goal < n), n)]
    done: list[Array] = []
    for goal in goals:
        for batch in range(len(done), goal):
            rng = np.random.default_rng([seed, batch])
            theta = rng.normal(size=(BATCH, 1, 1, 1))
            done.append(
                _scanned(rng.poisson(mean * (1 + kappa) ** theta).astype(float), inside).log_p
            )
        least = np.exp(np.concatenate(done).min(axis=(1, 2)))
        if is_enough(smallest, least):
            break
    return np.concatenate(done)


def _globally(log_p: Array, toys: Array) -> tuple[GlobalP, Trials]:
    """Return the global p-value of the smallest local one, and the trials beside it."""
    corrected = trials(
        float(z_of_log_p(log_p.min())),
        np.where(toys < 0, z_of_p(np.exp(np.minimum(toys, -1e-12))), NOT_COUNTED),
    )
    found = global_p(float(np.exp(log_p.min())), np.exp(toys.min(axis=(1, 2))))
    return beyond_pseudo_experiments(found, corrected), corrected


def _rows(
    found: Estimates, cells: Array, inside: NDArray[np.bool_], efficiencies: Sequence[float]
) -> list[list[SelectionResult]]:
    """Return the rows of each window: all events, which are not tested, and the selections."""
    all_events = inside @ cells.sum(axis=(1, 2))
    rows = []
    for w, n in enumerate(all_events.tolist()):
        row = [_untested(n)]
        for k, efficiency in enumerate(efficiencies):
            at = (0, w, k)
            z, known = float(found.closure_z[at]), bool(np.isfinite(found.uncertainty[at]))
            row.append(
                SelectionResult(
                    efficiency=efficiency,
                    observed=int(found.observed[at]),
                    expected=float(found.expected[at]),
                    expected_error=float(found.error[at]) if known else None,
                    spurious=0.0,
                    p_local=float(np.exp(found.log_p[at])) if known else None,
                    z_local=float(z_of_log_p(found.log_p[at])) if known else None,
                    chi2=z**2 if known else 0.0,
                    ndf=1,
                    fit_p_value=2 * float(ndtr(-z)) if known else 0.0,
                    flagged=not known,
                    refused=False,
                )
            )
        rows.append(row)
    return rows


def _untested(n: float) -> SelectionResult:
    """Return the row of all events of a window, which are their own expectation."""
    return SelectionResult(
        1.0, int(n), n, None, 0.0, None, None, 0.0, 0, 1.0, flagged=True, refused=True, searched=False
    )  # fmt: skip


def _flags(
    found: Estimates, efficiencies: Sequence[float], window: int, threshold: float
) -> tuple[str, ...]:
    """Say which selections do not close outside the window of the result."""
    said = []
    for k, efficiency in enumerate(efficiencies):
        at = (0, window, k)
        if not np.isfinite(found.uncertainty[at]):
            said.append(
                f"selection {efficiency:g}: no events outside the window pass both scores, and its closure is "
                "not known; it is not counted: give looser selections"
            )
        elif 2 * ndtr(-found.closure_z[at]) < threshold:
            said.append(
                f"selection {efficiency:g}: both scores are not independent outside the window (N_A N_D / "
                f"N_B N_C is {found.closure[at]:.2f}), or a signal is there; the p-values know of it by an "
                f"error of {found.uncertainty[at]:.0%}"
            )
    return tuple(said)


@dataclass(frozen=True, eq=False)
class _Drawn:
    """The spectra of one window: events that pass both scores, and what the others say of them."""

    edges: Array
    regions: Array  # (n_bins, n_selections, 4)
    window: Array
    rows: list[SelectionResult]
    uncertainty: Array

    def spectrum(self, k: int) -> SpectrumFit:
        """Return the spectrum of a selection with its expectation in each bin."""
        mask = window_bins(self.edges, self.window[None])[0]
        a, b, c, d = self.regions[:, k].T
        row = self.rows[1 + k]
        expected = b * c / np.maximum(d, 1.0)
        expected = np.where(
            mask, expected * row.expected / max(expected[mask].sum(), 1e-9), expected
        )
        relative = np.sqrt(1 / np.maximum(b, 1) + 1 / np.maximum(c, 1) + 1 / np.maximum(d, 1))
        common = np.nan_to_num(self.uncertainty[k]) * expected
        covariance = np.diag((relative * np.maximum(expected, _RARE / 10)) ** 2)
        return SpectrumFit(
            function=_NAME,
            counts=tuple(a.astype(int).tolist()),
            parameters=(),
            **prediction(self.edges, mask, expected, covariance + np.outer(common, common)),
            observed=row.observed,
            chi2=row.chi2,
            ndf=row.ndf,
            p_value=row.fit_p_value,
        )

    def peak(self, k: int) -> Resonance:
        """Fit a peak to the spectrum of a selection, over the expectation with a free scale."""
        shown = self.spectrum(k)
        before = counted_spectrum(_NAME, self.edges, np.maximum(shown.expected, _RARE / 10))
        scale = np.array([max(shown.total_error / max(shown.total, _RARE), 1e-3) ** -2.0])
        background = selected_background(
            before, np.empty(0), np.empty((0, 0)), np.ones(self.edges.size - 1), scale
        )
        low, high = self.window.tolist()
        return fit_resonance(self.edges, shown.counts, low, high, background=background)
