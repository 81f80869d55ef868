"""From a finished search to upper limits: on selected yields, and on signal models."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from distributed import Client

from ...core import InputError
from ...core.progress_bar import live_table
from ..cluster.campaign import run_campaign
from ..cluster.connecting import connect
from ..config.limits import LimitsConfig
from ..config.search import EventsConfig, SearchConfig
from ..report.report import write_report
from ..search_run import run_folder
from ..stages.columns import column_files, event_files
from ..stages.hunting import make_results
from ..stages.provenance import Provenance
from ..stages.scoring import load_sample, make_scores, windows_of
from ..stages.search_result import SearchResults
from .hepdata import write_hepdata
from .injection import (
    Injection,
    InjectionTask,
    check_strengths,
    inject,
    injection_key,
    load_signal,
    signal_total,
)
from .limits_figures import save_limits_figures
from .limits_result import LimitsResults
from .summary import Signal, limit_flags, signal_limits, window_limits, z_or_zero

__all__ = ["check_limits", "make_limits", "run_limits"]


def run_limits(config: SearchConfig) -> LimitsResults:
    """Set limits on a run whose columns are there; what is missing of its search is done first.

    Parameters
    ----------
    config : SearchConfig
        The search, with its section ``limits``.

    Returns
    -------
    LimitsResults
        Also written to ``limits.json``, beside figures in ``limits/`` and the tables of
        ``limits.hepdata/``, in the run's folder; the report is written anew.

    Raises
    ------
    OverdensityError
        If the input cannot be used, or repetitions failed; what is done is kept.
    """
    out = run_folder(config)
    columns = column_files(config, out)
    check_limits(config)
    with connect(config.cluster, config.workers) as client:
        make_scores(config, columns, out, client)
        made = make_limits(config, columns, out, client)
    save_limits_figures(out)
    write_hepdata(make_results(config, columns, out), made, out)
    write_report(out)
    return made


def check_limits(config: SearchConfig) -> None:
    """Refuse what is wrong with the signals, before a cluster starts.

    Raises
    ------
    InputError
        If files or columns cannot be used, or are too few for the strengths.
    """
    limits = config.limits or LimitsConfig()
    for signal in _signals(config, limits):
        if limits.injections is not None:
            check_strengths(signal.files, len(signal.sample), limits.injections.strengths)
    if limits.background is not None:
        load_sample(config, _files(limits.background))


def make_limits(
    config: SearchConfig, columns: Sequence[str], out: Path, client: Client
) -> LimitsResults:
    """Take the results of a run to upper limits, and write ``limits.json``.

    Every repetition of the search leaves a file in ``out/limits/``; what is there already, made
    from the same input, is not made again, so that an interrupted campaign goes on.

    Parameters
    ----------
    config : SearchConfig
        The search, with its section ``limits``.
    columns : sequence of str
        Parquet files of the events.
    out : Path
        The run's folder, with its scores.
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
    limits = config.limits or LimitsConfig()
    results = make_results(config, columns, out)
    windows = tuple(window_limits(window, limits.level) for window in results.windows)
    signals = _signals(config, limits)
    base = None if limits.background is None else tuple(_files(limits.background))
    tasks = {
        signal.name: _tasks(limits, signal, results, tuple(columns), base) for signal in signals
    }
    done = _campaign(config, [each for some in tasks.values() for each in some], out, client)
    found = tuple(
        signal_limits(
            limits,
            signal,
            results,
            window=windows[signal.window],
            done=[done[task] for task in tasks[signal.name]],
        )
        for signal in signals
    )
    inputs = [*columns, *(name for signal in signals for name in signal.files), *(base or ())]
    made = LimitsResults(
        level=limits.level,
        windows=windows,
        signals=found,
        luminosity=limits.luminosity,
        flags=tuple(limit_flags(limits, windows, found, results)),
        provenance=Provenance.of(config.model_dump(mode="json"), config.seed, inputs),
    )
    made.to_json(out / "limits.json")
    return made


def _signals(config: SearchConfig, limits: LimitsConfig) -> list[Signal]:
    """Read the signals, and find for each the window with the largest share of its events."""
    found = []
    for name, signal in limits.signals.items():
        files = tuple(_files(signal.files))
        sample = load_signal(config, files)
        inside = [np.mean(window.signal(sample.mass)) for window in windows_of(config)]
        window = int(np.argmax(inside))
        if not inside[window] > 0:
            msg = (
                f"limits.signals.{name}: none of {len(sample)} events lies in a signal region of "
                f"the scan ({config.scan.low:g}-{config.scan.high:g} GeV)"
            )
            raise InputError(msg)
        total = signal_total(config, files)
        found.append(Signal(name, signal, files, sample, total, window, float(inside[window])))
    return found


def _files(names: Sequence[str]) -> list[str]:
    return event_files(EventsConfig(files=tuple(names), format="columns"))


def _tasks(
    limits: LimitsConfig,
    signal: Signal,
    results: SearchResults,
    columns: tuple[str, ...],
    background: tuple[str, ...] | None,
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
    )
    if limits.injections is None:
        return [plain]
    repeats = range(limits.injections.repeats)
    strengths = limits.injections.strengths
    if background is None:  # without signal, all repeats would be the run itself
        return [
            plain,
            *(replace(plain, strength=s, repeat=r) for s in strengths for r in repeats),
        ]
    pseudo = replace(plain, base=background, pseudo_events=results.n_events)
    return [
        plain,
        *(replace(pseudo, strength=s, repeat=r) for s in (0.0, *strengths) for r in repeats),
    ]


def _campaign(
    config: SearchConfig, tasks: Sequence[InjectionTask], out: Path, client: Client
) -> dict[InjectionTask, Injection]:
    """Make the repetitions that are not there yet, and read all."""
    files = {task: out / "limits" / _file_name(config, task) for task in tasks}
    (out / "limits").mkdir(parents=True, exist_ok=True)
    done = {task: Injection.from_json(path) for task, path in files.items() if path.is_file()}
    missing = {str(task): task for task in tasks if task not in done}
    with live_table("injections") as show:

        def finished(name: str) -> None:
            task = missing[name]
            done[task] = Injection.from_json(files[task])
            show(_progress(tasks, done))

        if missing:
            show(_progress(tasks, done))
        run_campaign(
            client,
            inject,
            {name: (config, task, files[task].absolute()) for name, task in missing.items()},
            description="injections",
            done=finished,
        )
    return done


def _file_name(config: SearchConfig, task: InjectionTask) -> str:
    name = re.sub(r"[^A-Za-z0-9_.-]", "_", task.model)
    return f"{name}-s{task.strength:g}-r{task.repeat}-{injection_key(config, task)}.json"


def _progress(
    tasks: Sequence[InjectionTask], done: Mapping[InjectionTask, Injection]
) -> dict[str, str]:
    """Return the rows of the live table: model and strength, how many are done, median z."""
    rows: dict[str, list[InjectionTask]] = {}
    for task in tasks:
        rows.setdefault(f"{task.model}, {task.strength:g} events", []).append(task)
    return {name: _state(some, done) for name, some in rows.items()}


def _state(some: Sequence[InjectionTask], done: Mapping[InjectionTask, Injection]) -> str:
    found = [max(map(z_or_zero, done[task].selections)) for task in some if task in done]
    z = f", median z {np.median(found):.1f}" if found else ""
    return f"{len(found)}/{len(some)}{z}"


def _spurious(results: SearchResults, window: int) -> float:
    return 0.0 if results.spurious is None else float(results.spurious.fraction[window])
