"""Large arrays: files that are mapped into memory, of which little is in memory at a time."""

from __future__ import annotations

import mmap
import tempfile
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

__all__ = ["forget", "gathered", "in_file_order", "new_array"]

_IN_MEMORY = 64 * 2**20  # bytes; larger arrays are memory maps
_MAPPED = 32 * 2**20  # bytes of a file that are looked at before they are given back


def new_array(shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
    """Return an array to be filled: in memory, or if it is large in a temporary file.

    The file has no name, so that it is gone with the array even if the process is killed; the
    folder is that of ``TMPDIR``.
    """
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    if size <= _IN_MEMORY:
        return np.empty(shape, dtype)
    with tempfile.TemporaryFile(prefix="overdensity-") as file:
        return np.memmap(file, dtype=dtype, mode="w+", shape=shape)


def forget(array: NDArray[Any]) -> None:
    """Give back the memory that holds pages of a mapped file; they are read again when needed.

    The file keeps what was written. Without this the memory of a process grows with all that it
    has ever read, until the machine runs short of it or Dask ends the process.
    """
    file = _file_of(array)
    if file is not None:
        file.madvise(mmap.MADV_DONTNEED)


def in_file_order(
    array: NDArray[Any], starts: NDArray[np.int64]
) -> Iterator[NDArray[np.int64] | slice]:
    """Yield which of some rows to read next, so that little of a mapped file is in memory.

    The system maps 64 kB around each row that is read: rows anywhere in the file would map all of it.
    They are taken in the order of the file, and what was mapped is given back after some MB of it.

    Parameters
    ----------
    array : ndarray, shape (n_rows, ...)
        Perhaps mapped; one in memory is read all at once.
    starts : ndarray of int64, shape (n,)
        The rows of the array, or the first of each span of rows.

    Examples
    --------
    >>> [part for part in in_file_order(np.zeros(3), np.array([2, 0]))]
    [slice(None, None, None)]
    """
    if _file_of(array) is None:
        yield slice(None)
        return
    rows = max(1, _MAPPED * len(array) // array.nbytes)
    order = np.argsort(starts, kind="stable")
    ends = np.flatnonzero(np.diff(starts[order] // rows)) + 1
    for part in np.split(order, ends):
        yield part
        forget(array)


def gathered(array: NDArray[Any], rows: NDArray[np.int64]) -> NDArray[Any]:
    """Return rows of an array in their order, of which little of a mapped file is in memory.

    Examples
    --------
    >>> gathered(np.array([5, 6, 7]), np.array([2, 0]))
    array([7, 5])
    """
    found = np.empty((len(rows), *array.shape[1:]), array.dtype)
    for part in in_file_order(array, rows):
        found[part] = array[rows[part]]
    return found


def _file_of(array: NDArray[Any]) -> mmap.mmap | None:
    owner: Any = array
    while isinstance(owner, np.ndarray):
        owner = owner.base
    return owner if isinstance(owner, mmap.mmap) and hasattr(owner, "madvise") else None
