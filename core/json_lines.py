"""Files of JSON lines, one a result, to which a long study adds while it runs."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

__all__ = ["add_line", "read_lines"]


def read_lines(path: str | os.PathLike[str]) -> list[dict[str, Any]]:
    """Return what the lines of a file hold; a line that was not finished is none.

    Parameters
    ----------
    path : path-like
        The file; none yet is one without lines.

    Examples
    --------
    >>> read_lines("none.jsonl")
    []
    """
    file, found = Path(path), []
    for line in file.read_bytes().splitlines() if file.is_file() else ():
        with suppress(ValueError):
            found.append(json.loads(line))
    return [each for each in found if isinstance(each, dict)]


def add_line(path: str | os.PathLike[str], values: Mapping[str, Any]) -> None:
    r"""Add a line to a file, in one write, so that several processes may add to it.

    A last line that was not finished stays by itself.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder) / "made.jsonl"
    ...     _ = file.write_text('{"seed": 1}\n{"see')
    ...     add_line(file, {"seed": 2})
    ...     read_lines(file)
    [{'seed': 1}, {'seed': 2}]
    """
    with Path(path).open("a+b") as file:
        cut = False
        if file.tell():
            file.seek(-1, os.SEEK_END)
            cut = file.read(1) != b"\n"
        file.write(b"\n" * cut + json.dumps(dict(values)).encode() + b"\n")
