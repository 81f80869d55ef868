"""Places that cannot be written to: said before work is done for them."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ..errors import InputError
from .locks import locked

__all__ = ["own_folder", "refuse_unwritable"]


def refuse_unwritable(path: str | os.PathLike[str], *, folder: bool = False) -> None:
    """Refuse a file, or a folder, that cannot be made; nothing is left behind.

    Permissions are not asked for, they are tried: a file system may be read-only, or of the kernel.

    Parameters
    ----------
    path : path-like
        What is to be written; its folders may be missing.
    folder : bool
        Whether it is a folder.

    Raises
    ------
    InputError
        If it cannot be.

    Examples
    --------
    >>> refuse_unwritable("/dev/null/scores")
    Traceback (most recent call last):
    overdensity.core.errors.InputError: /dev/null/scores: cannot be written (Not a directory); choose ...
    """
    path = Path(path)
    if path.is_dir() and not folder:
        msg = f"{path}: a folder; give the name of a file"
        raise InputError(msg)
    above = path if folder else path.parent
    try:
        while not os.path.lexists(above):  # the folders that are there already
            above = above.parent
        with tempfile.TemporaryFile(dir=above):
            pass
    except OSError as error:
        msg = f"{path}: cannot be written ({error.strerror}); choose another place"
        raise InputError(msg) from None


@contextmanager
def own_folder(folder: str | os.PathLike[str]) -> Iterator[Path]:
    """Hold a folder of results while they are made: it can be written, and nobody else is at work in it.

    Raises
    ------
    InputError
        If it cannot be written, or another process works in it.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as base, own_folder(f"{base}/scores") as folder:
    ...     folder.is_dir()
    True
    """
    folder = Path(folder)
    refuse_unwritable(folder, folder=True)
    new = not folder.exists()
    try:
        with locked(folder / ".lock", what=str(folder)):
            yield folder
    except BaseException:
        if new:
            with suppress(OSError):  # there is something in it that took work
                folder.rmdir()
        raise
