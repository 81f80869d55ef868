"""Recording the trainings inside a method: loss curves, reliability diagrams, checkpoints.

A method fits and knows nothing of folders. The caller encloses the call in :func:`watch`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path

from ...core import Record
from ...core.identity import hex_digest
from .calibration_of_scores import Reliability

__all__ = ["LossCurve", "Watch", "is_watched", "watch", "watcher"]


@dataclass(frozen=True)
class LossCurve(Record):
    """The losses of one training.

    Attributes
    ----------
    train : tuple of float
        Weighted mean over the training events during each epoch.
    validation : tuple of float
        Weighted mean over the validation events after each epoch; empty without any.
    kept : tuple of int
        The epochs that were kept, from 0.

    Examples
    --------
    >>> curve = LossCurve(train=(0.7, 0.5, 0.4), validation=(0.6, 0.5, 0.55), kept=(1,))
    >>> curve.validation[curve.kept[0]]
    0.5
    """

    train: tuple[float, ...]
    validation: tuple[float, ...]
    kept: tuple[int, ...]


@dataclass
class Watch:
    """What was recorded of the trainings.

    Attributes
    ----------
    folder : Path, optional
        Where unfinished trainings leave their state; none leaves any without it.
    curves : list of LossCurve
        In the order in which the trainings ended.
    reliability : list of Reliability
        Of each classifier, on events on which its members were not trained.
    advance : callable, optional
        Is told how many epochs more are done, those of an interrupted training at once.

    Examples
    --------
    >>> seen = Watch()
    >>> seen.add([0.7, 0.5], [0.6, 0.5], [1])
    >>> seen.curves
    [LossCurve(train=(0.7, 0.5), validation=(0.6, 0.5), kept=(1,))]
    """

    folder: Path | None = None
    curves: list[LossCurve] = field(default_factory=list)
    reliability: list[Reliability] = field(default_factory=list)
    advance: Callable[[int], None] | None = None

    def passed(self, epochs: int) -> None:
        """Tell that so many epochs more are done."""
        if self.advance is not None and epochs:
            self.advance(epochs)

    def checkpoint(self, key: str) -> Path | None:
        """Return the file of the training that has this fingerprint."""
        if self.folder is None:
            return None
        return self.folder / f"{hex_digest(key.encode(), size=12)}.pt"

    def add(self, train: list[float], validation: list[float], kept: list[int]) -> None:
        """Note the losses of a training that has ended."""
        validated = () if any(map(math.isnan, validation)) else tuple(validation)
        self.curves.append(LossCurve(tuple(train), validated, tuple(kept)))


_WATCH: ContextVar[Watch | None] = ContextVar("watch", default=None)


@contextmanager
def watch(
    folder: Path | None = None, advance: Callable[[int], None] | None = None
) -> Iterator[Watch]:
    """Record all trainings in the context.

    Parameters
    ----------
    folder : Path, optional
        Each training writes its state there from time to time, and goes on from it if it finds it;
        the folder is the caller's to remove when all is done.
    advance : callable, optional
        See :class:`Watch`; that of `core.progress_bar.progress` shows a bar.

    Examples
    --------
    >>> with watch() as seen:
    ...     pass  # method.fit(...)
    >>> seen.curves
    []
    """
    seen = Watch(folder, advance=advance)
    token = _WATCH.set(seen)
    try:
        yield seen
    finally:
        _WATCH.reset(token)


def watcher() -> Watch:
    """Return the active record of trainings; outside of :func:`watch` one that keeps nothing."""
    return _WATCH.get() or Watch()


def is_watched() -> bool:
    """Return whether trainings are recorded; what costs time is only recorded then."""
    return _WATCH.get() is not None
