"""Second stage of a search: columns → one score for every event, window by window."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from distributed import Client
from numpy.typing import NDArray

from ..core import InputError
from ..core.records import atomic_path
from ..ml import Sample, Window, fold_of, make_method, scan_windows, score_fold
from .cluster import run_tasks
from .config import SearchConfig
from .provenance import fingerprint, stage_key

__all__ = ["Scores", "load_sample", "make_scores", "read_scores", "windows_of"]


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


def windows_of(config: SearchConfig) -> list[Window]:
    """Return the windows of the configured scan."""
    return scan_windows(**config.scan.model_dump())


def make_scores(config: SearchConfig, columns: Sequence[str], out: Path, client: Client) -> None:
    """Score every event in every window by a model that never saw it.

    Each window and fold is one task, which leaves one file in ``out/scores/``; what is there
    already, made from the same columns with the same settings, is not made again.

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
        If the method or a hyperparameter is unknown.
    """
    load_sample(config, columns)  # unusable columns fail before anything is sent out
    files = _score_files(config, columns, out)
    (out / "scores").mkdir(parents=True, exist_ok=True)
    for stale in set((out / "scores").glob("window*-fold*-*.parquet")) - set(files.values()):
        stale.unlink()
    tasks = [
        (config, tuple(columns), window, fold, path.absolute())
        for (window, fold), path in files.items()
        if not path.is_file()
    ]
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


@lru_cache(maxsize=1)
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
    key = stage_key(
        fingerprint(columns),
        config.mass,
        config.features,
        config.method.name,
        dataclasses.asdict(make_method(config.method.name, **config.method.hyperparameters).hyper),
        config.scan.model_dump(),
        config.folds,
        config.cross_fitting,
        config.seed,
    )
    return {
        (window, fold): out / "scores" / f"window{window:02d}-fold{fold}-{key}.parquet"
        for window in range(len(windows_of(config)))
        for fold in range(config.folds)
    }


def _score_task(
    config: SearchConfig, columns: tuple[str, ...], window: int, fold: int, path: Path
) -> None:
    """Train on other folds, score this one, and write the file; runs on a worker."""
    sample = load_sample(config, columns)
    rows, scores = score_fold(
        make_method(config.method.name, **config.method.hyperparameters),
        sample,
        windows_of(config)[window],
        fold,
        folds=config.folds,
        scheme=config.cross_fitting,
        seed=config.seed,
    )
    table = pa.table({"event": sample.event[rows], "score": scores})
    with atomic_path(path) as temporary:
        pq.write_table(table, temporary, compression="zstd")
