"""Which files a result has left beside it, by their content: damaged ones are made again with it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ...core import Record
from ...core.identity import hex_digest

__all__ = ["START_FILE", "WrittenFiles", "are_as_written", "note_files"]

logger = logging.getLogger(__name__)

_NAME = "written.json"
START_FILE = "start.json"  # where the fits begin, if the fits of the data chose


@dataclass(frozen=True)
class WrittenFiles(Record):
    """Files of a run whose formats have no place for a checksum.

    Attributes
    ----------
    digests : dict of str to str
        Of their contents, by their names.
    """

    made_by = "'overdensity hunt'"

    digests: dict[str, str]


def note_files(folder: Path, names: Sequence[str]) -> None:
    """Note what files of a folder hold, of those that are there."""
    WrittenFiles(_digests(folder, names)).to_json(folder / _NAME)


def are_as_written(folder: Path) -> bool:
    """Return whether the files that were noted are as they were; says which are not.

    A folder without notes is as it was.
    """
    if not (folder / _NAME).is_file():
        return True
    noted = WrittenFiles.earlier(folder / _NAME)
    if noted is None:
        return False
    there = _digests(folder, list(noted.digests))
    for name, digest in noted.digests.items():
        if there.get(name) != digest:
            what = "damaged or changed" if name in there else "gone"
            logger.warning("%s: %s since it was written; it is made again", folder / name, what)
    return there == noted.digests


def _digests(folder: Path, names: Sequence[str]) -> dict[str, str]:
    there = [name for name in names if (folder / name).is_file()]
    return {name: hex_digest((folder / name).read_bytes()) for name in there}
