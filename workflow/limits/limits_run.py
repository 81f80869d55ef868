"""From a finished search to upper limits: on selected yields, and on signal models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from distributed import Client

from ...core.progress_bar import live_table
from ..calibrate.retraining import background_parameters
from ..cluster.campaign import in_file_names, run_campaign
from ..config.limits import LimitsConfig
from ..stages.before_training import refuse_searched
from ..stages.hunting import make_results
from ..stages.inputs.event_files import column_paths
from ..stages.provenance import Provenance
from ..stages.run import Run
from ..stages.samples import load_numbers, load_sample
from ..stages.search_result import SearchResults
from .injected_events import InjectionTask, check_pool, check_strengths
from .injection import inject, injection_key
from .injection_results import Injection
from .limits_flags import limit_flags
from .limits_result import LimitsResults
from .signal_models import SignalModel, accepted_flags, read_signal_models
from .signal_nuisances import nuisances_of
from .strength_limits import efficiency_errors
from .summary import signal_limits
from .yield_limits import window_limits

__all__ = ["check_limits", "make_limits"]


def check_limits(run: Run) -> None:
    """Refuse what is wrong with the signals, before a cluster starts.

    Raises
    ------
    InputError
        If files or columns cannot be used, hold events that are searched, or too few for the strengths
        or for pseudo-data.
    ConfigError
        If no function is fitted.
    """
    run.config.fit.check_fitted("an upper limit")
    limits = run.config.limits or LimitsConfig()
    for signal in read_signal_models(run, limits):
        nuisances_of(run, signal)
        if limits.injections is not None:
            check_strengths(signal.files, len(signal.sample), limits.injections.strengths)
    if limits.background is not None:
        files = column_paths(limits.background)
        pool = load_sample(run, files)
        refuse_searched(run, pool, "limits.background")
        check_pool(files, len(pool), len(load_numbers(run)))


def make_limits(run: Run, client: Client) -> LimitsResults:
    """Take the results of a run to upper limits, and write ``limits.json``.

    Every repetition of the search leaves a file in ``limits/`` of the run; what is there already, made
    from the same input, is not made again, so that an interrupted campaign goes on.

    Parameters
    ----------
    run : Run
        The search, with its section ``limits`` and its scores.
    client : distributed.Client
        Where the repetitions run.

    Returns
    -------
    LimitsResults

    Raises
    ------
    InputError
        If scores are missing, or the signals cannot be used.
    OverdensityError
        If repetitions failed; what is done is kept.
    """
    config, columns = run.config, run.columns
    limits = config.limits or LimitsConfig()
    results = make_results(run)
    run = run.partition(results.partition)
    windows = tuple(window_limits(window, limits.level) for window in results.windows)
    signals = read_signal_models(run, limits)
    pool = None if limits.background is None else tuple(column_paths(limits.background))
    into = _pseudo_data(run, results, pool) if limits.injections is not None else {}
    tasks = {signal.name: _tasks(limits, signal, results, columns, into) for signal in signals}
    done = _campaign(run, [each for some in tasks.values() for each in some], client)
    found = []
    for signal in signals:
        nuisances, window = nuisances_of(run, signal), results.windows[signal.window]
        of_signal = [done[task] for task in tasks[signal.name]]
        errors = efficiency_errors(of_signal[0])
        found.append(
            signal_limits(
                limits,
                signal,
                results,
                window=window_limits(window, limits.level, nuisances, of_rows=errors),
                done=of_signal,
                nuisances=nuisances,
            )
        )
    inputs = [*columns, *(name for signal in signals for name in signal.files), *(pool or ())]
    made = LimitsResults(
        level=limits.level,
        windows=windows,
        signals=tuple(found),
        luminosity=limits.luminosity,
        flags=(
            *limit_flags(limits, windows, found, results),
            *accepted_flags(signals, limits.luminosity),
        ),
        provenance=Provenance.of(config.model_dump(mode="json"), config.seed, inputs),
    )
    made.to_json(run.folder / "limits.json")
    return made


def _tasks(
    limits: LimitsConfig,
    signal: SignalModel,
    results: SearchResults,
    columns: tuple[str, ...],
    into: Mapping[str, Any],
) -> list[InjectionTask]:
    """Return the repetitions for a signal; the first is the run's own training, without signal."""
    window = results.windows[signal.window]
    plain = InjectionTask(
        model=signal.name,
        signal=signal.files,
        base=columns,
        window=signal.window,
        strength=0.0,
        repeat=0,
        pseudo_events=None,
        spurious=_spurious(results, signal.window),
        refused=tuple(row.refused for row in window.selections),
        odds_widths=results.odds_widths,
    )
    if limits.injections is None:
        return [plain]
    repeats = range(limits.injections.repeats)
    strengths = (0.0, *limits.injections.strengths)
    return [
        plain,
        *(replace(plain, **into, strength=s, repeat=r) for s in strengths for r in repeats),
    ]


def _pseudo_data(run: Run, results: SearchResults, pool: tuple[str, ...] | None) -> dict[str, Any]:
    """Return what signal is injected into: simulation where there is some, else smeared data.

    Never the data as they are: a signal among them would train every selection that an injected
    one is meant to train, and the limit would be too strong.
    """
    if pool is not None:
        return {"base": pool, "pseudo_events": results.n_events}
    return {"theta": background_parameters(run)}


def _campaign(
    run: Run, tasks: Sequence[InjectionTask], client: Client
) -> dict[InjectionTask, Injection]:
    """Make the repetitions that are not there yet, and read all."""
    folder = run.folder / "limits"
    files = {task: folder / _file_name(run, task) for task in tasks}
    folder.mkdir(parents=True, exist_ok=True)
    there = {task: Injection.earlier(path) for task, path in files.items()}
    done = {task: found for task, found in there.items() if found is not None}
    missing = {str(task): task for task in tasks if task not in done}
    what = "efficiencies" if all(task.is_own_training for task in tasks) else "injections"
    with live_table(what) as show:

        def finished(name: str) -> None:
            task = missing[name]
            done[task] = Injection.from_json(files[task])
            show(_progress(tasks, done))

        if missing:
            show(_progress(tasks, done))
        run_campaign(
            client,
            inject,
            {name: (run, task, files[task].absolute()) for name, task in missing.items()},
            description=what,
            done=finished,
        )
    return done


def _file_name(run: Run, task: InjectionTask) -> str:
    return f"{in_file_names(task.model)}-s{task.strength:g}-r{task.repeat}-{injection_key(run, task)}.json"


def _progress(
    tasks: Sequence[InjectionTask], done: Mapping[InjectionTask, Injection]
) -> dict[str, str]:
    """Return the rows of the live table: model and strength, how many are done, median z."""
    rows: dict[str, list[InjectionTask]] = {}
    for task in tasks:
        own = task.is_own_training
        name = str(task) if own else f"{task.model}, {task.strength:g} events injected"
        rows.setdefault(name, []).append(task)
    return {name: _state(some, done) for name, some in rows.items()}


def _state(some: Sequence[InjectionTask], done: Mapping[InjectionTask, Injection]) -> str:
    found = [done[task].z_best for task in some if task in done]
    injected = found and not some[0].is_own_training
    z = f", median z {np.median(found):.1f}" if injected else ""
    return f"{len(found)}/{len(some)}{z}"


def _spurious(results: SearchResults, window: int) -> float:
    row = results.windows[window].unselected
    return row.spurious / row.expected if row.expected > 0 else 0.0
