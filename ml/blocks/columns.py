"""Columns of a batch of rows: numbers and lists, refused by name where a cast would change them."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
from numpy.typing import NDArray

from ...core import InputError
from ...core.identity import whole_numbers

__all__ = ["is_number", "list_column", "number_column"]

_WHOLE = ("event", "label", "group")  # columns of integers without gaps


def is_number(arrow: pa.DataType) -> bool:
    """Return whether a type is one of numbers."""
    return pa.types.is_integer(arrow) or pa.types.is_floating(arrow)


def list_column(batch: pa.RecordBatch, name: str, file: str) -> pa.Array:
    """Return a column of lists, of which none and no element may be missing."""
    column = batch.column(name)
    if column.null_count or column.flatten().null_count:
        msg = f"{file}: column {name!r} has missing values; remove these events"
        raise InputError(msg)
    return column


def number_column(batch: pa.RecordBatch, name: str, file: str) -> NDArray[Any]:
    """Return a column as numbers; nulls become NaN, which a sample then refuses by name.

    Raises
    ------
    InputError
        If it holds something else, or ids, labels and groups are missing or none.
    """
    column = batch.column(name)
    if not (is_number(column.type) or pa.types.is_boolean(column.type)):
        msg = f"{file}: column {name!r} holds {column.type}, not numbers"
        raise InputError(msg)
    if name in _WHOLE and column.null_count:
        msg = f"{file}: column {name!r} has {column.null_count} missing values"
        raise InputError(msg)
    values = column.to_numpy(zero_copy_only=False)
    return whole_numbers(values, name, f"{file}: ") if name in _WHOLE else values
