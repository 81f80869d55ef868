"""Second stage of a search: columns → one score for every event, window by window."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path
from typing import Any

from distributed import Client

from ...ml import train_fold, watch
from ...ml.thin_windows import not_searched
from ..cluster.connecting import run_tasks
from .before_training import check_other_side, check_simulation, refuse_learnt
from .run import Run
from .samples import (
    first_events,
    load_numbers,
    load_sample,
    load_signal,
    load_simulation,
    load_varied,
)
from .scores import are_intact, score_files, signal_score_files, varied_file, write_scores
from .selecting import check_selections

__all__ = [
    "make_scores",
    "make_scores_here",
]

logger = logging.getLogger(__name__)


def make_scores(run: Run, client: Client) -> None:
    """Score every event in every window by a model that never saw it, in every partition into folds.

    Each partition, window and fold is one task, which leaves one file in ``scores/`` of the run's folder, and another one for
    the simulated signal where there is one; what is there already, made from the same columns with
    the same settings, is not made again. A training that was interrupted goes on where it stopped,
    if the method trains networks on the engine of `overdensity.ml.training.engine`.

    Parameters
    ----------
    run : Run
        The search; workers can read its columns.
    client : distributed.Client
        Where the tasks run.

    Raises
    ------
    InputError
        If the columns cannot be used.
    ConfigError
        If the method or a hyperparameter is unknown, it needs simulation and there is none, or it learns
        from files of its own that are to be scored.
    """
    run_tasks(client, _score_task, _missing_tasks(run), description="training", unit="folds")


def make_scores_here(run: Run) -> None:
    """Do what `make_scores` does in this process: where the whole search is a task of its own.

    Raises
    ------
    InputError, ConfigError
        As `make_scores`.
    """
    for task in _missing_tasks(run):
        _score_task(*task)


def _missing_tasks(run: Run) -> list[tuple[Any, ...]]:
    """Return the arguments of `_score_task` for what is not there; remove what is of other settings."""
    run = run.for_training
    n_events = len(load_numbers(run))  # what is unusable fails before anything is sent out
    check_other_side(run)
    refuse_learnt(run.method, "events", run.columns)
    run.method.shown(first_events(run))
    check_simulation(run)
    for sentence in not_searched(run.left_out):
        logger.warning("%s", sentence)
    check_selections(run, n_events)
    parts = [(part, score_files(part), signal_score_files(part)) for part in run.partitions]
    folder = run.folder / "scores"
    folder.mkdir(parents=True, exist_ok=True)
    wanted = {path for _, *both in parts for files in both for path in files.values()}
    for stale in set(folder.glob("*window*-fold*-*.parquet")) - wanted:
        stale.unlink()
    unfinished = {path.with_suffix(".part") for path in wanted}
    for stale in set(folder.glob("*window*-fold*-*.part")) - unfinished:
        shutil.rmtree(stale, ignore_errors=True)
    tasks = []
    for part, files, of_signal in parts:
        for (window, fold), path in files.items():
            if not run.own_training[window]:
                continue
            todo = [path, of_signal.get((window, fold))]
            missing = [
                None if each is None or are_intact(each) else each.absolute() for each in todo
            ]
            if any(missing):
                tasks.append((part, window, fold, *missing))
    return tasks


def _score_task(
    run: Run, window: int, fold: int, path: Path | None, signal_path: Path | None
) -> None:
    """Train on other folds, score this one and the signal, write the files that are missing.

    Runs on a worker.
    """
    sample = load_sample(run)
    unfinished = next(each for each in (path, signal_path) if each is not None).with_suffix(".part")
    with watch(unfinished) as seen:
        model = train_fold(
            run.method,
            sample,
            run.windows[window],
            fold,
            run.folding,
            simulation=load_simulation(run),
        )
    if path is not None:
        scored = sample.take(run.folding.rows(sample.event, fold)).without_label()
        both = model.both(scored) if model.has_two_scores else None
        write_scores(path, scored, model.score(scored), seen, both=both)
    if signal_path is not None:
        signal = load_signal(run, run.config.signal, weights="refused")
        write_scores(signal_path, signal, model.score(signal), seen)
        for name in run.varied:
            varied = load_varied(run, name)
            write_scores(varied_file(signal_path, name), varied, model.score(varied), seen)
    shutil.rmtree(unfinished, ignore_errors=True)
