"""What a result was made from: versions, configuration, inputs, and the keys of finished stages."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from ...core import InputError, Record
from ...core.files.file_systems import file_system
from ...core.files.listing import data_files
from ...core.identity import json_digest

__all__ = ["InputFile", "Provenance", "file_states", "input_files", "stage_key"]

_SERVER_REQUESTS = 16  # at a time, so that many remote files do not take their latencies in turn

_PACKAGES = (
    "overdensity",
    "awkward",
    "coffea",
    "dask",
    "fastjet",
    "hist",
    "iminuit",
    "nflows",
    "numba",
    "numpy",
    "pyhf",
    "pythia8mc",
    "scipy",
    "torch",
    "uproot",
)


@dataclass(frozen=True)
class InputFile(Record):
    """A file a run has read.

    Attributes
    ----------
    path : str
        As given by the user.
    bytes : int
        Its size.
    modified : str
        Time of its last change, UTC, or what its server has in place of that.
    """

    path: str
    bytes: int
    modified: str


@dataclass(frozen=True)
class Provenance(Record):
    """What a result was made from.

    Attributes
    ----------
    created : str
        When, UTC.
    seed : int
        The seed everything random was derived from.
    configuration : dict
        The whole configuration, defaults included.
    inputs : tuple of InputFile
        The event files.
    versions : dict of str to str
        Python and the packages that matter.
    platform : str
        Operating system and processor.
    """

    created: str
    seed: int
    configuration: dict[str, Any]
    inputs: tuple[InputFile, ...]
    versions: dict[str, str]
    platform: str

    @classmethod
    def of(cls, configuration: dict[str, Any], seed: int, files: Sequence[str]) -> Provenance:
        """Record the state of this machine and these files."""
        return cls(
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            seed=seed,
            configuration=configuration,
            inputs=input_files(files),
            versions={"python": platform.python_version(), **_versions()},
            platform=platform.platform(),
        )


def input_files(files: Sequence[str | os.PathLike[str]]) -> tuple[InputFile, ...]:
    """Describe the input files, here or behind any fsspec URL; a folder is the data files in it.

    Raises
    ------
    InputError
        If one does not exist.
    """
    with ThreadPoolExecutor(_SERVER_REQUESTS) as pool:
        found = pool.map(_input_files, [os.fspath(name) for name in files])
        return tuple(file for some in found for file in some)


def _input_files(name: str) -> list[InputFile]:
    fs, path = file_system(name)
    try:
        info = fs.info(path)
    except OSError:
        looked = "" if "://" in name or Path(name).is_absolute() else Path(name).absolute()
        where = f" (looked at {looked})" if looked else ""
        msg = f"{name}: no such file{where}"
        raise InputError(msg) from None
    if info.get("type") == "directory":
        return [
            each
            for path in data_files(fs, path, (".parquet",))
            for each in _input_files(fs.unstrip_protocol(path) if "://" in name else path)
        ]
    changed = info.get("mtime") or info.get("LastModified") or info.get("ETag") or ""
    if isinstance(changed, (int, float)):
        changed = datetime.fromtimestamp(changed, UTC).isoformat()
    return [InputFile(name, int(info["size"] or 0), str(changed))]


def file_states(files: Sequence[str | os.PathLike[str]]) -> list[tuple[str, int, str]]:
    """Return name, size and time of change of files: what a stage's key depends on.

    Raises
    ------
    InputError
        If one does not exist.
    """
    return [(file.path, file.bytes, file.modified) for file in input_files(files)]


def stage_key(*parts: Any) -> str:
    """Return a short hash of everything a stage depends on; the same parts give the same key.

    The version of the package is one of them: what an older one has made is made again.
    """
    return json_digest([version("overdensity"), *parts])


def _versions() -> dict[str, str]:
    found = {}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found
