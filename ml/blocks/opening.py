"""Files of columns, opened, whatever keeps them: Parquet files, folders of them, HDF5 tables."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq

from ...core import InputError, first_line
from ...core.files.file_systems import absent, file_system
from ...core.files.listing import data_files, data_suffix, refuse_declared
from .hdf5_tables import SUFFIXES, parquet_of_hdf5

__all__ = ["Paths", "next_rows", "open_parquet", "table_files"]

Paths = str | os.PathLike[str] | Iterable[str | os.PathLike[str]]


def table_files(paths: Paths) -> Iterable[tuple[fsspec.AbstractFileSystem, str]]:
    """Yield (filesystem, file) for each path; the files of a folder in the order of their names.

    Raises
    ------
    InputError
        If there is no such path, no file in a folder, or no path.
    """
    if isinstance(paths, (str, os.PathLike)):
        paths = [paths]
    found = False
    for path in paths:
        fs, name = file_system(os.fspath(path))
        if not fs.exists(name):
            raise absent(os.fspath(path))
        inside = data_files(fs, name, (".parquet", *SUFFIXES)) if fs.isdir(name) else [name]
        if not inside:
            msg = f"{path}: a folder without *.parquet files"
            raise InputError(msg)
        found = True
        yield from ((fs, each) for each in inside)
    if not found:
        msg = "no file given"
        raise InputError(msg)


def open_parquet(fs: fsspec.AbstractFileSystem, name: str) -> pq.ParquetFile:
    """Return a file of columns, opened; an HDF5 table as Parquet.

    Raises
    ------
    InputError
        If it cannot be read.
    """
    if data_suffix(name) in SUFFIXES:
        return parquet_of_hdf5(fs, name)
    try:
        file = pq.ParquetFile(name, filesystem=fs, page_checksum_verification=True)
        _ = file.schema_arrow.names  # which need not be text
    except (pa.ArrowException, OSError, ValueError) as error:
        msg = f"{name}: not a Parquet file, or truncated ({str(error).splitlines()[0]})"
        raise InputError(msg) from None
    refuse_declared(file.metadata.num_rows, int(fs.size(name) or 0), name)
    return file


def next_rows(batches: Iterator[pa.RecordBatch], name: str) -> pa.RecordBatch | None:
    """Return the next rows of a file, or None at its end.

    Raises
    ------
    InputError
        If they are damaged.
    """
    try:
        return next(batches, None)
    except (pa.ArrowException, OSError, ValueError) as error:
        msg = (
            f"{name}: its values cannot be read, the file is damaged "
            f"({first_line(error)}); copy or make it again"
        )
        raise InputError(msg) from None
