"""Patterns of files, as a shell has them, where a user may write one; all else are names."""

from __future__ import annotations

import glob
import os
import re

import fsspec

from ...core import InputError
from .chunks import absolute
from .remote import reason

__all__ = ["is_pattern", "matching"]

_BRACES = re.compile(r"\{([^{}]*,[^{}]*)\}")  # the innermost


def is_pattern(path: str) -> bool:
    """Return whether a path stands for others: it has ``*``, ``?``, ``[…]`` or ``{a,b}`` in it.

    A file or folder of exactly this name is itself, and the ``?`` of a web address is no pattern.

    Examples
    --------
    >>> is_pattern("data/run?.root"), is_pattern("data/{2017,2018}.root"), is_pattern("a.root")
    (True, True, False)
    >>> is_pattern("https://example.org/a.root?token=1")
    False
    """
    letters = "*[" if path.startswith(("http://", "https://")) else "*[?"
    if not any(letter in path for letter in letters) and not _BRACES.search(path):
        return False
    return "://" in path or not os.path.lexists(absolute(path))


def matching(pattern: str) -> list[str]:
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
    braces = _BRACES.search(pattern)
    if braces is None:
        return [pattern]
    before, after = pattern[: braces.start()], pattern[braces.end() :]
    chosen = (f"{before}{each}{after}" for each in braces[1].split(","))
    return [found for each in chosen for found in _alternatives(each)]


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
    fs, name = fsspec.core.url_to_fs(pattern)
    try:
        literal = not is_pattern(pattern) or fs.exists(name)
        found = [name] if literal else sorted(fs.glob(name))
    except (OSError, NotImplementedError) as error:
        msg = f"{given}: its server does not list files ({reason(error)}); name them one by one"
        raise InputError(msg) from None
    return [str(fs.unstrip_protocol(path)) for path in found]
