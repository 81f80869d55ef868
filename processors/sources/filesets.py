"""File sets as coffea knows them: datasets of event files, named in many ways."""

from __future__ import annotations

import glob
import math
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from ...core import ConfigError, InputError, Record, nearest_names
from ...core.files.file_errors import reason
from ...core.files.file_systems import file_system
from ...core.files.json_values import json_value
from ...core.files.listing import data_files, data_suffix, same_place, without_query
from .chunks import absolute
from .remote import read_bytes
from .source import formats_of_suffixes

__all__ = ["Dataset", "FileSet", "datasets"]

FileSet: TypeAlias = "str | os.PathLike[str] | Sequence[str | os.PathLike[str]] | Mapping[str, Any]"

_KEYS = ("files", "metadata", "cross_section", "luminosity", "sum_weights")
_SPELLINGS = {"xsec": "cross_section", "lumi": "luminosity"}
_OF_COFFEA = ("treename", "preload", "format", "form", "compressed_form", "did")  # not used
_MOST_ALTERNATIVES = 10_000
_BRACES = re.compile(r"\{([^{}]*,[^{}]*)\}")  # the innermost


@dataclass(frozen=True)
class Dataset(Record):
    """Event files of one process, or of one period of data taking.

    Attributes
    ----------
    name : str
        May be empty where there is only one.
    files : tuple of str
        Paths or URLs, absolute, without patterns.
    cross_section : float or None
        Of simulated events, in pb.
    luminosity : float or None
        That the simulated events shall stand for, in 1/pb.
    sum_weights : float or None
        Sum of the generator weights of all generated events, where the files do not know it: of a
        skim without the sums of what it has left out.

    Examples
    --------
    >>> qcd = Dataset("qcd", ("/data/a.root",), cross_section=1.5, luminosity=2000.0)
    >>> qcd.scale(sum_weights=6000.0)
    0.5
    """

    name: str
    files: tuple[str, ...]
    cross_section: float | None = None
    luminosity: float | None = None
    sum_weights: float | None = None

    def scale(self, sum_weights: float) -> float | None:
        """Return what the weights of events are multiplied by; None without a cross section.

        Parameters
        ----------
        sum_weights : float
            Of its files: the sum of the generator weights, or the number of events.

        Raises
        ------
        InputError
            If the weights add up to nothing.
        """
        if self.cross_section is None or self.luminosity is None:
            return None
        sum_weights = sum_weights if self.sum_weights is None else self.sum_weights
        if not (math.isfinite(sum_weights) and sum_weights > 0):
            msg = (
                f"dataset {self.name!r}: the generator weights of its files add up to "
                f"{sum_weights:g}, so its cross section cannot be shared among its events"
            )
            raise InputError(msg)
        return self.cross_section * self.luminosity / sum_weights


def datasets(files: FileSet) -> tuple[Dataset, ...]:
    """Return the datasets of a file set, with patterns, folders and lists replaced by files.

    Parameters
    ----------
    files : path, sequence of paths, or mapping
        A path may be a file, a pattern (``*.root``, ``run?.root``, ``{2017,2018}.root``), a folder,
        also one divided as Hive does (``era=2017/part-0.parquet``), a text file with one path a
        line, or a JSON file with a mapping; each of them also behind any fsspec URL. A mapping goes from
        the names of datasets to paths, or to ``{files: …, metadata: {…}}`` as in coffea, whose
        ``files`` may again be a mapping from paths to what coffea knows of them. That is not used:
        the layout knows the tree, and files are always looked at, and read whole: ``steps`` that leave
        entries out are refused. ``cross_section`` (or ``xsec``,
        in pb) and ``luminosity`` (``lumi``, in 1/pb), and ``sum_weights`` of a skim, stand in the
        metadata or beside the files; other metadata is not looked at.

    Raises
    ------
    InputError
        If a pattern or a folder has no files, a list cannot be read, or a file is given twice.
    ConfigError
        If a dataset is not described like this.

    Examples
    --------
    >>> files: FileSet = ["/data/a.root", "/data/b.root"]
    >>> (qcd,) = datasets({"qcd": {"files": files, "xsec": 1.5, "lumi": 2000}})
    >>> qcd.files, qcd.luminosity
    (('/data/a.root', '/data/b.root'), 2000.0)
    >>> datasets({"qcd": {"files": "/data/a.root", "xsek": 1.5}})
    Traceback (most recent call last):
    overdensity.core.errors.ConfigError: dataset 'qcd': unknown key 'xsek': did you mean 'xsec'?
    """
    found = tuple(_datasets(files))
    seen: dict[tuple[int, int] | str, tuple[str, str]] = {}
    for dataset in found:
        for path in dataset.files:
            if (place := same_place(path)) in seen:
                other, of_other = seen[place]
                where = f" (datasets {of_other!r} and {dataset.name!r})" if dataset.name else ""
                what = (
                    f"{path} is given twice"
                    if path == other
                    else f"{path} and {other} are one file"
                )
                msg = f"{what}{where}; its events would count double"
                raise InputError(msg)
            seen[place] = path, dataset.name
    if not seen:
        msg = "no event files were given"
        raise InputError(msg)
    return found


def _datasets(files: Any) -> Iterable[Dataset]:
    if isinstance(files, (str, os.PathLike)) and data_suffix(os.fspath(files)) == ".json":
        yield from _datasets(_read_json(os.fspath(files)))
    elif isinstance(files, Mapping):
        for name, value in files.items():
            yield _dataset(str(name), value)
    else:
        yield Dataset("", tuple(_paths(files, "")))


def _dataset(name: str, value: Any) -> Dataset:
    if not isinstance(value, Mapping):
        return Dataset(name, tuple(_paths(value, name)))
    for key in value:
        if key not in (known := (*_KEYS, *_SPELLINGS, *_OF_COFFEA)):
            msg = f"dataset {name!r}: unknown key {key!r}: {nearest_names(str(key), known)}"
            raise ConfigError(msg)
    if "files" not in value:
        msg = f"dataset {name!r}: the key 'files' is missing"
        raise ConfigError(msg)
    told = {**(value.get("metadata") or {}), **value}
    numbers = {_SPELLINGS.get(str(key), str(key)): x for key, x in told.items()}
    cross_section = _number(name, numbers, "cross_section")
    luminosity = _number(name, numbers, "luminosity")
    if (cross_section is None) != (luminosity is None):
        msg = (
            f"dataset {name!r}: cross_section (pb) and luminosity (1/pb) go together; "
            "give both, or neither for data"
        )
        raise ConfigError(msg)
    sum_weights = _number(name, numbers, "sum_weights")
    files = tuple(_paths(value["files"], name))
    return Dataset(name, files, cross_section, luminosity, sum_weights)


def _number(name: str, values: Mapping[str, Any], key: str) -> float | None:
    value = values.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not value > 0:
        msg = f"dataset {name!r}: {key} is {value!r}; it must be a positive number"
        raise ConfigError(msg)
    return float(value)


def _paths(files: Any, name: str) -> Iterable[str]:
    if isinstance(files, Mapping):  # coffea's {path: tree, or what it found in the file}
        for path, told in files.items():
            _refuse_parts(path, told, name)
        files = list(files)
    elif isinstance(files, (str, os.PathLike)):
        files = [files]
    if not isinstance(files, Iterable):
        msg = f"dataset {name!r}: files are paths, not {files!r}"
        raise ConfigError(msg)
    for path in files:
        if not isinstance(path, (str, os.PathLike)):
            msg = f"dataset {name!r}: files are paths, not {path!r}"
            raise ConfigError(msg)
        yield from _expanded(os.fspath(path))


def _refuse_parts(path: Any, told: Any, name: str) -> None:
    """Refuse a file of which coffea was told to read a part: all of its events are read here."""
    steps = told.get("steps") if isinstance(told, Mapping) else None
    if not steps:
        return
    try:
        ranges = [(int(start), int(stop)) for start, stop in sorted(steps)]
        end = int(ranges[-1][1] if told.get("num_entries") is None else told["num_entries"])
    except (TypeError, ValueError):
        msg = f"dataset {name!r}: the steps of {path} are {steps!r}, not pairs of entries"
        raise ConfigError(msg) from None
    edges = [0, *(stop for _, stop in ranges)]
    if edges[:-1] != [start for start, _ in ranges] or edges[-1] != end:
        msg = (
            f"dataset {name!r}: the steps of {path} leave out some of its entries, and files are read whole "
            "here; take 'steps' out to search all of them, or write a file of those you want"
        )
        raise ConfigError(msg)


def _expanded(path: str) -> Iterable[str]:
    """Return the files that a path means."""
    if data_suffix(path) == ".txt":
        lines = read_bytes(absolute(path)).decode().splitlines()
        for line in lines:
            if line.strip() and not line.startswith("#"):
                yield from _expanded(line.strip())
        return
    if data_suffix(path) == ".json":
        msg = f"{path}: a JSON file set stands alone, not among other files"
        raise ConfigError(msg)
    if _is_pattern(path):
        for each in _matching(path):
            yield from _named(each)
    else:
        yield from _named(path)


def _named(path: str) -> Iterable[str]:
    """Return the file of a name, or the files of a folder."""
    suffixes = formats_of_suffixes()
    remote = "://" in path
    told = remote and data_suffix(path) in suffixes  # spares its server a request
    if told or not _is_folder(path):
        yield absolute(path)
        return
    fs, name = file_system(absolute(path))
    try:
        found = data_files(fs, name, suffixes)
    except (OSError, NotImplementedError) as error:
        msg = f"{path}: its server does not list files ({reason(error)}); name them one by one"
        raise InputError(msg) from None
    if not found:
        msg = f"{path}: the folder has no event files ({', '.join(suffixes)})"
        raise InputError(msg)
    for each in found:
        yield str(fs.unstrip_protocol(each)) if remote else each


def _is_folder(path: str) -> bool:
    fs, name = file_system(absolute(path))
    try:
        return bool(fs.isdir(name))
    except OSError:
        return False


def _is_pattern(path: str) -> bool:
    """Return whether a path stands for others: it has ``*``, ``?``, ``[…]`` or ``{a,b}`` in it.

    A file or folder of exactly this name is itself, and the query of a URL is no pattern.
    """
    name = without_query(path)
    if not any(letter in name for letter in "*[?") and not _BRACES.search(name):
        return False
    return "://" in path or not os.path.lexists(absolute(path))


def _matching(pattern: str) -> list[str]:
    """Return what matches a pattern, absolute, in the order of the names.

    Its first folders are those of their names, if they exist: in ``job[12]/*.root``, ``job[12]`` is.

    Raises
    ------
    InputError
        If a part of it matches nothing, or its server does not list files.
    """
    found: list[str] = []
    folder, rest = ("", pattern) if "://" in pattern else _by_name(pattern)
    for each in _alternatives(rest):
        matches = _here(f"{folder}/{each}") if folder else _of_url(each, pattern)
        if not matches:
            more = "" if each == pattern else f" (of {pattern})"
            msg = f"{each}: no file matches{more}"
            raise InputError(msg)
        found += matches
    return list(dict.fromkeys(found))


def _alternatives(pattern: str) -> list[str]:
    """Return a pattern once for each way to choose from its braces."""
    found = [pattern]
    while any(map(_BRACES.search, found)):
        found = [chosen for each in found for chosen in _chosen(each)]
        if len(found) > _MOST_ALTERNATIVES:
            msg = (
                f"{pattern}: means more than {_MOST_ALTERNATIVES} names; write a text file of them"
            )
            raise InputError(msg)
    return found


def _chosen(pattern: str) -> list[str]:
    """Return a pattern once for each word of its first innermost braces."""
    braces = _BRACES.search(pattern)
    if braces is None:
        return [pattern]
    before, after = pattern[: braces.start()], pattern[braces.end() :]
    return [f"{before}{word}{after}" for word in braces[1].split(",")]


def _by_name(pattern: str) -> tuple[str, str]:
    """Return the first folders of a pattern, those that are there by their names, and the rest."""
    folder, rest = "/", absolute(pattern).lstrip("/").split("/")
    while rest and os.path.lexists(os.path.join(folder, rest[0])):
        folder, rest = os.path.join(folder, rest[0]), rest[1:]
    return folder, "/".join(rest)


def _here(pattern: str) -> list[str]:
    """Return what matches on this machine."""
    folder, rest = _by_name(pattern)
    found = glob.glob(rest, root_dir=folder, recursive=True) if rest else [""]
    return sorted(os.path.join(folder, name).rstrip("/") for name in found)


def _of_url(pattern: str, given: str) -> list[str]:
    fs, name = file_system(pattern)
    try:
        literal = not _is_pattern(pattern) or fs.exists(name)
        found = [name] if literal else sorted(fs.glob(name))
    except (OSError, NotImplementedError) as error:
        msg = f"{given}: its server does not list files ({reason(error)}); name them one by one"
        raise InputError(msg) from None
    return [str(fs.unstrip_protocol(path)) for path in found]


def _read_json(path: str) -> Any:
    values = json_value(read_bytes(absolute(path)), origin=path)
    if not isinstance(values, (dict, list)):
        msg = f"{path}: a file set is a JSON object or list, not {type(values).__name__}"
        raise InputError(msg)
    return values
