"""What a run notes of itself: its configuration, and files by their content; damaged ones are made again."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel

from ...core import InputError, Record
from ...core.files.yaml_values import yaml_text
from ...core.identity import hex_digest
from ...core.records import write_text_atomic

__all__ = ["START_FILE", "WrittenFiles", "are_as_written", "note_files", "write_configuration"]

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


def write_configuration(folder: Path, config: BaseModel) -> None:
    """Write the whole of a configuration to ``config.yaml`` of a run, unless it is of another kind.

    Parameters
    ----------
    folder : Path
        The run's folder.
    config : BaseModel
        A search with windows, or one in regions (with the key ``groups``).

    Raises
    ------
    InputError
        If the folder holds a search of the other kind, whose results and report have the same names.
    """
    path, text = folder / "config.yaml", yaml_text(config.model_dump(mode="json"))
    kinds = {True: "a search in regions", False: "a search with windows"}
    wanted = _in_regions(text.encode())
    if path.is_file() and _in_regions(path.read_bytes()) != wanted:
        msg = (
            f"{folder}: holds {kinds[not wanted]}, whose configuration and report {kinds[wanted]} would "
            "write over; give it another folder with out"
        )
        raise InputError(msg)
    write_text_atomic(path, text)


def _in_regions(text: bytes) -> bool:
    return re.search(rb"^groups:", text, re.MULTILINE) is not None


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
