"""Write the HDF5 files of the LHC Olympics, row after row, exactly as pandas does."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import hdf5plugin
import numpy as np
from numpy.typing import NDArray

from .selection import MAX_OBJECTS, Events

__all__ = ["FrameWriter", "frame_writer", "padded_rows"]

_ROWS_PER_CHUNK = 32
_INDEX_CHUNK = 8192  # what PyTables takes for axes
_COMPRESSION = hdf5plugin.Blosc(cname="blosclz", clevel=5, shuffle=hdf5plugin.Blosc.SHUFFLE)


def padded_rows(events: Events, labels: NDArray[np.int8] | None) -> NDArray[np.float64]:
    """Return events as rows of the LHC Olympics format (arXiv:2101.08320, section 2).

    Parameters
    ----------
    events : Events
        At most 700 objects in each.
    labels : NDArray[np.int8], shape (n_events,), or None
        Truth, 1 for signal; None leaves the column out.

    Returns
    -------
    NDArray[np.float64], shape (n_events, 2101) or (n_events, 2100)
        700 × (pt, eta, phi), zero-padded, then the truth.
    """
    width = 3 * MAX_OBJECTS
    rows = np.zeros((len(events), width + (labels is not None)))
    filled = np.arange(width) < 3 * events.counts[:, None]
    rows[:, :width][filled] = events.objects.ravel()
    if labels is not None:
        rows[:, width] = labels
    return rows


class FrameWriter:
    """An open HDF5 file that holds one pandas frame in the fixed format, key ``df``."""

    def __init__(self, file: h5py.File, rows: int, columns: int) -> None:
        self._next = 0
        group = file.create_group("df")
        _annotate(file, CLASS="GROUP", TITLE="", VERSION="1.0", PYTABLES_FORMAT_VERSION="2.1")
        _annotate(
            group,
            CLASS="GROUP",
            TITLE="",
            VERSION="1.0",
            pandas_type="frame",
            pandas_version="0.15.2",
            encoding="UTF-8",
            errors="strict",
            ndim=np.int64(2),
            nblocks=np.int64(1),
            axis0_variety="regular",
            axis1_variety="regular",
            block0_items_variety="regular",
        )
        for name, length in (("axis0", columns), ("axis1", rows), ("block0_items", columns)):
            axis = group.create_dataset(
                name,
                data=np.arange(length),
                chunks=(_INDEX_CHUNK,),
                maxshape=(max(length, _INDEX_CHUNK),),
                **_COMPRESSION,
            )
            _annotate(axis, CLASS=b"CARRAY", TITLE=b"", VERSION=b"1.1", kind="integer")
            _annotate(axis, name=b"N.", transposed=True)
        self._values = group.create_dataset(
            "block0_values",
            shape=(rows, columns),
            dtype="<f8",
            chunks=(min(_ROWS_PER_CHUNK, rows), columns),
            **_COMPRESSION,
        )
        _annotate(self._values, CLASS=b"CARRAY", TITLE=b"", VERSION=b"1.1", transposed=True)

    def append(self, rows: NDArray[np.float64]) -> None:
        """Write the next rows, shape (n, columns)."""
        self._values[self._next : self._next + len(rows)] = rows
        self._next += len(rows)


@contextmanager
def frame_writer(path: Path, rows: int, columns: int) -> Iterator[FrameWriter]:
    """Open a frame for writing; the file appears under its name only when it is complete.

    Parameters
    ----------
    path : Path
        The file; an existing one is replaced at the end.
    rows, columns : int
        Shape of the frame.

    Yields
    ------
    FrameWriter
        To be given the rows in order.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with h5py.File(temporary, "w") as file:
            yield FrameWriter(file, rows, columns)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _annotate(item: h5py.HLObject, **attributes: str | bytes | np.integer | bool) -> None:
    """Set attributes in the types PyTables uses.

    It stores the strings of groups as UTF-8 and most of those of arrays as ASCII, and empty ones
    without a value.
    """
    for name, value in attributes.items():
        if isinstance(value, bool):
            scalar = h5py.h5s.create(h5py.h5s.SCALAR)
            attribute = h5py.h5a.create(item.id, name.encode(), h5py.h5t.STD_B8LE, scalar)
            attribute.write(np.array(value, dtype=np.uint8))
        elif isinstance(value, str | bytes):
            text, charset = (
                (value.encode(), "utf-8") if isinstance(value, str) else (value, "ascii")
            )
            kind = h5py.string_dtype(charset, max(len(text), 1))
            item.attrs.create(name, text or h5py.Empty(kind), dtype=kind)
        else:
            item.attrs[name] = value
