"""How far a run is, on any executor: by the partitions that its workers have written.

A `Monitor` is any function of a `Status`, for `~overdensity.processors.process`:

>>> def show(status: Status) -> None:
...     print(f"{status.chunks_done} of {status.chunks} chunks")
>>> monitor: Monitor = show
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from ...core import progress
from ...core.files.file_systems import file_system
from ...core.files.listing import file_names
from ..sources.chunks import Chunk
from .partitions import partition_names

__all__ = ["Monitor", "Status", "progress_bar", "watched"]

_LISTED_PER_SECOND = 5000  # names of partitions listed a second while looking which are there


@dataclass(frozen=True)
class Status:
    """What is done of a run, and of how much.

    Attributes
    ----------
    chunks_done, chunks, events_done, events, files_done, files : int
        Of the partitions that are there; a file is done when all its chunks are.
    bytes_done, bytes : float
        Of the event files, each chunk counting by its share of the events.
    failures : int
        Chunks that could not be read.
    seconds : float
        Since the beginning.
    reused : int
        Chunks that were there at the beginning.

    Examples
    --------
    >>> status = Status(
    ...     chunks_done=1,
    ...     chunks=4,
    ...     events_done=250,
    ...     events=1000,
    ...     files_done=0,
    ...     files=1,
    ...     bytes_done=5e6,
    ...     bytes=2e7,
    ...     failures=0,
    ...     seconds=2.0,
    ...     reused=0,
    ... )
    >>> f"{status.events_done / status.seconds:.0f} events a second"
    '125 events a second'
    """

    chunks_done: int
    chunks: int
    events_done: int
    events: int
    files_done: int
    files: int
    bytes_done: float
    bytes: float
    failures: int
    seconds: float
    reused: int


Monitor = Callable[[Status], None]


@contextmanager
def watched(
    columns: str,
    failures: str,
    chunks: Mapping[str, Chunk],
    sizes: Mapping[str, int],
    show: Monitor,
) -> Iterator[None]:
    """Show the status of a run once a second or so, from a thread, and at its end.

    Parameters
    ----------
    columns, failures : str
        The folders of partitions and of failures.
    chunks : mapping of str to Chunk
        The names of the partitions that will be there, and what they are made of.
    sizes : mapping of str to int
        The sizes of the event files, in bytes, by their paths.
    show : callable
        Is given a `Status`.
    """
    ended = threading.Event()
    pause = 1.0 + len(chunks) / _LISTED_PER_SECOND
    start = time.monotonic()
    events_of = Counter[str]()
    for chunk in chunks.values():
        events_of[chunk.path] += chunk.stop - chunk.start
    chunks_of = Counter(chunk.path for chunk in chunks.values())
    n_events, n_bytes = sum(events_of.values()), float(sum(sizes[path] for path in chunks_of))
    at_start = len(chunks.keys() & partition_names(columns))

    def status() -> Status:
        there = [chunks[name] for name in chunks.keys() & partition_names(columns)]
        there_of = Counter(chunk.path for chunk in there)
        shares = (
            sizes[chunk.path] * (chunk.stop - chunk.start) / max(events_of[chunk.path], 1)
            for chunk in there
        )
        return Status(
            chunks_done=len(there),
            chunks=len(chunks),
            events_done=sum(chunk.stop - chunk.start for chunk in there),
            events=n_events,
            files_done=sum(there_of[path] == n for path, n in chunks_of.items()),
            files=len(chunks_of),
            bytes_done=sum(shares),
            bytes=n_bytes,
            failures=_n_failures(failures),
            seconds=time.monotonic() - start,
            reused=at_start,
        )

    def look() -> None:
        last = False
        while not last:
            last = ended.wait(pause)
            show(status())

    watcher = threading.Thread(target=look, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        watcher.join()


@contextmanager
def progress_bar(n_chunks: int) -> Iterator[Monitor]:
    """Show a status as the bar of finished chunks that all long tasks of the project have."""
    with progress("processing", n_chunks, unit="chunks") as advance:
        shown = 0

        def show(status: Status) -> None:
            nonlocal shown
            advance(status.chunks_done - shown)
            shown = status.chunks_done

        yield show


def _n_failures(folder: str) -> int:
    fs, root = file_system(folder)
    return len(file_names(fs, root, ".json"))
