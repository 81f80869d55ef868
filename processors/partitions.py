"""Parquet partitions, written where a chunk is processed: whole or not at all, and only once."""

from __future__ import annotations

import hashlib
import io
import json
import logging
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import fsspec
import hist
import pyarrow as pa
import pyarrow.parquet as pq
import uhi.io.json
from numpy.typing import NDArray

from ..core import InputError, Record

__all__ = [
    "PartitionSummary",
    "from_uhi",
    "partition_names",
    "read_summary",
    "remove_others",
    "settings_key",
    "to_uhi",
    "write_partition",
]

logger = logging.getLogger(__name__)

_METADATA = b"overdensity"  # the key of our summary among the metadata of a Parquet file
_LAYOUT = 1  # raised when the meaning of a column changes, so that old partitions are made again


@dataclass(frozen=True)
class PartitionSummary(Record):
    """What a partition says of itself, so that a finished one need not be read or made again.

    Attributes
    ----------
    cutflow : dict of str to int
        Events left after each step.
    hists : dict of str to dict
        Histograms in uhi's JSON form.
    """

    cutflow: dict[str, int]
    hists: dict[str, Any]


def settings_key(**settings: Any) -> str:
    """Return twelve hexadecimal digits that name the settings, given as plain JSON values."""
    text = json.dumps({"layout": _LAYOUT, **settings}, sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=6).hexdigest()


def write_partition(
    path: str, columns: Mapping[str, NDArray[Any]], summary: PartitionSummary
) -> None:
    """Write columns as one Parquet file with zstd, under a temporary name that is then changed.

    The same columns give the same bytes, so that a chunk done twice leaves one file.

    Parameters
    ----------
    path : str
        A path or any fsspec URL; the folder must exist.
    columns : mapping of str to array, each of shape (n_events,)
        May be empty of events, not of columns.
    summary : PartitionSummary
        Stored in the file's metadata.

    Raises
    ------
    InputError
        If the file cannot be written.
    """
    table = pa.table({name: pa.array(column) for name, column in columns.items()})
    described = table.replace_schema_metadata({_METADATA: json.dumps(summary.to_dict())})
    buffer = io.BytesIO()
    pq.write_table(described, buffer, compression="zstd")
    fs, final = fsspec.core.url_to_fs(path)
    folder, _, name = final.rpartition("/")
    temporary = f"{folder}/.{name}.{uuid.uuid4().hex}.tmp"
    try:
        fs.pipe_file(temporary, buffer.getvalue())
        fs.mv(temporary, final)
    except OSError as error:
        if fs.exists(temporary):
            fs.rm_file(temporary)
        msg = f"{path}: cannot be written ({error}); free some space or choose another folder"
        raise InputError(msg) from error


def read_summary(path: str) -> PartitionSummary | None:
    """Return what a finished partition says of itself, or None where there is none to use."""
    fs, final = fsspec.core.url_to_fs(path)
    if not fs.exists(final):
        return None
    try:
        with fs.open(final, "rb") as file:
            metadata = pq.read_metadata(file).metadata
        return PartitionSummary.from_dict(json.loads(metadata[_METADATA]))
    except (pa.ArrowException, OSError, KeyError, TypeError, ValueError, InputError) as error:
        logger.warning("%s is not a partition of ours and is made again (%s)", path, error)
        return None


def partition_names(folder: str) -> set[str]:
    """Return the names of the Parquet files in a folder."""
    fs, root = fsspec.core.url_to_fs(folder)
    fs.invalidate_cache(root)
    return {path.rpartition("/")[2] for path in fs.glob(f"{root.rstrip('/')}/*.parquet")}


def remove_others(folder: str, keep: Iterable[str]) -> list[str]:
    """Remove partitions that other settings or other files left in a folder; returns their names.

    Only files that carry our summary are touched, and what a killed worker left half written.
    """
    fs, root = fsspec.core.url_to_fs(folder)
    root = root.rstrip("/")
    others = sorted(partition_names(folder) - set(keep))
    removed = [name for name in others if read_summary(f"{folder}/{name}") is not None]
    for name in removed:
        fs.rm_file(f"{root}/{name}")
    for leftover in fs.glob(f"{root}/.*.parquet.*.tmp"):
        fs.rm_file(leftover)
    return removed


def to_uhi(histogram: hist.Hist) -> dict[str, Any]:
    """Return a histogram as plain JSON values, in uhi's form."""
    return json.loads(json.dumps(histogram, default=uhi.io.json.default))


def from_uhi(values: dict[str, Any]) -> hist.Hist:
    """Return the histogram that `to_uhi` wrote down."""
    return hist.Hist(json.loads(json.dumps(values), object_hook=uhi.io.json.object_hook))
