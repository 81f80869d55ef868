"""From columns of jets to the same columns with the score of a tagger beside them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from ...core import ConfigError, InputError
from ...core.files.file_errors import is_missing, reason
from ...core.files.file_systems import absent, file_system
from ...core.files.listing import data_files
from ...core.files.outputs import own_folder
from ...core.identity import MEANING
from ...core.records import atomic_file
from ...ml import SampleStream
from ...ml.blocks.reading import naming

if TYPE_CHECKING:
    from ...ml.tagging.tagger import Tagger

__all__ = ["Scored", "inside", "opened", "score_files"]

_ROWS = 16_384  # jets at a time

_MOMENTA = re.compile(r"j\d+_(pt|eta|phi|m|mass)")  # of which ids are made


@dataclass(frozen=True)
class Scored:
    """What was written.

    Attributes
    ----------
    files : tuple of Path
        The files.
    jets : int
        Jets in them.
    known : int
        Of these, with the ids of events that the tagger learnt from.
    """

    files: tuple[Path, ...]
    jets: int
    known: int


def score_files(
    tagger: Tagger, paths: Sequence[str], out: Path, *, column: str = "tag", mass: str = "mjj"
) -> Scored:
    """Write the columns of each file, and the score of each jet as one more.

    Parameters
    ----------
    tagger : Tagger
        The tagger.
    paths : sequence of str
        Parquet files, or folders of them.
    out : Path
        Folder of the new files, which have the names of the old ones.
    column : str
        Name of the score.
    mass : str
        Any column of numbers, which is not shown.

    Raises
    ------
    InputError
        If a file cannot be used; then none is written.
    ConfigError
        If a file would be overwritten, or two have one name.
    """
    with own_folder(out):
        return _score_files(tagger, paths, out, column, mass)


def _score_files(tagger: Tagger, paths: Sequence[str], out: Path, column: str, mass: str) -> Scored:
    files = [name for path in paths for name in inside(path)]
    targets = _targets(files, out, column)
    scores, known = [], 0
    for name in files:
        found = [np.empty(0, np.float32)]
        for jets in SampleStream(name, tagger.columns, mass, rows=_ROWS):
            if len(jets):
                with naming(name):
                    found.append(tagger.score(jets))
                known += tagger.knows(jets)
        scores.append(np.concatenate(found))
    for name, target, score in zip(files, targets, scores, strict=True):
        _beside(name, target, score, column)
    return Scored(tuple(targets), sum(map(len, scores)), known)


def inside(path: str) -> list[str]:
    """Return the Parquet files of a path; one that is missing is told by who reads it.

    Raises
    ------
    InputError
        If a folder has none.
    """
    fs, name = file_system(path)
    if not fs.isdir(name):
        return [path]
    found = data_files(fs, name, (".parquet",))
    if not found:
        msg = f"{path}: a folder without *.parquet files"
        raise InputError(msg)
    return [fs.unstrip_protocol(each) if "://" in path else each for each in found]


def _targets(files: Sequence[str], out: Path, column: str) -> list[Path]:
    if column in MEANING or _MOMENTA.fullmatch(column) or not column.strip():
        msg = (
            f"--column {column!r}: a search reads something else in it; give the score another name"
        )
        raise ConfigError(msg)
    targets = [out / Path(name).name for name in files]
    for name, target in zip(files, targets, strict=True):
        if targets.count(target) > 1:
            msg = f"two files are called {target.name}; tag one folder at a time"
            raise ConfigError(msg)
        if "://" not in name and Path(name).resolve() == target.resolve():
            msg = f"{name} would be overwritten; give another --out"
            raise ConfigError(msg)
        with opened(name) as file:
            taken = column in file.schema_arrow.names
        if taken:
            msg = f"{name} has a column {column!r} already; give the score another --column"
            raise ConfigError(msg)
    return targets


@contextmanager
def opened(name: str) -> Iterator[pq.ParquetFile]:
    """Open a file, and say in a sentence what is wrong with it.

    Raises
    ------
    InputError
        If it is missing, not Parquet or damaged.
    """
    fs, path = file_system(name)
    try:
        with pq.ParquetFile(path, filesystem=fs, page_checksum_verification=True) as file:
            _ = file.schema_arrow.names  # which need not be text
            yield file
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        if is_missing(error):
            raise absent(name) from None
        if isinstance(error, OSError) and error.errno is not None:  # a full disk, a permission
            raise
        msg = f"{name}: not a Parquet file that can be read ({reason(error)})"
        raise InputError(msg) from None


def _beside(name: str, target: Path, score: NDArray[np.float32], column: str) -> None:
    """Copy a file with one column more."""
    with opened(name) as file:
        schema = file.schema_arrow.append(pa.field(column, pa.float32()))
        with (
            atomic_file(target) as written,
            pq.ParquetWriter(written, schema, write_page_checksum=True) as writer,
        ):
            at = 0
            for batch in file.iter_batches(_ROWS):
                part = pa.array(score[at : at + len(batch)])
                writer.write_batch(pa.record_batch([*batch.columns, part], schema=schema))
                at += len(batch)
