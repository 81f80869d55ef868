"""Parquet files of events: which columns they have, what each holds, and batches of their rows."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from ...core import InputError, nearest_names
from ...core.files.file_systems import file_system
from ...core.files.listing import same_place
from ...core.identity import content_ids, number_ties
from .block import BlockKind
from .columns import is_number, list_column, number_column
from .constituents import ConstituentsReader
from .images import ImagesReader
from .opening import Paths, next_rows, open_parquet, table_files

__all__ = [
    "EXTRAS",
    "Batch",
    "BlockReader",
    "ColumnFiles",
    "add_lists",
    "block_reader",
    "column_names",
    "naming",
]

EXTRAS = {"weight": np.float64, "label": np.int8, "group": np.int64}
"""Columns that are taken along where all files have them, and their types; weights where any has."""

_FIELDS = ("pt", "eta", "phi")
_KINEMATICS = re.compile(r"j\d+_(pt|eta|phi|m|mass)")
_ID_ROWS = 262_144  # at a time, while ids are made


@dataclass(frozen=True, eq=False)
class Batch:
    """Some rows of a file.

    Attributes
    ----------
    file : str
        Its name.
    event : ndarray of uint64, shape (n_rows,)
        Ids.
    mass : ndarray, shape (n_rows,)
        The resonant mass in GeV.
    features : dict of str to ndarray, shape (n_rows,)
        Columns of numbers.
    extras : dict of str to ndarray, shape (n_rows,)
        Those of the files; a weight that a file does not have is 1.
    blocks : dict of str to Array
        Columns of lists, as Arrow has them.
    """

    file: str
    event: NDArray[np.uint64]
    mass: NDArray[Any]
    features: dict[str, NDArray[Any]]
    extras: dict[str, NDArray[Any]]
    blocks: dict[str, pa.Array]

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.event)


BlockReader = ConstituentsReader | ImagesReader


@dataclass(frozen=True, eq=False)
class ColumnFiles:
    """Parquet files of events with the same columns.

    Attributes
    ----------
    files : tuple of (str, ParquetFile)
        Names and open files.
    mass : str
        Name of the resonant mass.
    features : tuple of str
        Names of the columns of numbers.
    blocks : dict of str to {"constituents", "images"}
        Names of the columns of lists, and what they hold.
    extras : tuple of str
        Those of ``EXTRAS`` that all files have, and ``weight`` where any has.
    kinematics : tuple of str or None
        Columns that make the ids of the events; None where all files have a column ``event``. They
        are the mass and the momenta of jets that all files have (``j1_pt``, ``j1_eta``, ``j1_phi``,
        ``j1_mass`` or ``j1_m``, of any jet), in the order of their names.
    """

    files: tuple[tuple[str, pq.ParquetFile], ...]
    mass: str
    features: tuple[str, ...]
    blocks: dict[str, BlockKind]
    extras: tuple[str, ...]
    kinematics: tuple[str, ...] | None

    @classmethod
    def open(cls, paths: Paths, *, features: Sequence[str], mass: str) -> Self:
        """Open files, and tell the feature columns that hold lists from those that hold numbers.

        Raises
        ------
        InputError
            If a file is missing, not Parquet or given twice, or a column is missing or holds
            something else.
        """
        files = tuple((name, open_parquet(fs, name)) for fs, name in table_files(paths))
        places: dict[tuple[int, int] | str, str] = {}
        for name, _ in files:
            if (place := same_place(name)) in places:
                also = "" if places[place] == name else f", the other time as {places[place]}"
                msg = f"{name}: the file is given twice{also}, and its events would count twice; give it once"
                raise InputError(msg)
            places[place] = name
        for name, file in files:
            present = file.schema_arrow.names
            for column in sorted({each for each in present if present.count(each) > 1}):
                if column in {mass, *features, "event", *EXTRAS} or _KINEMATICS.fullmatch(column):
                    msg = f"{name}: has the column {column!r} twice; take one of them out"
                    raise InputError(msg)
            for column in (mass, *features):
                if column not in present:
                    msg = f"{name}: no column {column!r}; {nearest_names(column, present)}"
                    raise InputError(msg)
        kinds: dict[str, BlockKind | None] = {
            column: _kind_in_all(files, column) for column in features
        }
        in_files = [set(file.schema_arrow.names) for _, file in files]
        everywhere = set.intersection(*in_files)
        known = everywhere | ({"weight"} & set.union(*in_files))
        momenta = sorted(name for name in everywhere if _KINEMATICS.fullmatch(name))
        return cls(
            files,
            mass,
            tuple(column for column in features if kinds[column] is None),
            {column: kind for column, kind in kinds.items() if kind is not None},
            tuple(extra for extra in EXTRAS if extra in known),
            None if "event" in everywhere else (mass, *momenta),
        )

    def __len__(self) -> int:
        """Return the number of events."""
        return sum(file.metadata.num_rows for _, file in self.files)

    def batches(self, rows: int) -> Iterator[Batch]:
        """Yield the rows of all files in their order, so many at a time.

        Files without ``event`` get ids by the content of the events (`kinematics`), so that other
        names, another order of the files or of their rows change nothing.

        Raises
        ------
        InputError
            If a column does not hold what it should.
        """
        columns = [self.mass, *self.features, *self.blocks, *self.extras]
        columns += ["event"] if self.kinematics is None else []
        ids = None if self.kinematics is None else self._content_ids(self.kinematics)
        at = 0
        for name, batch in self._raw(columns, rows):
            stop = at + len(batch)
            yield Batch(
                file=name,
                event=number_column(batch, "event", name).astype(np.uint64, copy=False)
                if ids is None
                else ids[at:stop],
                mass=number_column(batch, self.mass, name),
                features={each: number_column(batch, each, name) for each in self.features},
                extras={
                    each: number_column(batch, each, name)
                    if each in batch.schema.names
                    else np.ones(len(batch))
                    for each in self.extras
                },
                blocks={each: list_column(batch, each, name) for each in self.blocks},
            )
            at = stop

    def compared(self) -> set[str]:
        """Return the columns by which events are the same or not, beside the mass.

        They are the features and the momenta of jets that all files have; where no feature is of
        numbers, also all other columns of real numbers.
        """
        schemas = [file.schema_arrow for _, file in self.files]
        shared = set.intersection(*(set(schema.names) for schema in schemas))
        found = {name for name in shared if _KINEMATICS.fullmatch(name)}
        if not self.features:
            real = {name for name in shared if pa.types.is_floating(schemas[0].field(name).type)}
            found |= real - {self.mass, "event", *EXTRAS}
        return found | {*self.features, *self.blocks}

    def of_rows(self, events: NDArray[np.bool_], names: Sequence[str]) -> dict[str, pa.Array]:
        """Return some columns of some events, shape (n_events,); numbers in double precision."""
        parts: dict[str, list[pa.Array]] = {name: [] for name in names}
        at = 0
        for file, batch in self._raw(names, _ID_ROWS) if names else ():
            some = pa.array(events[at : at + len(batch)])
            for name, part in parts.items():
                column = batch.column(name)
                if not _is_list(column.type):
                    column = pa.array(number_column(batch, name, file).astype(np.float64))
                part.append(column.filter(some))
            at += len(batch)
        nothing = pa.array([], pa.float64())  # of files without events
        return {name: pa.concat_arrays(part or [nothing]) for name, part in parts.items()}

    def close(self) -> None:
        """Close the files."""
        for _, file in self.files:
            file.close()

    def _raw(self, columns: Sequence[str], rows: int) -> Iterator[tuple[str, pa.RecordBatch]]:
        """Yield the name of the file and some rows of it, file after file."""
        for name, file in self.files:
            batches = file.iter_batches(rows, columns=list(dict.fromkeys(columns)))
            while (batch := next_rows(batches, name)) is not None:
                yield name, batch

    def _content_ids(self, kinematics: Sequence[str]) -> NDArray[np.uint64]:
        """Return the ids of all events.

        Events with the same kinematics are numbered in the order of their features, by the names of
        these, and as they come where all are equal.
        """
        ids = np.concatenate(
            [
                content_ids(*(number_column(batch, each, name) for each in kinematics))
                for name, batch in self._raw(kinematics, _ID_ROWS)
            ]
            or [np.empty(0, np.uint64)]
        )
        found, counts = np.unique(ids, return_counts=True)
        tied = np.isin(ids, found[counts > 1])
        if tied.any():
            features = self.of_rows(tied, sorted(self.features))
            ids[tied] = number_ties(ids[tied], *(each.to_numpy() for each in features.values()))
        return ids

    def reader(self, column: str) -> BlockReader:
        """Return what the lists of a column of all files are to be put into."""
        schema = self.files[0][1].schema_arrow
        bound = sum(_elements(file, column) for _, file in self.files)
        return block_reader(schema.field(column).type, len(self), bound)


def column_names(path: str) -> list[str]:
    """Return the names of the columns of a file.

    Raises
    ------
    InputError
        If it cannot be read.
    """
    fs, name = file_system(path)
    with open_parquet(fs, name) as file:
        return list(file.schema_arrow.names)


def block_reader(arrow: pa.DataType, events: int, particles: int) -> BlockReader:
    """Return what so many events of an Arrow type are to be put into."""
    if pa.types.is_struct(arrow.value_type):
        return ConstituentsReader(events, particles)
    return ImagesReader(events, *_size(arrow))


def add_lists(reader: BlockReader, batch: Batch, name: str) -> None:
    """Put the lists of a batch of the column of this name where those before are."""
    column = batch.blocks[name]
    with naming(f"{batch.file}: column {name!r}"):
        if isinstance(reader, ImagesReader):
            flat = column.flatten().flatten().to_numpy(zero_copy_only=False)
            reader.add(flat.reshape(len(column), *_size(column.type)))
            return
        offsets = column.offsets.to_numpy().astype(np.int64)
        particles = column.flatten()
        values = [particles.field(each).to_numpy(zero_copy_only=False) for each in _FIELDS]
        reader.add(offsets - offsets[0], values)


@contextmanager
def naming(what: str) -> Iterator[None]:
    """Say of what an error is."""
    try:
        yield
    except InputError as error:
        msg = f"{what}: {error}"
        raise InputError(msg) from None


def _kind_in_all(files: Sequence[tuple[str, pq.ParquetFile]], column: str) -> BlockKind | None:
    """Return what the lists of a column are, or None where it holds numbers."""
    types = {name: file.schema_arrow.field(column).type for name, file in files}
    kinds: dict[str, BlockKind | None] = {
        name: _kind(arrow, f"{name}: column {column!r}") for name, arrow in types.items()
    }
    sizes = {name: _size(types[name]) if kinds[name] == "images" else None for name in types}
    first = files[0][0]
    for name, arrow in types.items():
        if (kinds[name], sizes[name]) != (kinds[first], sizes[first]):
            msg = (
                f"{name}: column {column!r} holds {arrow}, and in {first} it holds "
                f"{types[first]}; give files that agree"
            )
            raise InputError(msg)
    return kinds[first]


def _kind(arrow: pa.DataType, where: str) -> BlockKind | None:
    if not _is_list(arrow):
        return None  # whether it holds numbers is seen when it is read
    inner, fixed = arrow.value_type, pa.types.is_fixed_size_list(arrow)
    if pa.types.is_struct(inner) and not fixed and {each.name for each in inner} >= set(_FIELDS):
        return "constituents"
    if fixed and pa.types.is_fixed_size_list(inner) and is_number(inner.value_type):
        return "images"
    msg = (
        f"{where} holds {arrow}; of lists, features may be those of {{pt, eta, phi}} "
        "(constituents) and arrays of one size in both directions (images)"
    )
    raise InputError(msg)


def _is_list(arrow: pa.DataType) -> bool:
    return (
        pa.types.is_list(arrow)
        or pa.types.is_large_list(arrow)
        or pa.types.is_fixed_size_list(arrow)
    )


def _size(arrow: pa.DataType) -> tuple[int, int]:
    return arrow.list_size, arrow.value_type.list_size


def _elements(file: pq.ParquetFile, column: str) -> int:
    """Return an upper bound of the elements of a column of lists, from the file's own notes."""
    leaves = [
        i for i in range(len(file.schema)) if file.schema.column(i).path.split(".")[0] == column
    ]
    metadata = file.metadata
    groups = range(metadata.num_row_groups)
    return sum(metadata.row_group(group).column(leaves[0]).num_values for group in groups)
