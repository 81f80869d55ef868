"""Whole files behind any fsspec URL, and what the errors of their servers mean."""

from __future__ import annotations

import errno
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from ...core import InputError, OverdensityError
from ...core.files.file_errors import is_missing, is_unanswered, reason
from ...core.files.file_systems import file_system

__all__ = ["read_bytes", "readable", "unreadable", "write_bytes"]


def read_bytes(path: str) -> bytes:
    """Return the content of a file.

    Raises
    ------
    InputError
        If there is no such file, or if it cannot be read.

    Examples
    --------
    >>> read_bytes("nowhere/a.txt")
    Traceback (most recent call last):
    overdensity.core.errors.InputError: nowhere/a.txt: no such file
    """
    fs, name = file_system(path)
    try:
        # Not cat_file: fsspec-xrootd keeps its handle, which goes on to show a replaced file.
        with fs.open(name, "rb") as file:
            return file.read()
    except OSError as error:
        if is_missing(error):
            msg = f"{path}: no such file"
        else:
            msg = f"{path}: cannot be read ({reason(error)})"
        raise InputError(msg) from None


def write_bytes(path: str, content: bytes) -> None:
    """Write a file under a temporary name that is then changed: whole or not at all.

    Parameters
    ----------
    path : str
        A path or any fsspec URL; the folder must exist.
    content : bytes
        What to write.

    Raises
    ------
    InputError
        If the file cannot be written.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     write_bytes(f"{folder}/a.txt", b"whole or not at all")
    ...     read_bytes(f"{folder}/a.txt")
    b'whole or not at all'
    """
    fs, final = file_system(path)
    folder, _, name = final.rpartition("/")
    temporary = f"{folder}/.{name}.{uuid.uuid4().hex}.tmp"
    try:
        _put(fs, temporary, content)
        fs.mv(temporary, final)
    except NotImplementedError:
        msg = f"{path}: nothing can be written there by fsspec's {type(fs).__name__}"
        raise InputError(msg) from None
    except Exception as error:  # not of OSError are those of web servers, for one
        with suppress(Exception):  # where the server is gone, so is the way to tidy up
            if fs.exists(temporary):
                fs.rm_file(temporary)
        msg = (
            f"{path}: cannot be written ({reason(error)}); free some space or choose another folder"
        )
        raise InputError(msg) from error


def unreadable(path: str, error: Exception, kind: str) -> InputError:
    """Return the error to raise where an event file cannot be opened or read.

    Parameters
    ----------
    path : str
        The file, with its error.
    error : Exception
        What the library that reads it raised.
    kind : str
        What it should be: ``"ROOT"``, ``"HDF5"``.

    Returns
    -------
    InputError
        Says whether the file is missing, is damaged, or lies on a server that does not answer or,
        as Python's own web server, does not give parts of files: readers get the wrong bytes.
    """
    if is_missing(error):
        return InputError(f"{path}: no such file")
    if "://" not in path and (why := _refused_here(path, error)):
        return InputError(f"{path}: {why}")
    if "://" in path and is_unanswered(error):
        return InputError(f"{path}: its server does not answer ({reason(error)}); try again later")
    if "://" in path and not _gives_parts(path):
        return InputError(
            f"{path}: its server gives whole files only (no HTTP ranges); copy the file to this "
            f"machine, or write simplecache::{path} to have that done"
        )
    return InputError(
        f"{path}: not a readable {kind} file, perhaps truncated; copy it again ({reason(error)})"
    )


@contextmanager
def readable(path: str, kind: str) -> Iterator[None]:
    """Turn what a library raises of missing, damaged or foreign files into `unreadable`.

    Errors of ours get the name of the file where they have none.
    """
    try:
        yield
    except InputError as error:
        if path in str(error):
            raise
        msg = f"{path}: {error.problem}"
        raise InputError(msg, remedy=error.remedy) from None
    except (OverdensityError, MemoryError):
        raise
    except Exception as error:  # damaged bytes raise whatever the decoders choose
        raise unreadable(path, error, kind) from error


def _refused_here(path: str, error: Exception) -> str | None:
    """Return why a file of this machine cannot be opened, where that is not what is in it."""
    if os.path.isdir(path):
        return "a folder, not a file; give the files in it, or a folder that ends otherwise"
    kind = error.errno if isinstance(error, OSError) else None
    if kind in (errno.EACCES, errno.EPERM):
        return "may not be read by you; have its permissions changed (chmod), or copy it"
    if kind in (errno.EAGAIN, errno.EWOULDBLOCK) or "unable to lock file" in str(error):
        return "is locked by a program that writes it; wait until it has closed the file"
    return None


def _gives_parts(path: str) -> bool:
    fs, name = file_system(path)
    try:
        with fs.open(name, "rb", cache_type="none") as file:
            file.seek(1)
            file.read(1)
    except ValueError:  # fsspec's HTTPFile on the answer 200 in place of 206
        return False
    except OSError:
        return True  # it is something else
    return True


def _put(fs: Any, path: str, content: bytes) -> None:
    try:
        fs.pipe_file(path, content)
    except NotImplementedError:  # fsspec-xrootd 0.5.5
        with fs.open(path, "wb") as file:
            file.write(content)
    # XRootD 5.5 takes as much as fits on a full disk, and says nothing of the rest.
    end = len(content)
    if end and fs.cat_file(path, start=end - 1, end=end) != content[-1:]:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
