"""The whole statistical step in one call: select, fit, scan, global p, signal, flags."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...core import FitError, InputError
from ..p_values.local import local_log_p, z_of_log_p, z_of_p
from ..selection.patterns import Patterns, count_patterns
from ..spectra.functions import checked_edges
from ..spectra.resonance import fit_resonance
from ..spectra.spectrum import Constraint, SpectrumFit, fit
from .flags import flag_sentences, inclusive_p
from .hunt_result import Best, HuntResult, SelectionResult, WindowResult
from .null import Null, null_hypothesis
from .pseudo_experiments import Mapper, Toys, global_p, is_enough, throw_toys
from .scanning import Scan, scan
from .trials import NOT_COUNTED, Trials, trials

__all__ = ["hunt", "hunt_patterns", "subdivide"]

logger = logging.getLogger(__name__)

Array = NDArray[np.float64]


def hunt(
    mass: ArrayLike,
    levels: ArrayLike,
    *,
    edges: ArrayLike,
    windows: ArrayLike,
    efficiencies: Sequence[float],
    function: str = "dijet5",
    bins_per_bin: int = 2,
    sculpting: float = 1.0,
    gof_threshold: float = 0.003,
    spurious: ArrayLike | None = None,
    refused: ArrayLike | None = None,
    pseudo_experiments: int = 10_000,
    seed: int = 0,
    mapper: Mapper | None = None,
) -> HuntResult:
    """Search a scan of windows and selections for an excess, with a global p-value.

    Parameters
    ----------
    mass : array_like of shape (n_events,)
        Resonant mass, GeV.
    levels : array_like of int, shape (n_events, n_windows)
        Number of selections each event passes in each window (`selection_levels`), the
        efficiency 1 not counted.
    edges : array_like of shape (n_bins + 1,)
        Bin edges of the scan, GeV.
    windows : array_like of shape (n_windows, 2)
        Low and high edge of each signal region, GeV, on bin edges.
    efficiencies : sequence of float
        The selections, decreasing. With 1 in front, the unselected spectrum is searched too;
        otherwise it is shown and not counted.
    function : str
        Background function: ``dijet3``, ``dijet4`` or ``dijet5``.
    bins_per_bin : int
        Bins of the fits in each bin of the scan.
    sculpting : float
        How much a selection may change the shape of the spectrum (`scan`).
    gof_threshold : float
        A fit whose goodness of fit has a smaller p-value is flagged, in data and
        pseudo-experiments alike.
    spurious : array_like of shape (n_windows,), optional
        Spurious signal of each window as a fraction of the background (`spurious_signal`): a
        nuisance parameter of the data and of every pseudo-experiment.
    refused : array_like of bool, shape (n_windows, n_selections), optional
        Selections that sculpt the spectrum more than the fit absorbs (`sculpting`). They are
        flagged, and do not count.
    pseudo_experiments : int
        How many at most; fewer where the global p-value is soon known to 5 %.
    seed : int
        Seed of the pseudo-experiments.
    mapper : callable, optional
        Runs the batches of pseudo-experiments, such as ``executor.map``.

    Returns
    -------
    HuntResult

    Raises
    ------
    InputError, ConfigError
        If the input cannot be used.
    FitError
        If there are too few events to fit.
    """
    patterns = count_patterns(mass, levels, subdivide(edges, bins_per_bin))
    return hunt_patterns(
        patterns,
        windows=windows,
        efficiencies=efficiencies,
        function=function,
        guard=bins_per_bin,
        sculpting=sculpting,
        gof_threshold=gof_threshold,
        spurious=spurious,
        refused=refused,
        pseudo_experiments=pseudo_experiments,
        seed=seed,
        mapper=mapper,
    )


def hunt_patterns(
    patterns: Patterns,
    *,
    windows: ArrayLike,
    efficiencies: Sequence[float],
    function: str = "dijet5",
    guard: int = 2,
    sculpting: float = 1.0,
    gof_threshold: float = 0.003,
    spurious: ArrayLike | None = None,
    refused: ArrayLike | None = None,
    pseudo_experiments: int = 10_000,
    seed: int = 0,
    mapper: Mapper | None = None,
) -> HuntResult:
    """Do the same as `hunt` for events already counted, as where partitions were merged.

    Parameters
    ----------
    patterns : Patterns
        Events counted in the bins of the fits.
    guard : int
        Bins beside the signal region that do not count in the goodness of fit.
    windows, efficiencies, function, sculpting, gof_threshold, spurious, refused
        As in `hunt`.
    pseudo_experiments, seed, mapper
        As in `hunt`.

    Returns
    -------
    HuntResult
    """
    fits = scan(
        patterns,
        windows,
        efficiencies,
        function=function,
        sculpting=sculpting,
        guard=guard,
        spurious=spurious,
    )
    null = null_hypothesis(patterns, fits)
    counted = np.ones(fits.shape, dtype=bool)
    counted[:, 0] = float(efficiencies[0]) == 1.0
    search = _Search(fits, counted.ravel(), _checked_refused(refused, fits), gof_threshold, seed)
    toys = throw_toys(
        fits, null, n=pseudo_experiments, seed=seed, enough=search.enough, mapper=mapper
    )
    return search.result(null, toys)


def subdivide(edges: ArrayLike, parts: int) -> Array:
    """Split each bin into parts of equal ratio, shape (n_bins × parts + 1,)."""
    edges = checked_edges(edges)
    ratio = (edges[1:] / edges[:-1])[:, None] ** (np.arange(parts) / parts)
    return np.append((edges[:-1, None] * ratio).ravel(), edges[-1])


@dataclass(frozen=True, eq=False)
class _Search:
    """The rule that picks the smallest p-value, the same for data and pseudo-experiments."""

    scan: Scan
    counted: NDArray[np.bool_]
    refused: NDArray[np.bool_]
    threshold: float
    seed: int

    def flagged(self, toys: Toys) -> NDArray[np.bool_]:
        """Return which spectra of the data may not be quoted, shape (n_spectra,)."""
        goodness = toys.goodness(self.scan.fits.deviance[0])
        return (goodness < self.threshold) | ~self.scan.fits.converged[0] | self.refused

    def smallest(self, toys: Toys) -> tuple[float, Array]:
        """Return the smallest p-value of the data and of each pseudo-experiment."""
        use = self.counted & ~self.flagged(toys)
        use_toys = self.counted & ~self.refused & ~toys.bad_fit(self.threshold)
        return (
            float(np.where(use, self.scan.p_local, 1.0).min()),
            np.where(use_toys, toys.p_local, 1.0).min(axis=1),
        )

    def trials(self, toys: Toys, z_local: float) -> Trials:
        """Correct the largest local significance for the trials, in three ways."""
        use = self.counted & ~self.refused & ~toys.bad_fit(self.threshold)
        z = np.where(use, z_of_p(toys.p_local), NOT_COUNTED).reshape(-1, *self.scan.shape)
        return trials(z_local, z)

    def enough(self, toys: Toys) -> bool:
        """Say whether the global p-value is known well enough."""
        return is_enough(*self.smallest(toys))

    def result(self, null: Null, toys: Toys) -> HuntResult:
        """Write the result down."""
        fits, reference = self.scan, self.scan.reference
        flagged = self.flagged(toys)
        goodness = toys.goodness(fits.fits.deviance[0])
        spurious = fits.spurious * fits.fits.expected[0]
        log_p = local_log_p(
            fits.observed, fits.fits.expected[0], np.hypot(fits.fits.error[0], spurious)
        )
        tested = fits.problem.tested.sum(axis=1)
        n_par = fits.problem.basis.n_parameters
        rows = [
            SelectionResult(
                efficiency=fits.efficiencies[k % fits.shape[1]],
                selected=int(fits.counts[k].sum()),
                observed=int(fits.observed[k]),
                expected=float(fits.fits.expected[0, k]),
                expected_error=float(fits.fits.error[0, k]),
                spurious=float(spurious[k]),
                p_local=float(fits.p_local[k]),
                z_local=float(z_of_log_p(log_p[k])),
                chi2=float(fits.fits.deviance[0, k]),
                ndf=int(tested[k]) - n_par,
                p_value=float(goodness[k]),
                flagged=bool(flagged[k]),
                refused=bool(self.refused[k]),
                counted=bool(self.counted[k]),
            )
            for k in range(flagged.size)
        ]
        usable = np.flatnonzero(self.counted & ~flagged)
        best = int(usable[np.argmin(log_p[usable])]) if usable.size else None
        edges = fits.problem.basis.edges
        return HuntResult(
            edges=tuple(edges.tolist()),
            function=fits.problem.basis.name,
            windows=tuple(
                _window(low, high, rows[w * fits.shape[1] : (w + 1) * fits.shape[1]])
                for w, (low, high) in enumerate(fits.windows.tolist())
            ),
            best=None if best is None else self.best(best, rows[best]),
            global_p=None if best is None else global_p(*self.smallest(toys)),
            trials=None if best is None else self.trials(toys, rows[best].z_local),
            unselected_chi2=float(reference.deviance[0, 0]),
            unselected_ndf=edges.size - 1 - n_par,
            unselected_p_value=inclusive_p(fits),
            null_mismatch=null.mismatch,
            flags=flag_sentences(
                fits,
                null,
                toys,
                flagged=flagged & self.counted,
                refused=self.refused,
                threshold=self.threshold,
                best=best,
                z_best=-np.inf if best is None else rows[best].z_local,
                seed=self.seed,
            ),
        )

    def best(self, k: int, row: SelectionResult) -> Best:
        """Fit the peak, and all spectra of its window."""
        fits, problem = self.scan, self.scan.problem
        edges, function = problem.basis.edges, problem.basis.name
        window, first = k // fits.shape[1], k - k % fits.shape[1]
        low, high = fits.windows[window].tolist()

        def constraint(j: int) -> Constraint | None:
            free = not problem.precision[j].any()
            return None if free else Constraint(problem.centre[j], problem.precision[j])

        def spectrum(j: int) -> SpectrumFit | None:
            try:
                return fit(
                    edges,
                    fits.counts[j],
                    masked=problem.masked[j],
                    function=function,
                    constraint=constraint(j),
                    seed=self.seed,
                )
            except FitError as error:  # of a flagged spectrum, say: the result stands without it
                logger.warning("spectrum %d of window %d: %s", j - first, window, error)
                return None

        return Best(
            window=window,
            efficiency=row.efficiency,
            p_local=row.p_local,
            z_local=row.z_local,
            resonance=fit_resonance(
                edges, fits.counts[k], low, high, function=function, constraint=constraint(k)
            ),
            spectra=tuple(map(spectrum, range(first, first + fits.shape[1]))),
        )


def _checked_refused(refused: ArrayLike | None, scan: Scan) -> NDArray[np.bool_]:
    """Return which spectra are refused, shape (n_spectra,); the unselected ones never are."""
    all_refused = np.zeros(scan.shape, dtype=bool)
    if refused is not None:
        given = np.asarray(refused, dtype=bool)
        if given.shape != (scan.shape[0], scan.shape[1] - 1):
            msg = (
                f"refused has shape {given.shape}, but there are {scan.shape[0]} windows of "
                f"{scan.shape[1] - 1} selections"
            )
            raise InputError(msg)
        all_refused[:, 1:] = given
    return all_refused.ravel()


def _window(low: float, high: float, rows: list[SelectionResult]) -> WindowResult:
    """Put the rows of one window together."""
    return WindowResult((low + high) / 2, low, high, rows[0], tuple(rows[1:]))
