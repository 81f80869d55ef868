"""What lies in a folder, by its name as it is written: no letter of it is a pattern.

File systems are those of fsspec, here or elsewhere.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection
from pathlib import PurePosixPath
from typing import Any

from ..errors import InputError
from .file_errors import is_missing

__all__ = [
    "bare_name",
    "data_files",
    "data_suffix",
    "file_names",
    "folder_names",
    "local_path",
    "refuse_declared",
    "same_place",
    "without_query",
]

_COUNTED = re.compile(r"\.\d+$")  # of files in parts: DAOD_PHYSLITE.1234._000001.pool.root.1
_MANY, _PER_BYTE = (
    1_000_000,
    1000,
)  # events that a file may declare, whatever its size, and by a byte of it
_WEB = re.compile(r"(^|::)https?://")


def file_names(fs: Any, folder: str, suffix: str = "") -> list[str]:
    """Return the names of the files in a folder, in their order; none where there is no folder.

    Parameters
    ----------
    fs : fsspec file system
        Where it is; what it remembers of the folder is not used.
    folder : str
        Its path there.
    suffix : str
        How the names end.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from fsspec.implementations.local import LocalFileSystem
    >>> with TemporaryDirectory(suffix="[12]") as folder:
    ...     for name in ("b.json", "a.json", "notes.md"):
    ...         Path(folder, name).touch()
    ...     file_names(LocalFileSystem(), folder, ".json")
    ['a.json', 'b.json']
    """
    return [name for name in _names(fs, folder, folders=False) if name.endswith(suffix)]


def folder_names(fs: Any, folder: str) -> list[str]:
    """Return the names of the folders in a folder, in their order, as `file_names` does."""
    return _names(fs, folder, folders=True)


def data_files(fs: Any, folder: str, suffixes: Collection[str]) -> list[str]:
    """Return the paths of the files of a folder that hold data, in the order of their names.

    Folders inside are looked into where they are those of a divided table, as Hive and Spark write
    it (``era=2017/part-0.parquet``). Hidden files are not data.

    Parameters
    ----------
    fs : fsspec file system
        Where it is.
    folder : str
        Its path there.
    suffixes : collection of str
        How the names of the files may end, in small letters.
    """
    found: list[str] = []
    for each in _inside(fs, folder):
        path = str(each["name"])
        name = PurePosixPath(path).name
        if name.startswith("."):
            continue
        if data_suffix(name) in suffixes:  # a folder too, as Spark writes a table
            found += data_files(fs, path, suffixes) if each["type"] == "directory" else [path]
        elif each["type"] == "directory" and "=" in name:
            found += data_files(fs, path, suffixes)
    return sorted(found)


def bare_name(path: str) -> str:
    """Return the name of a file without its folder, and of a URL without its query.

    Examples
    --------
    >>> bare_name("https://example.org/get/a.root?token=b/c.d")
    'a.root'
    >>> bare_name("/data/what?.root")
    'what?.root'
    """
    return PurePosixPath(without_query(path)).name


def data_suffix(path: str) -> str:
    """Return the end of a file's name that tells its format, in small letters with the dot.

    Numbers behind it, as ATLAS gives them to the parts of a dataset, do not count.

    Examples
    --------
    >>> data_suffix("DAOD_PHYSLITE.37019878._000001.pool.root.1")
    '.root'
    """
    return PurePosixPath(_COUNTED.sub("", bare_name(path))).suffix.lower()


def refuse_declared(events: int, size: int, path: str) -> None:
    """Raise an InputError if a file says that it holds far more events than fit into it.

    Examples
    --------
    >>> refuse_declared(10**9, 2000, "a.parquet")
    Traceback (most recent call last):
    overdensity.core.errors.InputError: a.parquet: says that it holds 1000000000 events in 2000 bytes; ...
    """
    if events > max(_MANY, _PER_BYTE * size):
        msg = (
            f"{path}: says that it holds {events} events in {size} bytes; it is damaged, or holds one "
            "number over and over"
        )
        raise InputError(msg)


def same_place(path: str) -> tuple[int, int] | str:
    """Return what two paths have in common if they are one file: links lead to one place.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     Path(folder, "a").touch()
    ...     os.symlink(f"{folder}/a", f"{folder}/b")
    ...     same_place(f"{folder}/a") == same_place(f"{folder}/b")
    True
    """
    try:
        found = os.stat(path)
    except (OSError, ValueError):  # behind a URL, or not there
        return path
    return found.st_dev, found.st_ino


def local_path(path: str | os.PathLike[str]) -> str:
    """Return a path with the home folder in place of ``~``; URLs are as they were.

    Examples
    --------
    >>> local_path("~/box.h5") == os.path.join(os.path.expanduser("~"), "box.h5")
    True
    >>> local_path("s3://bucket/~/box.h5")
    's3://bucket/~/box.h5'
    """
    path = os.fspath(path)
    return path if "://" in path else os.path.expanduser(path)


def without_query(path: str) -> str:
    """Return a URL without its query; a path, and a URL with a ``?`` that is a pattern, as they are.

    Examples
    --------
    >>> without_query("root://eos.example.org//store/a.root?authz=1*2")
    'root://eos.example.org//store/a.root'
    >>> without_query("s3://bucket/run?.root")
    's3://bucket/run?.root'
    """
    before, _, query = path.partition("?")
    told = "://" in path and ("=" in query or _WEB.search(path) is not None)
    return before if told else path


def _names(fs: Any, folder: str, *, folders: bool) -> list[str]:
    found = (each for each in _inside(fs, folder) if (each["type"] == "directory") == folders)
    return sorted(PurePosixPath(each["name"]).name for each in found)


def _inside(fs: Any, folder: str) -> list[dict[str, Any]]:
    """Return what a folder holds, as its file system describes it."""
    folder = folder.rstrip("/") or "/"
    fs.invalidate_cache(folder)
    try:
        found = fs.ls(folder, detail=True)
    except OSError as error:
        if is_missing(error) or isinstance(error, NotADirectoryError):
            return []
        raise
    return [each for each in found if str(each["name"]).rstrip("/") != folder]
