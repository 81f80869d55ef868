"""Columns of a batch of rows: numbers and lists, refused by name where a cast would change them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ...core import InputError

__all__ = ["is_number", "list_column", "number_column", "whole_numbers"]

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


def whole_numbers(values: NDArray[Any], name: str, where: str = "") -> NDArray[Any]:
    """Return the values of ``event``, ``label`` or ``group``, refused where they are none of these.

    Parameters
    ----------
    values : ndarray, shape (n_events,)
        Ids and groups are whole numbers, labels 0 or 1.
    name : str
        Which of them they are.
    where : str
        What the message begins with.

    Raises
    ------
    InputError
        If a value is another one: it would silently become a wrong id or a wrong truth.
    """
    if name == "label":
        bad = (values != 0) & (values != 1)
        wanted = "0 (background) or 1 (signal)"
    elif values.dtype.kind == "f":  # beyond 2^53, neighbours are one real number
        bad = ~(np.abs(values) < 2**53) | (values != np.floor(values))
        wanted = "a whole number below 2^53, or stored as an integer"
    else:
        return values
    if bad.any():
        msg = (
            f"{where}column {name!r}: {int(np.count_nonzero(bad))} of {len(values)} values, the first "
            f"{values[bad][0]:g}, are not {wanted}; repair the column or drop it"
        )
        raise InputError(msg)
    return values
