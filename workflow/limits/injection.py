"""One search repeated with signal among its events: draw, train, select, fit, write down."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...core.identity import splitmix64
from ...ml import Sample, Window, train_fold
from ...stats import count_patterns, selection_levels
from ...stats.search.pseudo_experiments import throw_toys
from ...stats.search.scan_fits import fit_scan
from ...stats.search.statistical_step import statistical_step
from ...stats.selection.efficiency import signal_efficiency
from ..stages.provenance import file_states
from ..stages.run import Run
from ..stages.samples import load_signal, load_simulation
from ..stages.selecting import calibrated, passing_new
from .injected_events import InjectionTask, draw_signal, events_with_signal, load_base
from .injection_results import InjectedSelection, Injection

__all__ = ["MOST_SCORED", "inject", "injection_key", "trained_selection"]

_PSEUDO_EXPERIMENTS = 1000  # behind the goodness of fit, whose threshold is a few in a thousand
MOST_SCORED = 20_000
"""Signal events that an efficiency is measured with, at most."""
_MORE = 10.0  # signal events that are added to see what a fit makes of one


def injection_key(run: Run, task: InjectionTask) -> str:
    """Return the key of all that a repetition depends on: it names the file of its result."""
    return run.key(
        "injections",
        file_states(task.signal),
        dataclasses.asdict(task),
        Injection.schema,
        files=task.base,
    )


def inject(run: Run, task: InjectionTask, path: Path) -> None:
    """Repeat the search of one window with injected signal, and write its `Injection`.

    Runs on a worker. The signal events are a random subset of Poisson size; subsets of one
    repetition are nested in the strength, so that what changes between strengths is the strength.

    Parameters
    ----------
    run : Run
        The search.
    task : InjectionTask
        What to inject, and where.
    path : Path
        Where the result goes, whole or not at all.

    Raises
    ------
    InputError
        If there are not enough events to draw from.
    FitError
        If there are too few events to fit.
    """
    signal = load_signal(run, task.signal, weights="thinned")
    base, window = load_base(run, task), run.windows[task.window]
    chosen, kept_back = draw_signal(len(signal), task, run.config.seed)
    sample = events_with_signal(base, signal.take(chosen[run.in_scan(signal.mass[chosen])]))
    in_scan = kept_back[run.in_scan(signal.mass[kept_back])]
    probe = signal.take(in_scan[:MOST_SCORED])
    fold, levels, passing = trained_selection(run, sample, probe, window)
    selections = _fitted(
        run,
        task,
        sample,
        levels=levels,
        is_signal=np.arange(len(sample)) >= len(base),
        probe=probe,
        passing=passing,
        in_scan=len(in_scan) / len(kept_back),
    )
    Injection(
        model=task.model,
        strength=task.strength,
        repeat=task.repeat,
        injected=len(chosen),
        events=len(fold),
        scored=len(probe),
        selections=selections,
    ).to_json(path)


def trained_selection(
    run: Run, sample: Sample, probe: Sample, window: Window
) -> tuple[NDArray[np.int64], NDArray[np.int8], NDArray[np.bool_]]:
    """Train every fold, select the events, and measure what would pass of a probe.

    Parameters
    ----------
    run : Run
        The search.
    sample : Sample
        The events, the injected ones among them.
    probe : Sample
        Signal events that are not among them.
    window : Window
        What is trained.

    Returns
    -------
    fold : ndarray of int64, shape (n_events,)
        Of each event.
    levels : ndarray of int8, shape (n_events,)
        Selections passed.
    passing : ndarray of bool, shape (n_selections + 1, n_folds, n_probe)
        Whether each event of the probe passes in each fold; all do before any selection.
    """
    config, shown, simulation = run.config, sample.without_label(), load_simulation(run)
    fold = run.folding.of(sample.event)
    scores = np.empty(len(sample), np.float32)
    probe_scores = np.empty((config.folds, len(probe)), np.float32)
    for each in range(config.folds):
        model = train_fold(run.method, sample, window, each, run.folding, simulation=simulation)
        rows = np.flatnonzero(fold == each)
        scores[rows] = model.score(shown.take(rows))
        probe_scores[each] = model.score(probe)
    cut_on = calibrated(run, scores, mass=sample.mass, fold=fold, event=sample.event, window=window)
    levels = selection_levels(cut_on, fold, config.cuts, events=splitmix64(sample.event))
    passing = passing_new(
        run,
        scores,
        sample=sample,
        fold=fold,
        window=window,
        new=probe,
        new_values=probe_scores,
    )
    return fold, levels, np.concatenate([np.ones_like(passing[:1]), passing])


def _fitted(
    run: Run,
    task: InjectionTask,
    sample: Sample,
    *,
    levels: NDArray[np.int8],
    is_signal: NDArray[np.bool_],
    probe: Sample,
    passing: NDArray[np.bool_],
    in_scan: float,
) -> tuple[InjectedSelection, ...]:
    """Take the statistical step in the window, and see what its fits make of signal.

    The fraction `in_scan` of the signal events lies in the range of the scan, as the probe does.
    """
    window, seed = run.windows[task.window], run.config.seed
    step = statistical_step(
        count_patterns(sample.mass, levels[:, None], run.fit_edges),
        [(window.low, window.high)],
        run.config.selections,
        model=run.fit_model,
        spurious=[task.spurious],
        refused=[task.refused],
        odds_widths=task.odds_widths or None,
    )
    toys = throw_toys(step.scan, step.null, n=_PSEUDO_EXPERIMENTS, seed=seed)
    # The same fits to a little more signal: what they absorb of an event.
    more = [
        np.histogram(probe.mass, run.fit_edges, weights=each * _MORE * in_scan / len(probe))[0]
        for each in passing.mean(axis=1)
    ]
    raised = fit_scan(step.scan.problem, (step.scan.counts + more)[None]).expected[0]
    absorbed = (raised - step.scan.fits.expected[0]) / _MORE
    in_region, share = window.signal(sample.mass) & is_signal, np.full(run.config.folds, 1.0)
    found = [signal_efficiency(each & window.signal(probe.mass), share) for each in passing]
    return tuple(
        InjectedSelection(
            selection=row,
            selected_signal=int(np.count_nonzero(in_region & (levels >= level))),
            absorbed=float(absorbed[level]),
            eps_s=in_scan * found[level].value,
            eps_error=in_scan * found[level].simulation_error,
        )
        for level, row in enumerate(step.rows(toys))
        if row.searched
    )
