"""What became of a stream, as a file for other programs."""

from __future__ import annotations

from dataclasses import dataclass

from ...core import Record

__all__ = ["LossPoint", "StreamReport"]


@dataclass(frozen=True)
class LossPoint(Record):
    """The loss of a part of the stream, before the flow learned from it.

    Attributes
    ----------
    events : int
        Events of the stream to the end of the part.
    loss : float
        Mean of -log p(x | m) over its events, in units of the features.

    Examples
    --------
    >>> LossPoint(events=1000, loss=2.5).to_dict()
    {'events': 1000, 'loss': 2.5}
    """

    events: int
    loss: float


@dataclass(frozen=True)
class StreamReport(Record):
    """What became of a stream.

    Attributes
    ----------
    events : int
        Events that were counted.
    learned : int
        Of these, events of whole batches; the others wait for their batch to fill.
    beyond : int
        Events of whole batches beyond the range of the first full buffer: counted, not learned from.
    partitions : dict of str to int
        Events of each partition.
    losses : tuple of LossPoint
        How the loss went.
    stream_bytes, summary_bytes : int
        Of the masses and features of all events in single precision, and of the file that is kept.
    compression : float
        Their ratio.
    events_per_second : float or None
        Events that this command took, by the time it was reading and learning; None without any.
    """

    made_by = "'overdensity stream'"

    events: int
    learned: int
    beyond: int
    partitions: dict[str, int]
    losses: tuple[LossPoint, ...]
    stream_bytes: int
    summary_bytes: int
    compression: float
    events_per_second: float | None
