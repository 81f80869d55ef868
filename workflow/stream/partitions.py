"""Where a stream comes from: a folder in which partitions appear, or Arrow batches on standard input."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import IO, Protocol

import numpy as np
import pyarrow as pa

from ...core import InputError, first_line, nearest_names
from ...core.files.file_systems import absent, file_system
from ...core.files.listing import data_files
from ...core.identity import hex_digest
from ...ml import Sample, SampleStream
from ...ml.blocks.columns import number_column

__all__ = ["ArrowStream", "Counted", "Partition", "PartitionFolder", "Source", "first_events"]

_ROWS = 16_384  # events at a time
_FIRST = 100  # events by which a partition is known again


@dataclass(frozen=True)
class Counted:
    """What was counted of a partition.

    Attributes
    ----------
    rows : int
        Events, from the first one.
    whole : bool
        Whether these are all.
    first : str
        Digest of its first events, by which it is known again.
    """

    rows: int
    whole: bool
    first: str


class Partition(Protocol):
    """Events that come together; reading it raises InputError where it ends too early."""

    @property
    def name(self) -> str:
        """What messages call it."""
        ...

    def key(self, first: str) -> str:
        """Return by what it is remembered, given the digest of its first events."""
        ...

    def samples(self) -> Iterator[Sample]:
        """Yield its events in their order, some at a time."""
        ...


class Source(Protocol):
    """Where partitions come from."""

    def partitions(self, counted: Mapping[str, Counted]) -> Iterator[Partition]:
        """Yield those that are there and were not counted as a whole."""
        ...


def first_events(sample: Sample) -> str:
    """Return a digest of the first events of a partition, of its first sample.

    Examples
    --------
    >>> one = Sample.from_arrays([3e3], [[0.5]], ("tau21",))
    >>> first_events(one) == first_events(one), len(first_events(one))
    (True, 16)
    """
    rows = np.column_stack([sample.mass, sample.features])[:_FIRST]
    return hex_digest(rows.tobytes())


@dataclass(frozen=True)
class _File:
    """A Parquet file of a folder."""

    name: str
    path: str
    features: tuple[str, ...]
    mass: str

    def key(self, first: str) -> str:
        del first
        return self.name

    def samples(self) -> Iterator[Sample]:
        yield from SampleStream(self.path, self.features, self.mass, _ROWS)


@dataclass(frozen=True)
class PartitionFolder:
    """A folder, or URL of one, in which Parquet files appear; hidden ones are in the making.

    Attributes
    ----------
    folder : str
        Path or URL.
    features : tuple of str
        Feature columns.
    mass : str
        Name of the resonant mass.
    """

    folder: str
    features: tuple[str, ...]
    mass: str

    def partitions(self, counted: Mapping[str, Counted]) -> Iterator[Partition]:
        """Yield those that are there, in the order of their names.

        Raises
        ------
        InputError
            If there is no such folder.
        """
        fs, root = file_system(self.folder)
        if not fs.isdir(root):
            sentence = (
                "no such folder; a stream is a folder of *.parquet files, or - for standard input"
            )
            raise absent(self.folder, sentence)
        for path in data_files(fs, root, (".parquet",)):
            name = path.removeprefix(root).lstrip("/")
            if name not in counted or not counted[name].whole:
                place = fs.unstrip_protocol(path) if "://" in self.folder else path
                yield _File(name, place, self.features, self.mass)


@dataclass(frozen=True)
class _Batches:
    """The batches of one Arrow stream."""

    file: IO[bytes]
    features: tuple[str, ...]
    mass: str
    name: str = "standard input"

    def key(self, first: str) -> str:
        return f"{self.name} {first[:12]}"

    def samples(self) -> Iterator[Sample]:
        try:
            batches = pa.ipc.open_stream(self.file)
            names = batches.schema.names  # which need not be text
        except (pa.ArrowException, OSError, ValueError) as error:
            msg = (
                f"{self.name}: not an Arrow stream ({first_line(error)}); send record batches, as "
                "pyarrow.ipc.new_stream writes them"
            )
            raise InputError(msg) from None
        self._refuse_columns(names)
        first: list[
            Sample
        ] = []  # until they tell what stream it is, however it is cut into batches
        while (batch := self._next(batches)) is not None:
            columns = [number_column(batch, each, self.name) for each in self.features]
            mass = number_column(batch, self.mass, self.name)
            sample = Sample.from_arrays(mass, np.stack(columns, axis=1), self.features)
            if sum(map(len, first)) >= _FIRST:
                yield sample
                continue
            first.append(sample)
            if sum(map(len, first)) >= _FIRST:
                yield Sample.concatenated(*first)
        if first and sum(map(len, first)) < _FIRST:
            yield Sample.concatenated(*first)

    def _refuse_columns(self, names: list[str]) -> None:
        for column in (self.mass, *self.features):
            if column not in names:
                msg = f"{self.name}: no column {column!r}; {nearest_names(column, names)}"
                raise InputError(msg)
            if names.count(column) > 1:
                msg = f"{self.name}: has the column {column!r} twice; take one of them out"
                raise InputError(msg)
        if "weight" in names:
            msg = (
                f"{self.name}: events with weights; a stream is of data, without a column 'weight'"
            )
            raise InputError(msg)

    def _next(self, batches: pa.RecordBatchReader) -> pa.RecordBatch | None:
        try:
            return batches.read_next_batch()
        except StopIteration:
            return None
        except (pa.ArrowException, OSError, ValueError) as error:
            msg = f"{self.name}: it ends in the middle of a record batch ({first_line(error)})"
            raise InputError(msg) from None


@dataclass
class ArrowStream:
    """Record batches in Arrow's stream format, such as standard input.

    Attributes
    ----------
    file : binary file
        Where they are read.
    features : tuple of str
        Feature columns.
    mass : str
        Name of the resonant mass.
    ended : bool
        Whether it was read to its end.
    """

    file: IO[bytes]
    features: tuple[str, ...]
    mass: str
    ended: bool = False

    def partitions(self, counted: Mapping[str, Counted]) -> Iterator[Partition]:
        """Yield the stream, once."""
        del counted
        if not self.ended:
            self.ended = True
            yield _Batches(self.file, self.features, self.mass)
