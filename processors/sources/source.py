"""What a file format has to offer, and how formats are found by name.

A format is one file: a frozen dataclass that inherits from `Source`, with ``@register_source``
above it. Processing, file sets, the configuration and the command line ask `SOURCES`.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, ClassVar, Protocol, Self, TypeVar

import awkward as ak

from ...core import ConfigError
from ...core.registry import Registry
from .chunks import PARTICLES, Chunk, FileSummary

__all__ = [
    "SOURCES",
    "Executor",
    "Source",
    "Writer",
    "formats_of_suffixes",
    "make_source",
    "read_events",
    "register_source",
]

Executor = Callable[[Sequence[Any], Callable[[Any], Any], Any], Any]  # as those of coffea
SourceT = TypeVar("SourceT", bound="type[Source]")


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


class Source(ABC):
    r"""Where events come from: one small class for each file format.

    A source is a frozen dataclass of its settings, which become part of the key of what is made
    from it, and travels to the workers.

    Attributes
    ----------
    format : str
        What the configuration calls it; given by `register_source`.
    suffixes : tuple of str
        How the names of its files end.
    options : tuple of str
        The keys of the configuration's section ``events`` that go with it, see `configured`.

    Examples
    --------
    A format of one's own, here a text file with one particle a line and an event a file:

    >>> import numpy as np
    >>> from dataclasses import dataclass
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from overdensity.core.identity import content_ids_of_lists, integer_digest
    >>> from overdensity.processors.jets.momentum import momenta
    >>> @dataclass(frozen=True)  # with @register_source("text", suffixes=(".dat",)) above it
    ... class TextSource(Source):
    ...     def inspect(self, path, collections=PARTICLES):
    ...         return FileSummary(str(path), 1, integer_digest(Path(path).read_bytes()))
    ...
    ...     def read(self, chunk, collections=PARTICLES):
    ...         pt, eta, phi = np.loadtxt(chunk.path, ndmin=2, unpack=True)
    ...         counts = np.array([len(pt)])
    ...         particles = momenta(pt, eta, phi, counts)
    ...         event = content_ids_of_lists(counts, pt, eta, phi)
    ...         return ak.zip({"particles": particles, "event": event}, depth_limit=1)
    ...
    ...     def settings(self):
    ...         return {"format": "text"}
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder, "one.dat")
    ...     _ = path.write_text("40 0.1 0.2\n30 -1 3")
    ...     events = read_events(TextSource(), path)
    >>> events.particles.pt.tolist()
    [[40.0, 30.0]]
    """

    format: ClassVar[str] = ""
    suffixes: ClassVar[tuple[str, ...]] = ()
    options: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def configured(cls, files: Sequence[str], options: Mapping[str, Any]) -> Self:  # noqa: ARG003 - for those that need them
        """Return the source that a configuration asks for.

        Parameters
        ----------
        files : sequence of str
            The event files, absolute.
        options : mapping of str to value
            Those of the class's `options` that the configuration has; by default its fields.
        """
        return cls(**options)

    @abstractmethod
    def inspect(
        self, path: str | os.PathLike[str], collections: Sequence[str] = PARTICLES
    ) -> FileSummary:
        """Open a file and say what it holds.

        Raises
        ------
        InputError
            If the file is missing, of another kind or truncated, or lacks the collections.
        """

    @abstractmethod
    def read(self, chunk: Chunk, collections: Sequence[str] = PARTICLES) -> ak.Array:
        """Read a chunk.

        Returns
        -------
        ak.Array, shape (n_events,)
            Records with the collections (var × Momentum4D with pt, eta, phi, mass; float64, GeV)
            and ``event`` (uint64), and with ``weight``, ``label`` (int8) and what else is known.

        Raises
        ------
        InputError
            If the file cannot be read.
        """

    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """Return what the events depend on beside the file itself, as plain JSON values."""

    def execute(
        self, executor: Executor, chunks: Mapping[str, Chunk], writer: Writer
    ) -> dict[str, Any]:
        """Let the writer write every chunk, under its name, wherever the executor runs it.

        By the executor alone, for what coffea's Runner does not read. With a Runner, a small
        ProcessorABC of the source makes name and chunk from the metadata of its events, and calls
        ``writer.write(name, chunk, partial(view, events))``.

        Returns
        -------
        dict
            What `Writer.write` returned for all chunks, added up.
        """
        work = partial(_read_and_write, source=self, writer=writer)
        result = executor(list(chunks.items()), work, {})
        return result[0] if isinstance(result, tuple) else result


SOURCES: Registry[type[Source]] = Registry(
    "format", package="overdensity.processors.sources", group="overdensity.sources"
)
"""The formats by name: ours, and those of installed packages (entry points)."""


def register_source(name: str, *, suffixes: tuple[str, ...] = ()) -> Callable[[SourceT], SourceT]:
    """Make a source known by the name of its format; a class decorator.

    Parameters
    ----------
    name : str
        What the configuration calls it (``events.format``).
    suffixes : tuple of str
        How the names of such files end, in small letters with the dot: where a folder is given,
        and where no format is.

    Raises
    ------
    ConfigError
        If another class has this name already.

    Examples
    --------
    >>> SOURCES["lhco"].suffixes
    ('.h5', '.hdf5')
    """

    def register(source: SourceT) -> SourceT:
        SOURCES.add(name, source)
        source.format, source.suffixes = name, suffixes
        return source

    return register


def make_source(name: str, files: Sequence[str] = (), **options: Any) -> Source:
    """Make a source by the name of its format, as the configuration describes it.

    Parameters
    ----------
    name : str
        A key of `SOURCES`.
    files : sequence of str
        The event files, absolute.
    **options
        What the configuration says beside the format: ``layout``, ``key_file``, ``dataset``.

    Raises
    ------
    ConfigError
        If there is no such format, or an option does not go with it.

    Examples
    --------
    >>> make_source("root", layout="delphes").layout
    'delphes'
    >>> make_source("lhco", layout="delphes")
    Traceback (most recent call last):
    overdensity.core.errors.ConfigError: events.layout goes with format parquet or root, not lhco
    """
    source = SOURCES.find(name)
    for option in options:
        if option not in source.options:
            having = [other for other, each in SOURCES.items() if option in each.options]
            msg = f"events.{option} goes with format {' or '.join(having)}, not {name}"
            raise ConfigError(msg)
    return source.configured(files, options)


def formats_of_suffixes() -> dict[str, tuple[str, ...]]:
    """Return the formats that files of each suffix may have.

    Examples
    --------
    >>> formats_of_suffixes()[".hdf5"]
    ('lhco',)
    """
    found: dict[str, tuple[str, ...]] = {}
    for name, source in SOURCES.items():
        for suffix in source.suffixes:
            found[suffix] = (*found.get(suffix, ()), name)
    return found


def read_events(
    source: Source,
    path: str | os.PathLike[str],
    start: int = 0,
    stop: int | None = None,
    *,
    collections: Sequence[str] = PARTICLES,
) -> ak.Array:
    """Read a range of events of one file, by default all of it: for a look, or a notebook.

    Parameters
    ----------
    source : Source
        How to read it.
    path : path
        The file.
    start, stop : int
        The entries ``start <= entry < stop``.
    collections : sequence of str
        What to read: ``particles``, ``fat_jets``, …

    Returns
    -------
    ak.Array, shape (n_events,)
        See `Source.read`.

    Raises
    ------
    InputError
        If the file cannot be read.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> import pyarrow as pa, pyarrow.parquet as pq
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder, "box.parquet")
    ...     table = pa.table({f"particles_{x}": [[0.5, 0.25], []] for x in ("pt", "eta", "phi")})
    ...     pq.write_table(table, path)
    ...     read_events(make_source("parquet"), path).particles.pt.tolist()
    [[0.5, 0.25], []]
    """
    file = source.inspect(path, collections)
    stop = file.n_events if stop is None else min(stop, file.n_events)
    return source.read(Chunk(file.path, start, stop), collections)


def _read_and_write(item: tuple[str, Chunk], *, source: Source, writer: Writer) -> dict[str, Any]:
    name, chunk = item
    return writer.write(name, chunk, partial(source.read, chunk, writer.collections))
