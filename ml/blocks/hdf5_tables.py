"""Tables of named columns in HDF5, as pandas writes them: the features of the LHC Olympics.

``DataFrame.to_hdf`` stores blocks of columns of one type (``format="fixed"``) or a table of records
(``format="table"``); tables of records of other programs are read as well. The names that pandas has
pickled are read from the words of the pickle; nothing of it is run.
"""

from __future__ import annotations

import math
import pickletools
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import fsspec
import h5py
import hdf5plugin  # noqa: F401 - registers blosc, with which pandas compresses
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from ...core import InputError
from ...core.files.file_errors import is_missing, reason
from ...core.files.file_systems import file_system
from ...core.files.listing import data_suffix

__all__ = ["SUFFIXES", "is_named_table", "named_columns", "parquet_of_hdf5"]

SUFFIXES = (".h5", ".hdf5")
"""How the names of such files end."""

_JETS = ("px", "py", "pz", "m")  # of the jets of the LHC Olympics: pxj1, …
_TAUS = ("tau1", "tau2", "tau3")

Columns = Mapping[str, NDArray[Any]]


def is_named_table(path: str) -> bool:
    """Return whether a file is HDF5 with one table of named columns; False where it cannot be read.

    Examples
    --------
    >>> is_named_table("nowhere.h5")
    False
    """
    if data_suffix(path) not in SUFFIXES:
        return False
    try:
        with _opened(*file_system(path)) as file:
            return bool(_tables(file))
    except Exception:  # noqa: BLE001 - that it cannot be read is said by what reads it
        return False


def parquet_of_hdf5(fs: fsspec.AbstractFileSystem, name: str) -> pq.ParquetFile:
    """Return the table of an HDF5 file as a Parquet file in memory.

    Parameters
    ----------
    fs : AbstractFileSystem
        Where it is.
    name : str
        Its name there.

    Raises
    ------
    InputError
        If it cannot be read, holds no such table or several, or a column has no numbers.
    """
    try:
        with _opened(fs, name) as file:
            columns = named_columns(file, name)
    except InputError:
        raise
    except Exception as error:  # damaged bytes raise whatever h5py chooses
        if is_missing(error):
            msg = f"{name}: no such file"
        else:
            msg = f"{name}: not a readable HDF5 file, perhaps truncated; copy it again ({reason(error)})"
        raise InputError(msg) from error
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(dict(columns)), sink, compression="NONE")
    return pq.ParquetFile(pa.BufferReader(sink.getvalue()))


def named_columns(file: h5py.File, path: str) -> Columns:
    """Return the columns of the table of a file, and those that follow from them.

    Of the features of the LHC Olympics (``pxj1`` to ``tau3j2``, in GeV) these are ``mjj``, and of both
    jets ``j1_pt``, ``j1_eta``, ``j1_phi``, ``j1_mass``, ``j1_tau1`` to ``j1_tau3``, ``j1_tau21`` and
    ``j1_tau32`` (zero where the one below is zero), so that they are called what they are elsewhere.

    Parameters
    ----------
    file : h5py.File
        An open file.
    path : str
        Its name, for messages.

    Raises
    ------
    InputError
        If there is no such table or several, a name occurs twice, or a column has no numbers.
    """
    found = _tables(file)
    if len(found) != 1:
        what = f"has {len(found)} tables of named columns ({', '.join(found)}); write a file with one of them"
        if not found:
            what = (
                "no table of named columns in it; if it holds particles, make columns of them with "
                "'overdensity process', or give events.format: lhco in a search"
            )
        msg = f"{path}: {what}"
        raise InputError(msg)
    ((_, item),) = found.items()
    pairs = _of_blocks(item, path) if isinstance(item, h5py.Group) else _of_records(item, path)
    columns: dict[str, NDArray[Any]] = {}
    for name, values in pairs:
        if name in columns:
            msg = f"{path}: has the column {name!r} twice; take one of them out"
            raise InputError(msg)
        if values.ndim != 1 or values.dtype.kind not in "biuf":
            continue  # words and lists, which no search reads; one that is asked for is missed by name
        columns[name] = values.astype(values.dtype.newbyteorder("="), copy=False)
    if len({len(each) for each in columns.values()}) > 1:
        msg = f"{path}: its columns differ in length, the file is damaged; copy it again"
        raise InputError(msg)
    return {**_of_jets(columns), **columns}


@contextmanager
def _opened(fs: fsspec.AbstractFileSystem, name: str) -> Iterator[h5py.File]:
    with fs.open(name, "rb") as handle, h5py.File(handle, "r") as file:
        yield file


def _tables(file: h5py.File) -> dict[str, h5py.Group | h5py.Dataset]:
    """Return the tables of named columns by their names."""
    found: dict[str, h5py.Group | h5py.Dataset] = {}

    def look(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            records = item.dtype.names and "_i_table" not in name.split("/")
            if records and item.ndim == 1:
                found[name] = item
        elif "block0_items" in item and h5py.check_string_dtype(item["block0_items"].dtype):
            found[name] = item

    file.visititems(look)
    return found


def _of_blocks(group: h5py.Group, path: str) -> Iterator[tuple[str, NDArray[Any]]]:
    """Yield the columns of what pandas calls a fixed format."""
    inside: Mapping[str, Any] = {str(name): item for name, item in group.items()}
    for block in sorted(name for name in inside if re.fullmatch(r"block\d+_items", name)):
        names = [_text(each) for each in inside[block][()]]
        table = inside[block.replace("items", "values")]
        if "shape" in table.attrs:  # of an empty table, in whose place there is one number
            values = np.empty((0, len(names)))
        elif table.ndim != 2 or table.shape[1] != len(names):
            values = np.empty((0, 0))
        else:
            values = _whole(table, path)
        for k, name in enumerate(names):
            yield name, values[:, k] if values.shape[1] else np.empty((0, 0))


def _of_records(table: h5py.Dataset, path: str) -> Iterator[tuple[str, NDArray[Any]]]:
    """Yield the columns of a table of records; pandas keeps columns of one type in one field of it."""
    records = _whole(table, path)
    of_pandas = "index_kind" in table.attrs
    for field in table.dtype.names:
        values = records[field]
        if of_pandas and field == "index":
            continue
        names = _words(table.attrs.get(f"{field}_kind")) if of_pandas else []
        if values.ndim == 2 and len(names) == values.shape[1]:
            yield from ((name, values[:, k]) for k, name in enumerate(names))
        else:
            yield field, values


def _whole(table: h5py.Dataset, path: str) -> NDArray[Any]:
    """Return all rows of a table; what was never written, or lies elsewhere, would be read as zeros."""
    layout = table.id.get_create_plist().get_layout()
    if table.is_virtual or table.external:
        msg = f"{path}: {table.name!r} takes its numbers from other files; write a file that holds them"
        raise InputError(msg)
    pieces = (
        math.prod(
            math.ceil(n / size)
            for n, size in zip(table.shape, table.chunks or table.shape, strict=True)
        )
        if table.size
        else 0
    )
    absent = layout == h5py.h5d.CONTIGUOUS and table.id.get_offset() is None
    if table.size and (absent or (table.chunks and table.id.get_num_chunks() < pieces)):
        msg = f"{path}: parts of {table.name!r} were never written; write or copy the file again"
        raise InputError(msg)
    return table[()]


def _words(pickled: Any) -> list[str]:
    """Return the words in a pickled list, in their order."""
    if not isinstance(pickled, bytes):
        return []
    try:
        return [each for _, each, _ in pickletools.genops(pickled) if isinstance(each, str)]
    except ValueError:
        return []


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _of_jets(columns: Columns) -> dict[str, NDArray[Any]]:
    """Return what follows from the momenta of two jets as the LHC Olympics calls them."""
    found: dict[str, NDArray[Any]] = {}
    momenta: list[NDArray[np.float64]] = []
    for jet in ("j1", "j2"):
        if all(f"{name}{jet}" in columns for name in _JETS):
            px, py, pz, mass = (columns[f"{name}{jet}"].astype(np.float64) for name in _JETS)
            pt = np.hypot(px, py)
            momenta.append(np.stack([np.sqrt(pt**2 + pz**2 + mass**2), px, py, pz]))
            with np.errstate(divide="ignore", invalid="ignore"):
                eta = np.where(pt > 0, np.arcsinh(pz / pt), 0.0)
            found |= {f"{jet}_pt": pt, f"{jet}_eta": eta, f"{jet}_phi": np.arctan2(py, px)}
            found[f"{jet}_mass"] = mass
        if all(f"{name}{jet}" in columns for name in _TAUS):
            taus = [columns[f"{name}{jet}"].astype(np.float64) for name in _TAUS]
            found |= {f"{jet}_{name}": tau for name, tau in zip(_TAUS, taus, strict=True)}
            found |= {f"{jet}_tau{k + 1}{k}": _ratio(taus[k], taus[k - 1]) for k in (1, 2)}
    if len(momenta) == 2:
        energy, *three = momenta[0] + momenta[1]
        found["mjj"] = np.sqrt(np.maximum(energy**2 - sum(each**2 for each in three), 0.0))
    return found


def _ratio(above: NDArray[np.float64], below: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.divide(above, below, out=np.zeros_like(above), where=below > 0)
