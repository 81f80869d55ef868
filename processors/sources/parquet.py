"""Parquet files of events: flat columns of lists, or lists of structures."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import awkward as ak
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ...core import InputError
from ...core.files.file_systems import file_system
from .chunks import FINGERPRINT_EVENTS, PARTICLES, Chunk, FileSummary
from .layout import COLLECTIONS, Layout
from .recognise import LayoutSource, choose_layout
from .remote import unreadable
from .schemas import find_branches
from .source import register_source

__all__ = ["ParquetSource"]


@register_source("parquet", suffixes=(".parquet",))
@dataclass(frozen=True)
class ParquetSource(LayoutSource):
    """Reads events from Parquet, here or behind any fsspec URL.

    Only the row groups and the columns that a chunk needs are read. A branch ``particles_pt`` of
    the layout is a column of lists of that name, or the field ``pt`` of a column ``particles`` of
    lists of structures.

    Attributes
    ----------
    layout : str or Layout
        The kind of file, see `LayoutSource`.

    Examples
    --------
    >>> import tempfile
    >>> from overdensity.processors import read_events
    >>> jets = [[{"pt": 40.0, "eta": 0.1, "phi": 3.0}], []]
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "a.parquet")
    ...     pq.write_table(pa.table({"jets": jets}), path)
    ...     events = read_events(ParquetSource(), path, collections=("jets",))
    >>> events.jets.pt.tolist()
    [[40.0], []]
    """

    layout: str | Layout = "flat"

    def inspect(
        self, path: str | os.PathLike[str], collections: Sequence[str] = PARTICLES
    ) -> FileSummary:
        """Open a file and say what it holds, see `Source.inspect`."""
        path = os.fspath(path)
        with _opened(path) as file:
            layout, there = self._layout(file, path, collections)
            n_events = file.metadata.num_rows
            looked_at = layout.fingerprint(there)
            first = _columns(file, looked_at, 0, min(n_events, FINGERPRINT_EVENTS))
            stored = _bytes(file, layout.branches(collections))
            weights = _columns(file, layout.weights & there, 0, n_events)
            return FileSummary(
                path,
                n_events,
                layout.identity(first, n_events),
                event_bytes=stored / max(n_events, 1),
                sum_weights=layout.sum_of_weights(weights),
                knows_generated=layout.sum_weights is None,
            )

    def read(self, chunk: Chunk, collections: Sequence[str] = PARTICLES) -> ak.Array:
        """Read a chunk, see `Source.read`."""
        with _opened(chunk.path) as file:
            layout, there = self._layout(file, chunk.path, collections)
            if chunk.stop > (n_events := file.metadata.num_rows):
                msg = f"{chunk.path}: has {n_events} events, entry {chunk.stop - 1} was asked"
                raise InputError(msg)
            wanted = layout.to_read(there, collections)
            columns = _columns(file, wanted, chunk.start, chunk.stop)
        return layout.of_chunk(columns, chunk, collections)

    def _layout(
        self, file: pq.ParquetFile, path: str, collections: Sequence[str]
    ) -> tuple[Layout, set[str]]:
        """Return the kind of file, and the branches that it has."""
        if not any(pa.types.is_nested(column.type) for column in file.schema_arrow):
            msg = (
                f"{path}: its columns are single numbers, not lists of particles or jets; if they "
                "are features already, their format is columns"
            )
            raise InputError(msg)
        candidates = self.candidates
        every = frozenset[str]().union(
            *(layout.branches((*COLLECTIONS, "rho")) for layout in candidates)
        )
        empty = ak.from_arrow(_usable(file.schema_arrow, every).empty_table())
        there = find_branches(empty, every).keys()
        trees = {name: there for layout in candidates for name in layout.trees}
        return choose_layout(candidates, trees, collections, path)[0], set(there)


def _usable(schema: pa.Schema, wanted: Collection[str]) -> pa.Schema:
    """Return the columns of a file that can hold branches; one of their names that cannot is refused."""
    kept: list[pa.Field] = []
    for column in schema:
        sort = column.type
        while (
            pa.types.is_list(sort)
            or pa.types.is_large_list(sort)
            or pa.types.is_fixed_size_list(sort)
        ):
            sort = sort.value_type
        odd = pa.types.is_map(sort) or pa.types.is_decimal(sort) or pa.types.is_null(sort)
        twice = len(schema.get_all_field_indices(column.name)) > 1
        if not (odd or twice):
            kept.append(column)
        elif column.name in wanted:
            what = "is there twice" if twice else f"holds {column.type}, not lists of numbers"
            msg = f"its column {column.name!r} {what}; write the file without"
            raise InputError(msg)
    return pa.schema(kept)


def _paths(file: pq.ParquetFile, wanted: Collection[str]) -> list[int]:
    """Return the positions of the columns that hold some branches."""
    schema = file.metadata.schema
    result: list[int] = []
    for i in range(len(schema)):
        parts = schema.column(i).path.split(".")
        names = {parts[0], f"{parts[0]}_{parts[-1]}", f"{parts[0]}.{parts[-1]}"}
        if not names.isdisjoint(wanted):
            result.append(i)
    return result


def _bytes(file: pq.ParquetFile, wanted: Collection[str]) -> int:
    metadata = file.metadata
    groups = [metadata.row_group(i) for i in range(metadata.num_row_groups)]
    return sum(g.column(i).total_uncompressed_size for g in groups for i in _paths(file, wanted))


def _columns(file: pq.ParquetFile, wanted: frozenset[str], start: int, stop: int) -> dict[str, Any]:
    """Return the branches of some entries, from the row groups that hold them."""
    sizes = [file.metadata.row_group(i).num_rows for i in range(file.metadata.num_row_groups)]
    edges = np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)])
    touched = [i for i in range(len(sizes)) if edges[i] < stop and edges[i + 1] > start]
    schema = file.metadata.schema
    names = [schema.column(i).path for i in _paths(file, wanted)]
    if touched:
        table = file.read_row_groups(touched, columns=names, use_threads=False)
        table = table.slice(start - int(edges[touched[0]]), stop - start)
    else:
        table = file.schema_arrow.empty_table()
    for name in table.column_names:
        if table[name].null_count:
            msg = f"column {name} has {table[name].null_count} events without a value"
            raise InputError(msg)
    return find_branches(ak.from_arrow(table.combine_chunks()), wanted)


@contextmanager
def _opened(path: str) -> Iterator[pq.ParquetFile]:
    """Open a Parquet file, with errors a user can act on, also those of reading it later."""
    try:
        fs, name = file_system(path)
        with fs.open(name, "rb") as handle, pq.ParquetFile(handle) as file:
            yield file
    except InputError as error:
        msg = str(error) if str(error).startswith(path) else f"{path}: {error}"
        raise InputError(msg) from None
    except (OSError, ValueError, pa.ArrowException) as error:
        raise unreadable(path, error, "Parquet") from None
