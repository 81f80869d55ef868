"""Parquet partitions, written where a chunk is processed: whole or not at all, and only once."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import awkward as ak
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ...core import InputError, Record
from ...core.files.file_systems import file_system
from ...core.files.listing import file_names
from ...core.identity import json_digest
from ..sources.remote import write_bytes
from .checked_table import read_checked, write_checked

__all__ = [
    "PartitionSummary",
    "partition_names",
    "read_summary",
    "remove_others",
    "settings_key",
    "write_partition",
]

logger = logging.getLogger(__name__)

_METADATA = b"overdensity"  # the key of our summary among the metadata of a Parquet file
_LAYOUT = 4  # raised when the meaning of a column changes, so that old partitions are made again


@dataclass(frozen=True)
class PartitionSummary(Record):
    """The summary in a partition's metadata: a finished one need not be read or made again.

    Attributes
    ----------
    rows : int
        How many rows it has.
    cutflow : dict of str to int
        Events left after each step.
    weighted : dict of str to float
        Sums of their weights; empty where events have none.
    hists : dict of str to dict
        Histograms in uhi's JSON form.
    empty : int
        Events that hold no particle at all, where particles are read.

    Examples
    --------
    >>> PartitionSummary(rows=1, cutflow={"two jets": 1}, weighted={}, hists={}).rows
    1
    """

    rows: int
    cutflow: dict[str, int]
    weighted: dict[str, float]
    hists: dict[str, Any]
    empty: int = 0


def settings_key(**settings: Any) -> str:
    """Return twelve hexadecimal digits that name the settings, given as plain JSON values.

    The version of the package is one of them: what an older one has made is made again.

    Examples
    --------
    >>> settings_key(radius=1.0) == settings_key(radius=1.0), len(settings_key(radius=1.0))
    (True, 12)
    """
    ours = {"layout": _LAYOUT, "version": version("overdensity")}
    return json_digest({**ours, **settings}, size=6)


def write_partition(path: str, columns: Mapping[str, Any], summary: PartitionSummary) -> None:
    """Write columns as one Parquet file, under a temporary name that is then changed.

    It knows a checksum of its values (`checked_table`).

    The same columns give the same bytes, so that a chunk done twice leaves one file.

    Parameters
    ----------
    path : str
        A path or any fsspec URL; the folder must exist.
    columns : mapping of str to array, each of shape (n_rows, ...)
        Numpy arrays, or awkward ones where a row holds a list. May be empty of rows, not of
        columns.
    summary : PartitionSummary
        Stored in the file's metadata.

    Raises
    ------
    InputError
        If the file cannot be written.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> summary = PartitionSummary(rows=1, cutflow={"two jets": 1}, weighted={}, hists={})
    >>> with TemporaryDirectory() as folder:
    ...     write_partition(f"{folder}/a.parquet", {"mjj": np.array([3000.0])}, summary)
    ...     partition_names(folder), read_summary(f"{folder}/a.parquet") == summary
    ...     remove_others(folder, keep=[])
    ({'a.parquet'}, True)
    ['a.parquet']
    """
    table = pa.table({name: _as_arrow(column) for name, column in columns.items()})
    described = table.replace_schema_metadata({_METADATA: json.dumps(summary.to_dict())})
    buffer = io.BytesIO()
    write_checked(described, buffer)
    write_bytes(path, buffer.getvalue())


def _as_arrow(column: Any) -> pa.Array:
    if not isinstance(column, np.ndarray):
        return ak.to_arrow(column, extensionarray=False, list_to32=True)
    if column.ndim == 1:
        return pa.array(column)
    numbers = pa.array(column.reshape(-1))
    for length in reversed(column.shape[1:]):  # an image is a list of lists, of fixed lengths
        numbers = pa.FixedSizeListArray.from_arrays(numbers, length)
    return numbers


def read_summary(path: str) -> PartitionSummary | None:
    """Return the summary of a finished partition, or None where there is none to use.

    The partition is read, so that one which is damaged, or was written anew with fewer rows, is
    made again and not used.
    """
    fs, final = file_system(path)
    try:
        if not fs.exists(final):
            return None
        with fs.open(final, "rb") as file:
            table = read_checked(io.BytesIO(file.read()), path)
        summary = _summary_of(table.schema.metadata)
    except (pa.ArrowException, OSError, KeyError, TypeError, ValueError, InputError) as error:
        logger.warning("%s is not a partition of ours and is made again (%s)", path, error)
        return None
    if summary.rows != len(table):
        logger.warning("%s has %d of %d rows and is made again", path, len(table), summary.rows)
        return None
    return summary


def _summary_of(metadata: dict[bytes, bytes] | None) -> PartitionSummary:
    return PartitionSummary.from_dict(json.loads((metadata or {})[_METADATA]))


def _is_ours(path: str) -> bool:
    """Return whether a file says that it is a partition, whole or damaged."""
    fs, final = file_system(path)
    try:
        with fs.open(final, "rb") as file:
            return _METADATA in (pq.read_metadata(file).metadata or {})
    except (pa.ArrowException, OSError, ValueError):
        return False


def partition_names(folder: str) -> set[str]:
    """Return the names of the Parquet files in a folder."""
    fs, root = file_system(folder)
    return set(file_names(fs, root, ".parquet"))


def remove_others(folder: str, keep: Iterable[str]) -> list[str]:
    """Remove partitions that other settings or other files left in a folder; returns their names.

    Only files that carry our summary are touched, and what a killed worker left half written.
    """
    fs, root = file_system(folder)
    root = root.rstrip("/")
    others = sorted(partition_names(folder) - set(keep))
    removed = [name for name in others if _is_ours(f"{folder}/{name}")]
    for name in removed:
        fs.rm_file(f"{root}/{name}")
    for leftover in file_names(fs, root, ".tmp"):
        if leftover.startswith(".") and ".parquet." in leftover:
            fs.rm_file(f"{root}/{leftover}")
    return removed
