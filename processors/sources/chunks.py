"""What a run is cut into: files as they were found, chunks of them, and event ids."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import PurePosixPath
from typing import Any, Protocol

import awkward as ak
import fsspec
import numpy as np
from numpy.typing import NDArray

from ...core import InputError, Record

__all__ = [
    "FINGERPRINT_EVENTS",
    "PARTICLES",
    "Chunk",
    "Executor",
    "FileSummary",
    "Source",
    "Writer",
    "absolute",
    "content_identity",
    "event_ids",
    "execute",
    "file_identity",
    "file_stamp",
    "mix64",
    "read_events",
    "split",
]

PARTICLES = ("particles",)  # what is read where nothing else is asked for
FINGERPRINT_EVENTS = 8  # by which the content of a file without event numbers is recognised

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)  # 2^64 / golden ratio: the step of splitmix64


@dataclass(frozen=True)
class FileSummary(Record):
    """An event file as it was found.

    Attributes
    ----------
    path : str
        Where the file is; any fsspec URL.
    n_events : int
        How many events it holds.
    identity : int
        64 bits that name the events in it, not the place where it lies (`file_identity`).
    event_bytes : float
        Bytes that an event takes in memory once it is read: what chunks are sized by.
    sum_weights : float or None
        Sum of the generator weights of the events that were generated, also of those that a skim
        left out, where the file knows; None where events have no weight.
    knows_generated : bool
        False where files of this kind know that sum and this one does not: it is of the events in
        the file.
    """

    path: str
    n_events: int
    identity: int
    event_bytes: float = 0.0
    sum_weights: float | None = None
    knows_generated: bool = True


@dataclass(frozen=True)
class Chunk(Record):
    """A range of entries of one file: the unit of work, and of one Parquet partition.

    Attributes
    ----------
    path : str
        The event file.
    start, stop : int
        The entries ``start <= entry < stop``.
    identity : int
        The identity of the file (`FileSummary`).
    dataset : str
        Which part of a file set the file belongs to; may be empty.
    scale : float or None
        What the weights of the events are multiplied by, see `filesets.Dataset`; None where the
        dataset has no cross section.
    """

    path: str
    start: int
    stop: int
    identity: int
    dataset: str = ""
    scale: float | None = None

    @property
    def name(self) -> str:
        """The file's name without folder and suffix, and the range; sorts in order of entry."""
        return f"{PurePosixPath(self.path).stem}-{self.start:09d}-{self.stop:09d}"


class Source(Protocol):
    """Where events come from: one small object for each file format.

    A source is a frozen dataclass of its settings, which become part of the key of what is made
    from it, and travels to the workers.
    """

    def inspect(
        self, path: str | os.PathLike[str], collections: Sequence[str] = PARTICLES
    ) -> FileSummary:
        """Open a file, check that it can be read and has the collections, and say what it holds."""
        ...

    def read(self, chunk: Chunk, collections: Sequence[str] = PARTICLES) -> ak.Array:
        """Read a chunk as the ``events`` array of `processors` (see `layouts`)."""
        ...

    def settings(self) -> dict[str, Any]:
        """Return what the events depend on beside the file itself, as plain JSON values."""
        ...

    def execute(self, executor: Executor, chunks: Mapping[str, Chunk], writer: Writer) -> Any:
        """Let the writer write every chunk, under its name, wherever the executor runs it.

        Returns what `Writer.write` returned for all chunks, added up. With coffea's Runner, a small
        ProcessorABC of the source makes name and chunk from the metadata of its events, and calls
        ``writer.write(name, chunk, partial(view, events))``.
        """
        ...


class Writer(Protocol):
    """What is done with the events of a chunk, on a worker; see `writer.ColumnWriter`."""

    @property
    def collections(self) -> tuple[str, ...]:
        """What has to be read."""
        ...

    def finished(self, name: str, chunk: Chunk) -> dict[str, Any] | None:
        """Return what `write` returns of a chunk that is there already; None if it is not."""
        ...

    def write(self, name: str, chunk: Chunk, events: Callable[[], ak.Array]) -> dict[str, Any]:
        """Write a chunk, calling for its events only if it is not there already."""
        ...


Executor = Callable[[Sequence[Any], Callable[[Any], Any], Any], Any]  # as those of coffea


def execute(
    source: Source, executor: Executor, chunks: Mapping[str, Chunk], writer: Writer
) -> dict[str, Any]:
    """Run the writer over chunks by an executor alone: for what coffea's Runner does not read."""
    work = partial(_read_and_write, source=source, writer=writer)
    result = executor(list(chunks.items()), work, {})
    return result[0] if isinstance(result, tuple) else result


def _read_and_write(item: tuple[str, Chunk], *, source: Source, writer: Writer) -> dict[str, Any]:
    name, chunk = item
    return writer.write(name, chunk, partial(source.read, chunk, writer.collections))


def absolute(path: str | os.PathLike[str]) -> str:
    """Return a path that means the same on every worker; URLs are so already."""
    path = os.fspath(path)
    return path if "://" in path else os.path.abspath(path)


def read_events(
    source: Source,
    path: str | os.PathLike[str],
    start: int = 0,
    stop: int | None = None,
    *,
    collections: Sequence[str] = PARTICLES,
) -> ak.Array:
    """Read a range of events of one file, by default all of it: for a look, or a notebook.

    Returns
    -------
    ak.Array, shape (n_events,)
        See `lhco.LhcoSource.read`.
    """
    file = source.inspect(path, collections)
    stop = file.n_events if stop is None else min(stop, file.n_events)
    return source.read(Chunk(file.path, start, stop, file.identity), collections)


def split(
    file: FileSummary, chunk_events: int, *, dataset: str = "", scale: float | None = None
) -> list[Chunk]:
    """Cut a file into chunks of at most `chunk_events` entries; an empty file gives an empty one.

    Raises
    ------
    InputError
        If `chunk_events` is not positive.
    """
    if chunk_events < 1:
        msg = f"chunk_events is {chunk_events}: a chunk needs at least one event"
        raise InputError(msg)
    return [
        Chunk(
            file.path,
            start,
            min(start + chunk_events, file.n_events),
            file.identity,
            dataset,
            scale,
        )
        for start in range(0, max(file.n_events, 1), chunk_events)
    ]


def mix64(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Scramble 64-bit integers by the finaliser of splitmix64, one to one.

    Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014, fig. 15.
    """
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def event_ids(identity: int, entries: NDArray[np.integer[Any]]) -> NDArray[np.uint64]:
    """Return the 64-bit ids of the entries of a file.

    An id is ``mix64(identity + (entry + 1) * golden)``: within a file no two are equal, because
    every step is one to one; it knows nothing of folders, chunks, file order or workers, so a
    cross-validation fold made from it does not either.

    Parameters
    ----------
    identity : int
        The identity of the file.
    entries : array of int, shape (n_events,)
        Positions in the file.

    Returns
    -------
    array of uint64, shape (n_events,)
    """
    return mix64(np.uint64(identity) + (entries.astype(np.uint64) + np.uint64(1)) * _GOLDEN)


def file_stamp(path: str) -> tuple[int, str]:
    """Return the size of a file in bytes, and its size and time of change as text.

    A file that was changed in place keeps its identity, and its columns must be made again. Where
    a server knows no time of change, what it has in its place is taken.
    """
    fs, name = fsspec.core.url_to_fs(path)
    info = fs.info(name)
    changed = next((info[key] for key in ("mtime", "ETag", "LastModified") if key in info), "")
    size = int(info["size"] or 0)
    return size, f"{size}-{changed}"


def content_identity(
    n_events: int, counts: NDArray[np.integer[Any]], particles: NDArray[np.floating[Any]]
) -> int:
    """Return the identity of a file by its first `FINGERPRINT_EVENTS` events.

    It survives a copy, a new name, another compression, padding or file format.

    Parameters
    ----------
    n_events : int
        How many events the file has.
    counts : array of int, shape (<= FINGERPRINT_EVENTS,)
        How many particles its first events have.
    particles : array, shape (sum of counts, 3)
        pt in GeV, eta and phi of these; rounded to float32.
    """
    shape = np.array([n_events, *counts], dtype="<i8")
    return file_identity(shape.tobytes(), particles.astype("<f4").tobytes())


def file_identity(*contents: bytes) -> int:
    """Return 64 bits that name the events of a file by what is in it.

    Neither folder nor file name enter: a copied or renamed file keeps its ids, hence its folds,
    and the same events given twice are noticed. Two files of the same name do not collide,
    because their first events differ.
    """
    digest = hashlib.blake2b(digest_size=8)
    for content in contents:
        digest.update(content)
    return int.from_bytes(digest.digest(), "little")
