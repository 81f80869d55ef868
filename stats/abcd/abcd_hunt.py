r"""A scan of windows and selections whose background is :math:`N_B N_C / N_D` in each of them.

No spectrum is fitted: whatever it looks like, and however one of the scores follows the mass, events
that pass both scores are compared with those that pass one or none at the same masses. What has to hold is that
background has both scores independent of each other at equal masses (double DisCo, arXiv:2007.14400), or
as dependent at all of them: how well it holds is measured outside each window, and corrected, in data
and in every pseudo-experiment.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...core.windows import geometric_center
from ..p_values.local import z_of_log_p, z_of_p
from ..search.hunt_result import Best, HuntResult, SelectionResult, WindowResult
from ..search.pseudo_experiments import BATCH, GlobalP, global_p, is_enough, rounds_of
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
_RARE = 0.05  # events of a bin of the figure where none are expected
_CERTAIN = 3.0  # errors by which an excess is strong, and scores depend on each other


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
        A selection whose closure changes with the mass so much that its deviance outside the window has a
        smaller p-value is flagged, in data and pseudo-experiments alike.
    pseudo_experiments : int
        How many at most; fewer where the global p-value is soon known to 5 %.
    seed : int
        Seed of the pseudo-experiments: both scores are independent in each bin of the scan, but for one closure
        for all, that of the data outside the window of the result.

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
    search = _Search(
        count_cells(mass, first, second, edges, len(steps)),
        window_bins(edges, windows),
        gof_threshold,
    )
    found, toys = search.settled(pseudo_experiments, seed)
    log_p = search.counted(found, toys)[0]
    best = None if not (log_p < 0).any() else np.unravel_index(log_p.argmin(), log_p.shape)
    rows = _rows(found, search, steps, toys)
    fine = subdivide(edges, bins_per_bin)
    whole = corrected = shown = None
    if best is not None:
        regions = regions_of(count_cells(mass, first, second, fine, len(steps)))
        drawn = _Drawn(fine, regions, windows[best[0]], rows[best[0]], found.closure[0, best[0]])
        shown = Best(
            window=int(best[0]),
            efficiency=steps[best[1]],
            p_local=float(np.exp(log_p[best])),
            z_local=float(z_of_log_p(log_p[best])),
            resonance=drawn.peak(int(best[1])),
            spectra=(None, *(drawn.spectrum(k) for k in range(len(steps)))),
        )
        whole, corrected = _globally(log_p, search.counted(toys, toys))
    return HuntResult(
        edges=tuple(fine.tolist()),
        function=_NAME,
        windows=tuple(
            WindowResult(float(geometric_center(low, high)), low, high, row[0], tuple(row[1:]))
            for (low, high), row in zip(windows.tolist(), rows, strict=True)
        ),
        unselected_counted=False,
        best=shown,
        global_p=whole,
        trials=corrected,
        unselected_chi2=0.0,
        unselected_ndf=0,
        unselected_p_value=1.0,
        null_mismatch=0.0,
        flags=_flags(rows, found, 0 if best is None else int(best[0])),
    )


@dataclass(frozen=True, eq=False)
class _Search:
    """Cells of the data, the bins of the windows, and the rule by which spectra are counted."""

    cells: Array
    inside: NDArray[np.bool_]
    threshold: float

    @property
    def guarded(self) -> NDArray[np.bool_]:
        """The windows with one bin on either side, into which a resonance leaks."""
        grown = self.inside.copy()
        grown[:, 1:] |= self.inside[:, :-1]
        grown[:, :-1] |= self.inside[:, 1:]
        return grown

    def estimated(self, cells: Array) -> Estimates:
        """Estimate all windows and selections of datasets of shape (n, n_bins, …)."""
        return estimates(regions_of(cells), self.inside, self.guarded)

    def settled(self, n: int, seed: int) -> tuple[Estimates, Estimates]:
        """Return the data and the pseudo-experiments, whose closure is that outside the window of the result."""
        found = self.estimated(self.cells[None])
        hidden = int(found.log_p[0].min(axis=1).argmin())
        toys = self.thrown(found, hidden, n, seed)
        wanted = int(self.counted(found, toys)[0].min(axis=1).argmin())
        return found, toys if wanted == hidden else self.thrown(found, wanted, n, seed)

    def thrown(self, found: Estimates, hidden: int, n: int, seed: int) -> Estimates:
        """Throw pseudo-experiments with independent scores, but for the closure outside a window."""
        mean = independent_means(self.cells, np.nan_to_num(found.closure[0, hidden], nan=1.0))
        smallest = float(np.exp(found.log_p[0, hidden].min()))
        goals = [-(-goal // BATCH) for goal in rounds_of(n)]
        done: list[Estimates] = []
        for goal in goals:
            for batch in range(len(done), goal):
                rng = np.random.default_rng([seed, batch])
                done.append(self.estimated(rng.poisson(mean, (BATCH, *mean.shape)).astype(float)))
            least = np.exp(np.concatenate([each.log_p.min(axis=(1, 2)) for each in done]))
            if is_enough(smallest, least):
                break
        return Estimates(
            *(
                np.concatenate([getattr(each, one.name) for each in done])
                for one in fields(Estimates)
            )
        )

    def quotable(self, found: Estimates, toys: Estimates) -> NDArray[np.bool_]:
        """Return what closes no worse than pseudo-experiments do."""
        worst = np.quantile(toys.deviance, 1 - self.threshold, axis=0)
        return found.known & (found.deviance <= worst)

    def counted(self, found: Estimates, toys: Estimates) -> Array:
        """Return ln p of what is `quotable`, 0 else."""
        return np.where(self.quotable(found, toys), found.log_p, 0.0)

    def goodness(self, found: Estimates, toys: Estimates) -> Array:
        """Return the p-value of the deviances of the data, by counting."""
        return (1 + (toys.deviance >= found.deviance).sum(axis=0)) / (1 + len(toys.deviance))


def _globally(log_p: Array, toys: Array) -> tuple[GlobalP, Trials]:
    """Return the global p-value of the smallest local one, and the trials beside it."""
    corrected = trials(
        float(z_of_log_p(log_p.min())),
        np.where(toys < 0, z_of_p(np.exp(np.minimum(toys, -1e-12))), NOT_COUNTED),
    )
    found = global_p(float(np.exp(log_p.min())), np.exp(toys.min(axis=(1, 2))))
    return beyond_pseudo_experiments(found, corrected), corrected


def _rows(
    found: Estimates, search: _Search, efficiencies: Sequence[float], toys: Estimates
) -> list[list[SelectionResult]]:
    """Return the rows of each window: all events, which are not tested, and the selections."""
    all_events = search.inside @ search.cells.sum(axis=(1, 2))
    quotable, goodness = search.quotable(found, toys), search.goodness(found, toys)
    bins = (~search.guarded).sum(axis=1)
    rows = []
    for w, n in enumerate(all_events.tolist()):
        row = [_untested(n)]
        for k, efficiency in enumerate(efficiencies):
            at = (0, w, k)
            good = bool(quotable[at])
            row.append(
                SelectionResult(
                    efficiency=efficiency,
                    observed=int(found.observed[at]),
                    expected=float(found.expected[at]),
                    expected_error=float(found.error[at]) if found.known[at] else None,
                    spurious=0.0,
                    p_local=float(np.exp(found.log_p[at])) if good else None,
                    z_local=float(z_of_log_p(found.log_p[at])) if good else None,
                    chi2=float(found.deviance[at]),
                    ndf=int(bins[w]) - 1,
                    fit_p_value=float(goodness[w, k]),
                    flagged=not good,
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


def _flags(rows: list[list[SelectionResult]], found: Estimates, window: int) -> tuple[str, ...]:
    """Say which selections are not counted, and by what the estimate of the result was corrected.

    Windows beside a strong signal cannot close, and are not mentioned.
    """
    said = []
    strong = any((row.z_local or 0.0) > _CERTAIN for row in rows[window][1:])
    for k, row in enumerate(rows[window][1:]):
        at = (0, window, k)
        about = [rows[window]] if strong else rows
        bad = sum(each[1 + k].flagged for each in about)
        if bad:
            said.append(
                f"selection {row.efficiency:g}: in {bad} of {len(about)} windows the closure is not known or "
                "changes with the mass, and they are not counted"
            )
        elif found.closure_z[at] > _CERTAIN:
            said.append(
                f"selection {row.efficiency:g}: both scores are not independent: outside the window of the "
                f"result N_A N_D / N_B N_C is {found.closure[at]:.2f} ± {found.closure_error[at]:.2f}, by "
                "which the estimate was multiplied"
            )
    return tuple(said)


@dataclass(frozen=True, eq=False)
class _Drawn:
    """The spectra of one window: events that pass both scores, and what the others say of them."""

    edges: Array
    regions: Array  # (n_bins, n_selections, 4)
    window: Array
    rows: list[SelectionResult]
    closure: Array

    def spectrum(self, k: int) -> SpectrumFit:
        """Return the spectrum of a selection with its expectation in each bin."""
        mask = window_bins(self.edges, self.window[None])[0]
        a, b, c, d = self.regions[:, k].T
        row = self.rows[1 + k]
        expected = np.nan_to_num(self.closure[k]) * b * c / np.maximum(d, 1.0)
        expected = np.where(
            mask, expected * row.expected / max(expected[mask].sum(), 1e-9), expected
        )
        relative = np.sqrt(1 / np.maximum(b, 1) + 1 / np.maximum(c, 1) + 1 / np.maximum(d, 1))
        covariance = np.diag((relative * np.maximum(expected, _RARE)) ** 2)
        of_window = float(np.sqrt(covariance[np.ix_(mask, mask)].sum()))
        covariance *= ((row.expected_error or of_window) / max(of_window, 1e-9)) ** 2
        return SpectrumFit(
            function=_NAME,
            counts=tuple(a.astype(int).tolist()),
            parameters=(),
            **prediction(self.edges, mask, expected, covariance),
            observed=row.observed,
            chi2=row.chi2,
            ndf=row.ndf,
            p_value=row.fit_p_value,
        )

    def peak(self, k: int) -> Resonance:
        """Fit a peak to the spectrum of a selection, over the expectation with a free scale."""
        shown = self.spectrum(k)
        before = counted_spectrum(_NAME, self.edges, np.maximum(shown.expected, 1e-3))
        scale = np.array([max(shown.total_error / max(shown.total, 0.5), 1e-3) ** -2.0])
        background = selected_background(
            before, np.empty(0), np.empty((0, 0)), np.ones(self.edges.size - 1), scale
        )
        low, high = self.window.tolist()
        return fit_resonance(self.edges, shown.counts, low, high, background=background)
