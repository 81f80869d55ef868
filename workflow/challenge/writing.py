"""Files that cannot be written: said in a sentence, before hours of work where that can be known."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ...core import InputError

__all__ = ["must_be_free", "writing_to"]


@contextmanager
def writing_to(path: Path) -> Iterator[None]:
    """Say which file or folder cannot be written, and why.

    Raises
    ------
    InputError
        In place of an error of the operating system.

    Examples
    --------
    >>> with writing_to(Path("/dev/null/answer.json")):
    ...     Path("/dev/null/answer.json").write_text("{}")
    Traceback (most recent call last):
    overdensity.core.errors.InputError: /dev/null/answer.json: cannot be written (Not a directory); ...
    """
    try:
        yield
    except OSError as error:
        msg = f"{path}: cannot be written ({error.strerror}); choose another place"
        raise InputError(msg) from None


def must_be_free(path: Path) -> None:
    """Refuse a file that is there already, and a folder that is not or may not be written to.

    Raises
    ------
    InputError
        For either.
    """
    if path.exists():
        msg = f"{path} exists already, and may be a box or the only key to one; give another name"
        raise InputError(msg)
    if not path.parent.is_dir():
        msg = f"{path.parent}: no such folder to write {path.name} to; make it first"
        raise InputError(msg)
    if not os.access(path.parent, os.W_OK):
        msg = f"{path.parent}: {path.name} cannot be written there; choose another folder"
        raise InputError(msg)
