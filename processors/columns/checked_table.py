"""Parquet tables that know a checksum of what they hold: a bit that has changed is noticed.

The checksums of pages are written too (any reader can ask for them), but do not cover names, types and
notes; this one is of the values themselves, so that compression and row groups do not matter.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ...core import InputError, first_line

__all__ = ["read_checked", "write_checked"]

_CHECKSUM = b"overdensity checksum"  # its key among the metadata of the file


def write_checked(table: pa.Table, where: Any) -> None:
    """Write a table of numbers, lists and records, with zstd and its checksum.

    Parameters
    ----------
    table : Table
        Its metadata are kept.
    where : path or file
        Where to.

    Examples
    --------
    >>> import io
    >>> file = io.BytesIO()
    >>> write_checked(pa.table({"mjj": [3000.0]}), file)
    >>> read_checked(file, "a.parquet")["mjj"].to_pylist()
    [3000.0]
    """
    notes = table.schema.metadata or {}
    checked = table.replace_schema_metadata({**notes, _CHECKSUM: _checksum(table)})
    pq.write_table(checked, where, compression="zstd", write_page_checksum=True)


def read_checked(where: Any, name: str) -> pa.Table:
    """Read such a table, all of it.

    Parameters
    ----------
    where : path or file
        Where it is.
    name : str
        What the message calls it.

    Raises
    ------
    InputError
        If it is not what was written.
    """
    try:
        with pq.ParquetFile(where) as file:
            table = file.read(use_threads=False)
            rows, stored = file.metadata.num_rows, (table.schema.metadata or {}).get(_CHECKSUM)
        intact = rows == table.num_rows and stored == _checksum(table)
    except (pa.ArrowException, OSError, ValueError, TypeError, OverflowError) as error:
        msg = f"{name}: damaged ({first_line(error)})"
        raise InputError(msg) from None
    if not intact:
        msg = f"{name}: damaged, or not written by this version (its checksum is of other values)"
        raise InputError(msg)
    return table


def _checksum(table: pa.Table) -> bytes:
    digest = hashlib.blake2b(digest_size=16)
    notes = {key: value for key, value in (table.schema.metadata or {}).items() if key != _CHECKSUM}
    for part in (
        *(item for pair in sorted(notes.items()) for item in pair),
        str(len(table)).encode(),
    ):
        digest.update(part + b"\0")
    for name, column in zip(table.column_names, table.columns, strict=True):
        digest.update(name.encode() + b"\0")
        whole = column.combine_chunks()
        for values in _leaves(
            whole.combine_chunks() if isinstance(whole, pa.ChunkedArray) else whole
        ):
            digest.update(
                values.dtype.str.encode() + b"\0" + np.ascontiguousarray(values).tobytes()
            )
    return digest.hexdigest().encode()


def _leaves(column: pa.Array) -> Iterator[np.ndarray]:
    """Return a column as arrays of numbers: the lengths of its lists, and what is in them."""
    if column.null_count:
        yield column.is_valid().to_numpy(zero_copy_only=False)
    kind = column.type
    if pa.types.is_struct(kind):
        for name, inner in zip(kind.names, column.flatten(), strict=True):
            yield np.frombuffer(name.encode(), np.uint8)
            yield from _leaves(inner)
    elif (
        pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    ):
        yield np.array([pa.types.is_fixed_size_list(kind)])
        lengths = pc.call_function("list_value_length", [column])
        yield lengths.fill_null(0).to_numpy(zero_copy_only=False).astype("<i8")
        yield from _leaves(column.flatten())
    else:
        yield (column.fill_null(0) if column.null_count else column).to_numpy(zero_copy_only=False)
