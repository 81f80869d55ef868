"""Whether a table in an HDF5 file was written: what was not reads as zeros, without an error."""

from __future__ import annotations

import math
import os
from typing import Any

import h5py

from ...core import InputError

__all__ = ["refuse_unwritten"]

_NESTED = 4  # virtual tables of virtual tables


def refuse_unwritten(table: h5py.Dataset, path: str, *, nested: int = 0) -> None:
    """Raise an InputError if parts of a table were never written, or lie in files that are gone.

    Parameters
    ----------
    table : h5py.Dataset
        Its pieces (chunks) are counted, and what it takes from other files is looked for.
    path : str
        The file, for the message.
    nested : int
        How many virtual tables have led here.
    """
    if not math.prod(table.shape):
        return
    layout = table.id.get_create_plist().get_layout()
    if table.is_virtual:
        _refuse_missing_sources(table, path, nested)
    elif layout == h5py.h5d.CHUNKED:
        pieces = [
            math.ceil(n / size) for n, size in zip(table.shape, table.chunks or (), strict=True)
        ]
        wanted, there = math.prod(pieces), table.id.get_num_chunks()
        if there < wanted and (lost := pieces[0] - _bands(table, there)):
            msg = (
                f"{path}: of {lost} of the {pieces[0]} ranges of rows of {table.name!r} no piece (chunk) was ever "
                "written, and they would be read as events without particles; write or copy the file again"
            )
            raise InputError(msg)
    elif table.external:
        _refuse_missing_parts(table, path)
    elif layout == h5py.h5d.CONTIGUOUS and table.id.get_offset() is None:
        msg = f"{path}: {table.name!r} was never written; write or copy the file again"
        raise InputError(msg)


def _bands(table: h5py.Dataset, there: int) -> int:
    """Return of how many ranges of rows some chunk is there; zeros that pad all rows need none."""
    chunks = (table.id.get_chunk_info(k) for k in range(there))
    return len({each.chunk_offset[0] for each in chunks})


def _refuse_missing_sources(table: h5py.Dataset, path: str, nested: int) -> None:
    """Look for the tables in other files that a virtual one is made of."""
    sources = table.virtual_sources()
    mapped = sum(each.vspace.get_select_npoints() for each in sources)
    if mapped < math.prod(table.shape):
        msg = (
            f"{path}: only {mapped} of the {math.prod(table.shape)} numbers of the virtual table "
            f"{table.name!r} are in other files, the others nowhere; make it again"
        )
        raise InputError(msg)
    if nested >= _NESTED:
        msg = f"{path}: virtual tables lead from one to the other; give the files with the events"
        raise InputError(msg)
    for each in sources:
        name = path if each.file_name == "." else _beside(path, each.file_name)
        _refuse_missing_source(name, each, path, nested + 1)


def _refuse_missing_source(name: str, source: Any, path: str, nested: int) -> None:
    """Look for one of these tables, which has to be as long as what is taken from it."""
    table = source.dset_name
    missing = (
        f"{path}: a virtual table, whose part {table!r} in {name} is missing; copy that file, too"
    )
    try:
        file = h5py.File(name, "r")
    except (OSError, ValueError):
        raise InputError(missing) from None
    with file:
        there = file.get(table)
        if not isinstance(there, h5py.Dataset):
            raise InputError(missing)
        if not _holds(there, source):
            msg = f"{path}: takes more events from {name} than there are, {len(there)}"
            raise InputError(msg)
        refuse_unwritten(there, name, nested=nested)


def _holds(table: h5py.Dataset, source: Any) -> bool:
    """Return whether a table has all that is taken from it."""
    if table.size < source.vspace.get_select_npoints():
        return False
    if source.src_space.get_select_type() == h5py.h5s.SEL_ALL:
        return True
    last = source.src_space.get_select_bounds()[1]
    return all(n > end for n, end in zip(table.shape, last, strict=True))


def _refuse_missing_parts(table: h5py.Dataset, path: str) -> None:
    """Look for the raw files in which a table is stored."""
    for part, offset, size in table.external or ():
        name = _beside(path, os.fsdecode(part))
        needed = offset + (0 if size == h5py.h5f.UNLIMITED else size)
        if not os.path.isfile(name) or os.path.getsize(name) < needed:
            msg = f"{path}: its numbers are in {name}, which is missing or too short; copy it, too"
            raise InputError(msg)


def _beside(path: str, name: str) -> str:
    """Return a file that another one names, relative to the folder of that."""
    return os.path.join(os.path.dirname(path), name)
