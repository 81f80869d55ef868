"""The scores of a run as they lie on disk: which file holds what, and how they are read."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ...core import InputError, Record
from ...core.records import atomic_file
from ...ml import LossCurve, Reliability, Sample, Watch
from ...processors.columns.checked_table import read_checked, write_checked
from .run import Run
from .samples import load_numbers, load_signal, load_varied

__all__ = [
    "Scores",
    "SignalScores",
    "Trainings",
    "are_intact",
    "read_scores",
    "read_signal_scores",
    "read_trainings",
    "score_files",
    "signal_score_files",
    "varied_file",
    "write_scores",
]

logger = logging.getLogger(__name__)

_BOTH = ("first_score", "second_score")
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
    both : ndarray of float32, shape (2, n_events), optional
        Two scores that background has independent of each other, for ``fit.background: abcd``.
    """

    sample: Sample
    fold: NDArray[np.int64]
    values: NDArray[np.float32]
    both: NDArray[np.float32] | None = None


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
    """Loss curves and reliability diagrams of the trainings behind some scores.

    Attributes
    ----------
    losses : tuple of LossCurve
        Of each training of networks, in the order in which they ended.
    reliability : tuple of Reliability
        Of each classifier.
    """

    made_by = "'overdensity score'"

    losses: tuple[LossCurve, ...] = ()
    reliability: tuple[Reliability, ...] = ()


def read_scores(run: Run) -> Scores:
    """Read the scores of a run, in the order of its events.

    Raises
    ------
    InputError
        If they are not complete.
    """
    sample = load_numbers(run)
    fold = run.folding.of(sample.event)
    order = np.argsort(sample.event)
    values = np.full((len(run.windows), len(sample)), np.nan, np.float32)
    both = np.empty((2, len(sample)), np.float32) if run.config.fit.background == "abcd" else None
    for (window, of_fold), path in score_files(run).items():
        if not path.is_file():
            msg = f"{path}: no such scores; run 'overdensity score' first, or 'overdensity run'"
            raise InputError(msg)
        table = _table(path)
        event = table["event"].to_numpy()
        there = np.searchsorted(sample.event, event, sorter=order)
        rows = order[np.minimum(there, len(order) - 1)]
        if len(event) != np.count_nonzero(fold == of_fold) or np.any(sample.event[rows] != event):
            msg = f"{path}: holds {len(event)} events, not those of the fold; delete it and rerun"
            raise InputError(msg)
        values[window, rows] = table["score"].to_numpy()
        if both is not None:
            both[:, rows] = [table[name].to_numpy() for name in _BOTH]
    return Scores(sample, fold, values, both)


def read_signal_scores(run: Run, window: int, *, varied: str | None = None) -> SignalScores:
    """Read the scores of the simulated signal in one window, or those of its varied columns.

    Raises
    ------
    InputError
        If they are not complete.
    """
    values, files = [], signal_score_files(run)
    if varied is None:
        sample = load_signal(run, run.config.signal, weights="refused")
    else:
        sample = load_varied(run, varied)
        files = {place: varied_file(path, varied) for place, path in files.items()}
    for fold in range(run.config.folds):
        path = files[window, fold]
        if not path.is_file():
            msg = f"{path}: no scores of the signal; run 'overdensity score' again"
            raise InputError(msg)
        values.append(_table(path)["score"].to_numpy())
        if len(values[-1]) != len(sample):
            msg = f"{path}: holds {len(values[-1])} of {len(sample)} events; delete it and rerun"
            raise InputError(msg)
    return SignalScores(sample, np.stack(values))


def read_trainings(run: Run, window: int) -> dict[int, Trainings]:
    """Read what was seen of the trainings for a window, by the fold they were made for."""
    found = {}
    for (of_window, fold), path in score_files(run).items():
        if of_window == window and path.is_file():
            stored = (_table(path).schema.metadata or {}).get(_TRAININGS, b"{}")
            found[fold] = Trainings.from_text(stored, path)
    return found


def score_files(run: Run) -> dict[tuple[int, int], Path]:
    """Return the file of each window and fold; its name holds the key of all it depends on.

    Partitions into folds have keys of their own, so that more of them can be added to a run.
    """
    return _files(run, "", run.key("scores"))


def signal_score_files(run: Run) -> dict[tuple[int, int], Path]:
    """Return the files of the simulated signal; none where there is no such sample."""
    return _files(run, "signal-", run.key("signal_scores")) if run.config.signal else {}


def varied_file(path: Path, name: str) -> Path:
    """Return where the scores of varied signal are, beside those of the nominal one."""
    return path.parent / "varied" / f"{name}-{path.name}"


def _files(run: Run, kind: str, key: str) -> dict[tuple[int, int], Path]:
    return {
        (window, fold): run.folder
        / "scores"
        / f"{kind}window{made_in:02d}-fold{fold}-{key}.parquet"
        for window, made_in in enumerate(run.training_windows)
        for fold in range(run.config.folds)
    }


def write_scores(
    path: Path,
    sample: Sample,
    scores: NDArray[np.float32],
    seen: Watch,
    *,
    both: NDArray[np.float32] | None = None,
) -> None:
    """Write scores, with what was seen of the trainings behind them in the file's metadata.

    Two scores that are independent of each other, shape (n_events, 2), stand beside them.
    """
    trainings = Trainings(tuple(seen.curves), tuple(seen.reliability))
    columns = {} if both is None else dict(zip(_BOTH, both.T, strict=True))
    table = pa.table({"event": sample.event, "score": scores, **columns})
    table = table.replace_schema_metadata({_TRAININGS: json.dumps(trainings.to_dict())})
    with atomic_file(path) as file:
        write_checked(table, file)


def are_intact(path: Path) -> bool:
    """Return whether scores are there as they were written; damaged ones are said to be made again."""
    if not path.is_file():
        return False
    try:
        read_checked(path, str(path))
    except InputError as error:
        logger.warning("%s; it is made again", error)
        return False
    return True


def _table(path: Path) -> pa.Table:
    try:
        return read_checked(path, str(path))
    except InputError as error:
        msg = f"{error}; run 'overdensity score' again, which makes it anew"
        raise InputError(msg) from None
