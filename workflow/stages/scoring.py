"""Second stage of a search: columns → one score for every event, window by window."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from distributed import Client
from numpy.typing import NDArray

from ...core import ConfigError, InputError, Record
from ...core.records import atomic_path
from ...ml import (
    LossCurve,
    Method,
    Reliability,
    Sample,
    Watch,
    Window,
    fold_of,
    make_method,
    scan_windows,
    train_fold,
    watch,
)
from ..cluster.connecting import run_tasks
from ..config.search import SearchConfig
from .provenance import fingerprint, stage_key

__all__ = [
    "Scores",
    "SignalScores",
    "Trainings",
    "load_sample",
    "load_signal",
    "load_simulation",
    "make_scores",
    "read_scores",
    "read_signal_scores",
    "read_trainings",
    "training_windows",
    "windows_of",
]

_TRAININGS = b"overdensity trainings"  # key in the metadata of a file of scores


@dataclass(frozen=True, eq=False)
class Scores:
    """All events of the scan range with their scores.

    Attributes
    ----------
    sample : Sample
        The events.
    fold : ndarray of int64, shape (n_events,)
        Outer fold of each event.
    values : ndarray of float32, shape (n_windows, n_events)
        Scores; larger is more anomalous, comparable within a fold and window.
    """

    sample: Sample
    fold: NDArray[np.int64]
    values: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class SignalScores:
    """Simulated signal, scored in one window by the models of all folds, which never saw it.

    Attributes
    ----------
    sample : Sample
        All simulated events, also those outside the scan range.
    values : ndarray of float32, shape (n_folds, n_events)
        Scores by the model of each fold, to be compared with the data of that fold only.
    """

    sample: Sample
    values: NDArray[np.float32]


@dataclass(frozen=True)
class Trainings(Record):
    """What was seen of the trainings behind some scores.

    Attributes
    ----------
    losses : tuple of LossCurve
        Of each training of networks, in the order in which they ended.
    reliability : tuple of Reliability
        Of each classifier.
    """

    losses: tuple[LossCurve, ...] = ()
    reliability: tuple[Reliability, ...] = ()


def windows_of(config: SearchConfig) -> list[Window]:
    """Return the windows of the configured scan."""
    return scan_windows(**config.scan.model_dump())


def training_windows(config: SearchConfig) -> list[int]:
    """Return, for each window, that in which its scores are made.

    It is the window itself, or the first where the method learns the same in all.
    """
    windowed = _method(config).windowed
    return [window if windowed else 0 for window in range(len(windows_of(config)))]


def make_scores(config: SearchConfig, columns: Sequence[str], out: Path, client: Client) -> None:
    """Score every event in every window by a model that never saw it.

    Each window and fold is one task, which leaves one file in ``out/scores/``, and another one for
    the simulated signal where there is one; what is there already, made from the same columns with
    the same settings, is not made again. A training that was interrupted goes on where it stopped,
    if the method trains networks on the engine of `overdensity.ml.training.engine`.

    Parameters
    ----------
    config : SearchConfig
        The search.
    columns : sequence of str
        Parquet files, readable by the workers.
    out : Path
        The run's folder.
    client : distributed.Client
        Where the tasks run.

    Raises
    ------
    InputError
        If the columns cannot be used.
    ConfigError
        If the method or a hyperparameter is unknown, or it needs simulation and there is none.
    """
    load_sample(config, columns)  # unusable columns fail before anything is sent out
    files, of_signal = _score_files(config, columns, out), _signal_files(config, columns, out)
    load_simulation(config)
    if of_signal:
        load_signal(config)
    (out / "scores").mkdir(parents=True, exist_ok=True)
    wanted = {*files.values(), *of_signal.values()}
    for stale in set((out / "scores").glob("*window*-fold*-*.parquet")) - wanted:
        stale.unlink()
    unfinished = {path.with_suffix(".part") for path in wanted}
    for stale in set((out / "scores").glob("*window*-fold*-*.part")) - unfinished:
        shutil.rmtree(stale, ignore_errors=True)
    tasks = []
    made_in = training_windows(config)
    for (window, fold), path in files.items():
        if made_in[window] != window:
            continue
        todo = [path, of_signal.get((window, fold))]
        missing = [None if each is None or each.is_file() else each.absolute() for each in todo]
        if any(missing):
            tasks.append((config, tuple(columns), window, fold, *missing))
    run_tasks(client, _score_task, tasks, description="training", unit="folds")


def read_scores(config: SearchConfig, columns: Sequence[str], out: Path) -> Scores:
    """Read the scores of a run, in the order of its events.

    Raises
    ------
    InputError
        If they are not complete.
    """
    sample = load_sample(config, columns)
    fold = fold_of(sample.event, config.folds, seed=config.seed)
    order = np.argsort(sample.event)
    values = np.full((len(windows_of(config)), len(sample)), np.nan, np.float32)
    for (window, of_fold), path in _score_files(config, columns, out).items():
        if not path.is_file():
            msg = f"{path}: no such scores; run 'overdensity score' first, or 'overdensity run'"
            raise InputError(msg)
        table = pq.read_table(path)
        event = table["event"].to_numpy()
        rows = order[np.searchsorted(sample.event, event, sorter=order)]
        if len(event) != np.count_nonzero(fold == of_fold):
            msg = f"{path}: holds {len(event)} events, not those of the fold; delete it and rerun"
            raise InputError(msg)
        values[window, rows] = table["score"].to_numpy()
    return Scores(sample, fold, values)


def read_signal_scores(
    config: SearchConfig, columns: Sequence[str], out: Path, window: int
) -> SignalScores:
    """Read the scores of the simulated signal in one window.

    Raises
    ------
    InputError
        If they are not complete.
    """
    sample, values = load_signal(config), []
    files = _signal_files(config, columns, out)
    for fold in range(config.folds):
        path = files[window, fold]
        if not path.is_file():
            msg = f"{path}: no scores of the signal; run 'overdensity score' again"
            raise InputError(msg)
        values.append(pq.read_table(path)["score"].to_numpy())
        if len(values[-1]) != len(sample):
            msg = f"{path}: holds {len(values[-1])} of {len(sample)} events; delete it and rerun"
            raise InputError(msg)
    return SignalScores(sample, np.stack(values))


def read_trainings(config: SearchConfig, out: Path, window: int) -> dict[int, Trainings]:
    """Read what was seen of the trainings for a window, by the fold they were made for."""
    found = {}
    made_in = training_windows(config)[window]
    for path in sorted((out / "scores").glob(f"window{made_in:02d}-fold*-*.parquet")):
        stored = (pq.read_schema(path).metadata or {}).get(_TRAININGS, b"{}")
        fold = int(path.name.split("-")[1].removeprefix("fold"))
        found[fold] = Trainings.from_dict(json.loads(stored))
    return found


def load_signal(config: SearchConfig) -> Sample:
    """Read the simulated signal, all of it, in the order of its files.

    Raises
    ------
    InputError
        If a file or column cannot be used.
    """
    return _load_signal(
        tuple(fingerprint(config.signal)), mass=config.mass, features=config.features
    )


@lru_cache(maxsize=1)
def _load_signal(
    state: tuple[tuple[str, int, str], ...], *, mass: str, features: tuple[str, ...]
) -> Sample:
    """Read the signal once for all tasks of a worker."""
    files = [name for name, *_ in state]
    sample = Sample.from_parquet(files, mass=mass, features=features)
    if sample.weight is not None and np.any(sample.weight != 1):
        msg = f"{files[0]}: simulated signal must have weights of 1; drop the column 'weight'"
        raise InputError(msg)
    if not len(sample):
        msg = f"{files[0]}: holds no events"
        raise InputError(msg)
    return sample.without_label()


def load_simulation(config: SearchConfig) -> Sample | None:
    """Read the simulated background within the scan range; None if the method needs none.

    Event weights are kept: a method may learn from weighted events, though none is counted.

    Raises
    ------
    ConfigError
        If the method needs simulation and none is configured.
    InputError
        If a file or column cannot be used, or no event lies in the range.
    """
    if not _needs_simulation(config):
        return None
    if not config.simulation:
        msg = (
            f"method {config.method.name!r} needs simulated background: name its Parquet files, "
            "with the columns of the data, under simulation"
        )
        raise ConfigError(msg)
    return _load_simulation(
        tuple(fingerprint(config.simulation)),
        mass=config.mass,
        features=config.features,
        low=config.scan.low,
        high=config.scan.high,
    )


@lru_cache(maxsize=1)
def _load_simulation(
    state: tuple[tuple[str, int, str], ...],
    *,
    mass: str,
    features: tuple[str, ...],
    low: float,
    high: float,
) -> Sample:
    """Read the simulation once for all tasks of a worker."""
    files = [name for name, *_ in state]
    sample = Sample.from_parquet(files, mass=mass, features=features)
    inside = sample.take((sample.mass >= low) & (sample.mass < high))
    if not len(inside):
        msg = (
            f"{files[0]}: none of {len(sample)} simulated events has {mass} between {low:g} and "
            f"{high:g} GeV; simulate the range of the scan"
        )
        raise InputError(msg)
    return inside.without_label()


def _needs_simulation(config: SearchConfig) -> bool:
    return "simulation" in _method(config).needs


def _method(config: SearchConfig) -> Method[Any]:
    return make_method(config.method.name, **config.method.hyperparameters)


def load_sample(config: SearchConfig, columns: Sequence[str]) -> Sample:
    """Read the events of the scan range.

    Raises
    ------
    InputError
        If a file or column cannot be used, or no event lies in the range.
    """
    return _load(
        tuple(fingerprint(columns)),
        mass=config.mass,
        features=config.features,
        low=config.scan.low,
        high=config.scan.high,
    )


@lru_cache(maxsize=2)  # data, and simulated background in their place
def _load(
    state: tuple[tuple[str, int, str], ...],
    *,
    mass: str,
    features: tuple[str, ...],
    low: float,
    high: float,
) -> Sample:
    """Read a sample once for all tasks of a worker; a file that changed is read anew."""
    columns = [name for name, *_ in state]
    sample = Sample.from_parquet(columns, mass=mass, features=features)
    inside = sample.take((sample.mass >= low) & (sample.mass < high))
    if inside.weight is not None and np.any(inside.weight != 1):
        msg = (
            f"{columns[0]}: events have weights other than 1, which the statistics cannot use yet; "
            "drop the column 'weight'"
        )
        raise InputError(msg)
    if not len(inside):
        msg = (
            f"{columns[0]}: none of {len(sample)} events has {mass} between {low:g} and {high:g} "
            "GeV; is it in GeV? set scan.low and scan.high"
        )
        raise InputError(msg)
    return inside


def _score_files(
    config: SearchConfig, columns: Sequence[str], out: Path
) -> dict[tuple[int, int], Path]:
    """Return the file of each window and fold; its name holds the key of all it depends on."""
    key = stage_key(*_dependencies(config, columns))
    return {
        (window, fold): out / "scores" / f"window{made_in:02d}-fold{fold}-{key}.parquet"
        for window, made_in in enumerate(training_windows(config))
        for fold in range(config.folds)
    }


def _signal_files(
    config: SearchConfig, columns: Sequence[str], out: Path
) -> dict[tuple[int, int], Path]:
    """Return the files of the simulated signal; none where there is no such sample."""
    if not config.signal:
        return {}
    key = stage_key(*_dependencies(config, columns), fingerprint(config.signal))
    return {
        (window, fold): out / "scores" / f"signal-window{made_in:02d}-fold{fold}-{key}.parquet"
        for window, made_in in enumerate(training_windows(config))
        for fold in range(config.folds)
    }


def _dependencies(config: SearchConfig, columns: Sequence[str]) -> tuple[Any, ...]:
    """Return all that a trained model depends on."""
    simulation = (fingerprint(config.simulation),) if _needs_simulation(config) else ()
    return (
        fingerprint(columns),
        config.mass,
        config.features,
        config.method.name,
        dataclasses.asdict(_method(config).hyper),
        config.scan.model_dump(),
        config.folds,
        config.cross_fitting,
        config.seed,
        *simulation,
    )


def _score_task(  # noqa: PLR0917 - the arguments of a task
    config: SearchConfig,
    columns: tuple[str, ...],
    window: int,
    fold: int,
    path: Path | None,
    signal_path: Path | None,
) -> None:
    """Train on other folds, score this one and the signal, write the files that are missing.

    Runs on a worker.
    """
    sample = load_sample(config, columns)
    unfinished = next(each for each in (path, signal_path) if each is not None).with_suffix(".part")
    with watch(unfinished) as seen:
        model = train_fold(
            _method(config),
            sample,
            windows_of(config)[window],
            fold,
            folds=config.folds,
            scheme=config.cross_fitting,
            seed=config.seed,
            simulation=load_simulation(config),
        )
    if path is not None:
        rows = np.flatnonzero(fold_of(sample.event, config.folds, seed=config.seed) == fold)
        scored = sample.take(rows)
        _write(path, scored, model.score(scored.without_label()), seen)
    if signal_path is not None:
        signal = load_signal(config)
        _write(signal_path, signal, model.score(signal), seen)
    shutil.rmtree(unfinished, ignore_errors=True)


def _write(path: Path, sample: Sample, scores: NDArray[np.float32], seen: Watch) -> None:
    """Write scores, with what was seen of the trainings behind them in the file's metadata."""
    trainings = Trainings(tuple(seen.curves), tuple(seen.reliability))
    table = pa.table({"event": sample.event, "score": scores})
    table = table.replace_schema_metadata({_TRAININGS: json.dumps(trainings.to_dict())})
    with atomic_path(path) as temporary:
        pq.write_table(table, temporary, compression="zstd")
