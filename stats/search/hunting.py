"""The whole statistical step in one call: select, fit, scan, global p, signal, flags."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...core.windows import geometric_center
from ..p_values.local import z_of_log_p
from ..p_values.repeats import shared_variance
from ..selection.levels import checked_efficiencies
from ..selection.patterns import Patterns, count_patterns
from ..spectra.binning import subdivide
from ..spectra.fit_model import FitModel
from .flags import inclusive_p
from .hunt_result import Best, HuntResult, SelectionResult, WindowResult
from .pseudo_experiments import GlobalP, Mapper, Toys, global_p
from .statistical_step import StatisticalStep, settled_step, statistical_step
from .trials import Trials, beyond_pseudo_experiments

__all__ = ["hunt", "hunt_patterns"]

Array = NDArray[np.float64]


def hunt(
    mass: ArrayLike,
    levels: ArrayLike,
    *,
    edges: ArrayLike,
    windows: ArrayLike,
    efficiencies: Sequence[float],
    model: FitModel | None = None,
    bins_per_bin: int = 2,
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
    levels : array_like of int, shape ([n_repeats,] n_events, n_windows)
        Number of selections each event passes in each window (`selection_levels`), the
        efficiency 1 not counted; of several partitions into folds, one after the other.
    edges : array_like of shape (n_bins + 1,)
        Bin edges of the scan, GeV.
    windows : array_like of shape (n_windows, 2)
        Low and high edge of each signal region, GeV, on bin edges.
    efficiencies : sequence of float
        The selections, decreasing. With 1 in front, the unselected spectrum is searched too;
        otherwise it is shown and not counted.
    model : FitModel, optional
        How the background is fitted, and which fits may be quoted; by default ``FitModel()``.
    bins_per_bin : int
        Bins of the fits in each bin of the scan.
    spurious : array_like of shape (n_windows,), optional
        Spurious signal of each window as a fraction of the background (`spurious_signal`): a
        nuisance parameter of the data and of every pseudo-experiment.
    refused : array_like of bool, shape ([n_repeats,] n_windows, n_selections), optional
        Selections that sculpt the spectrum more than the fit absorbs (`refuse_fabricated`). They are
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

    Examples
    --------
    A falling spectrum with a peak at 3.5 TeV, of which a cut on a score keeps nearly all:

    >>> from overdensity.stats import log_edges
    >>> rng = np.random.default_rng(1)
    >>> mass = np.r_[2500 / rng.random(4000) ** 0.2, rng.normal(3500, 100, 60)]
    >>> levels = (rng.random((4060, 1)) < np.r_[np.full(4000, 0.1), np.ones(60)][:, None]) * 1
    >>> edges = log_edges(2500, 6000, 16)
    >>> found = hunt(mass, levels, edges=edges, windows=[edges[[4, 8]]], efficiencies=[0.1],
    ...              model=FitModel("dijet3"), pseudo_experiments=250)
    >>> found.best.z_local > 3, 3400 < found.best.resonance.mass < 3600
    (True, True)
    >>> print(found.table().text().splitlines()[0])
    hunt in 1 windows, 2500-6000 GeV, background dijet3
    """
    levels, fine = np.asarray(levels), subdivide(edges, bins_per_bin)
    each = levels if levels.ndim == 3 else levels[None]
    n_selections = len(checked_efficiencies(efficiencies))
    variance = None if len(each) == 1 else shared_variance(mass, each, windows, n_selections)
    return hunt_patterns(
        [count_patterns(mass, of_repeat, fine) for of_repeat in each],
        windows=windows,
        efficiencies=efficiencies,
        model=model,
        spurious=spurious,
        refused=refused,
        variance=variance,
        pseudo_experiments=pseudo_experiments,
        seed=seed,
        mapper=mapper,
    )


def hunt_patterns(
    patterns: Patterns | Sequence[Patterns],
    *,
    windows: ArrayLike,
    efficiencies: Sequence[float],
    model: FitModel | None = None,
    spurious: ArrayLike | None = None,
    refused: ArrayLike | None = None,
    variance: ArrayLike | None = None,
    pseudo_experiments: int = 10_000,
    seed: int = 0,
    mapper: Mapper | None = None,
) -> HuntResult:
    """Do the same as `hunt` for events already counted, as where partitions were merged.

    Parameters
    ----------
    patterns : Patterns or sequence of Patterns
        Events counted in the bins of the fits; of each partition into folds, where there are several.
    windows, efficiencies, model, spurious, refused
        As in `hunt`.
    variance : array_like of shape (n_windows, n_selections + 1), optional
        Of the mean over partitions, from the events that they share
        (:func:`~overdensity.stats.p_values.repeats.shared_variance`).
    pseudo_experiments, seed, mapper
        As in `hunt`.

    Returns
    -------
    HuntResult

    Examples
    --------
    >>> from overdensity.stats import log_edges, merge_patterns
    >>> rng, edges = np.random.default_rng(1), log_edges(2500, 6000, 16)
    >>> parts = []
    >>> for _ in range(2):  # partitions, counted wherever they are
    ...     mass, passes = 2500 / rng.random(2000) ** 0.2, rng.random((2000, 1)) < 0.1
    ...     parts.append(count_patterns(mass, passes, subdivide(edges, 2)))
    >>> found = hunt_patterns(merge_patterns(parts), windows=[edges[[4, 8]]], efficiencies=[0.1],
    ...                       model=FitModel("dijet3"), pseudo_experiments=250)
    >>> found.best.z_local < 3, len(found.windows)
    (True, 1)
    """
    step = statistical_step(
        *(patterns, windows, efficiencies),
        model=model,
        spurious=spurious,
        refused=refused,
        variance=variance,
    )
    step, toys = settled_step(step, n=pseudo_experiments, seed=seed, in_rounds=True, mapper=mapper)
    return _result(step, toys, seed)


def _result(step: StatisticalStep, toys: Toys, seed: int) -> HuntResult:
    """Return the result of a statistical step."""
    fits, reference, n_selected = step.scan, step.scan.reference, step.scan.shape[1]
    rows, best = step.rows(toys), step.best(toys)
    model, edges = fits.problem.basis, fits.problem.basis.edges
    corrected = None if best is None else step.trials(toys, float(z_of_log_p(step.log_p[best])))
    return HuntResult(
        edges=tuple(edges.tolist()),
        function=model.name,
        windows=tuple(
            _window(low, high, rows[w * n_selected : (w + 1) * n_selected])
            for w, (low, high) in enumerate(fits.windows.tolist())
        ),
        unselected_counted=bool(step.counted[0]),
        best=None if best is None else _best(step, toys, best, seed),
        global_p=None if corrected is None else _global_p(step, toys, corrected),
        trials=corrected,
        unselected_chi2=float(reference.deviance[0, 0]),
        unselected_ndf=edges.size - 1 - model.n_parameters,
        unselected_p_value=inclusive_p(fits),
        null_mismatch=step.null.mismatch,
        flags=step.flags(toys, seed),
        repeats=step.repeats(toys) if step.number > 1 else None,
        odds_widths=tuple(map(tuple, fits.problem.odds_widths.tolist())),
    )


def _global_p(step: StatisticalStep, toys: Toys, corrected: Trials) -> GlobalP:
    """Return the global p-value, continued where no pseudo-experiment comes up to the data."""
    return beyond_pseudo_experiments(global_p(*step.smallest(toys)), corrected)


def _best(step: StatisticalStep, toys: Toys, k: int, seed: int) -> Best:
    """Fit the peak, and all spectra of its window."""
    window, selection = divmod(k, step.scan.shape[1])
    places, sources = range(k - selection, k - selection + step.scan.shape[1]), step.sources(toys)
    return Best(
        window=window,
        efficiency=step.scan.efficiencies[selection],
        p_local=float(step.p_local[k]),
        z_local=float(z_of_log_p(step.log_p[k])),
        resonance=step.chosen.peak(k),
        spectra=tuple(sources[j].spectrum(j, seed) for j in places),
        odds_widths=tuple(
            step.scan.problem.odds_widths[selection - 1].tolist() if selection else ()
        ),
    )


def _window(low: float, high: float, rows: list[SelectionResult]) -> WindowResult:
    """Put the rows of one window together."""
    return WindowResult(float(geometric_center(low, high)), low, high, rows[0], tuple(rows[1:]))
