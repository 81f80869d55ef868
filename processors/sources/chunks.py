"""What a run is cut into: files as they were found, and chunks of them."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core import InputError, Record
from ...core.files.file_systems import file_system
from ...core.files.listing import bare_name, local_path
from ...core.identity import integer_digest

__all__ = [
    "FINGERPRINT_EVENTS",
    "PARTICLES",
    "Chunk",
    "FileSummary",
    "absolute",
    "content_identity",
    "file_stamp",
    "split",
]

PARTICLES = ("particles",)  # what is read where nothing else is asked for
FINGERPRINT_EVENTS = 8  # by which the content of a file without event numbers is recognised


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
        64 bits that name the events in it, not the place where it lies (`content_identity`).
    event_bytes : float
        Bytes that an event takes in memory once it is read: what chunks are sized by.
    sum_weights : float or None
        Sum of the generator weights of the events that were generated, also of those that a skim
        left out, where the file knows; None where events have no weight.
    knows_generated : bool
        False where files of this kind know that sum and this one does not: it is of the events in
        the file.

    Examples
    --------
    >>> FileSummary("/data/a.root", n_events=25, identity=7).to_dict()["n_events"]
    25
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
    dataset : str
        Which part of a file set the file belongs to; may be empty.
    scale : float or None
        What the weights of the events are multiplied by, see `filesets.Dataset`; None where the
        dataset has no cross section.

    Examples
    --------
    >>> chunk = Chunk("/data/a.root", start=10, stop=20)
    >>> chunk.name, chunk.place
    ('a-000000010-000000020', '/data/a.root [10:20]')
    """

    path: str
    start: int
    stop: int
    dataset: str = ""
    scale: float | None = None

    @property
    def name(self) -> str:
        """The file's name without folder and suffix, and the range; sorts in order of entry.

        What a server or a shell would take for more than a letter is an underscore in it.
        """
        stem = re.sub(r"""[:?*"'<>|\\#%&]""", "_", PurePosixPath(bare_name(self.path)).stem)
        return f"{stem}-{self.start:09d}-{self.stop:09d}"

    @property
    def place(self) -> str:
        """The file and the range, for messages."""
        return f"{self.path} [{self.start}:{self.stop}]"


def absolute(path: str | os.PathLike[str]) -> str:
    """Return a path that means the same on every worker, without ``~``; URLs are so already.

    Examples
    --------
    >>> absolute("root://eos.example.org//store/a.root")
    'root://eos.example.org//store/a.root'
    """
    path = local_path(path)
    return path if "://" in path else os.path.abspath(path)


def split(
    file: FileSummary, chunk_events: int, *, dataset: str = "", scale: float | None = None
) -> list[Chunk]:
    """Cut a file into chunks of at most `chunk_events` entries; an empty file gives an empty one.

    Raises
    ------
    InputError
        If `chunk_events` is not positive.

    Examples
    --------
    >>> file = FileSummary("/data/a.root", n_events=25, identity=7)
    >>> [(chunk.start, chunk.stop) for chunk in split(file, 10)]
    [(0, 10), (10, 20), (20, 25)]
    """
    if chunk_events < 1:
        msg = f"chunk_events is {chunk_events}: a chunk needs at least one event"
        raise InputError(msg)
    return [
        Chunk(
            file.path,
            start,
            min(start + chunk_events, file.n_events),
            dataset,
            scale,
        )
        for start in range(0, max(file.n_events, 1), chunk_events)
    ]


def file_stamp(path: str) -> tuple[int, str]:
    """Return the size of a file in bytes, and its size and time of change as text.

    A file that was changed in place keeps its identity, and its columns must be made again. Where
    a server knows no time of change, what it has in its place is taken.

    Examples
    --------
    >>> from tempfile import NamedTemporaryFile
    >>> with NamedTemporaryFile() as file:
    ...     _ = file.write(b"12345")
    ...     file.flush()
    ...     file_stamp(file.name)[0]
    5
    """
    fs, name = file_system(path)
    info = fs.info(name)
    changed = next((info[key] for key in ("mtime", "ETag", "LastModified") if key in info), "")
    size = int(info["size"] or 0)
    return size, f"{size}-{changed}"


def content_identity(
    n_events: int, counts: NDArray[np.integer[Any]], particles: NDArray[np.floating[Any]]
) -> int:
    """Return the identity of a file by its first `FINGERPRINT_EVENTS` events.

    It survives a copy, a new name, another compression, padding or file format, as neither folder
    nor file name enter; the same events given twice are noticed, and two files of the same name do
    not collide, because their first events differ.

    Parameters
    ----------
    n_events : int
        How many events the file has.
    counts : array of int, shape (<= FINGERPRINT_EVENTS,)
        How many particles its first events have.
    particles : array, shape (sum of counts, 3)
        pt in GeV, eta and phi of these; rounded to float32.

    Examples
    --------
    >>> particles = np.array([[40.0, 0.1, 0.2], [30.0, -1.0, 3.0]])
    >>> one = content_identity(1, np.array([2]), particles)
    >>> one == content_identity(1, np.array([2]), particles.astype(np.float32))
    True
    """
    shape = np.array([n_events, *counts], dtype="<i8")
    return integer_digest(shape.tobytes(), particles.astype("<f4").tobytes())
