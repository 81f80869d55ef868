"""Where a path or URL is, and what to install for it."""

from __future__ import annotations

import os
import stat
from typing import Any

import fsspec

from ..errors import InputError
from .file_errors import is_unanswered, reason

__all__ = ["absent", "file_system", "refuse_pipe"]

# XRootD's client tries for ten minutes to reach a server that is down, unless it is told otherwise
# before it is loaded: seconds of an attempt, and attempts. What the user has set stays.
_PATIENCE = {"XRD_CONNECTIONWINDOW": "20", "XRD_CONNECTIONRETRY": "2"}


def file_system(path: str) -> tuple[Any, str]:
    """Return the fsspec file system of a path or URL, and the name of the file in it.

    The name of a file on this machine may have ``::`` in it; in a URL these join what fsspec chains.

    Raises
    ------
    InputError
        If nothing here knows such URLs, naming the package to install where there is one.

    Examples
    --------
    >>> file_system("foo://server/a.root")
    Traceback (most recent call last):
    overdensity.core.errors.InputError: foo://server/a.root: nothing here opens 'foo://'; ...
    """
    if "://" not in path:
        refuse_pipe(path)
        here: Any = fsspec.filesystem("file")
        return here, here._strip_protocol(path)  # noqa: SLF001 - as url_to_fs does
    if path.startswith(("root://", "xroot://", "roots://")):
        for name, value in _PATIENCE.items():
            os.environ.setdefault(name, value)
    try:
        return fsspec.core.url_to_fs(path)
    except ImportError as error:  # fsspec knows the kind, and says what to install
        msg = f"{path}: {error}"
    except ValueError as error:
        kind = path.partition("://")[0]
        msg = (
            f"{path}: nothing here opens '{kind}://'; give a path, or one of file, http, https, root, s3 "
            f"({error})"
        )
    raise InputError(msg)


def refuse_pipe(path: str) -> None:
    """Raise an InputError if a path leads to what has no end or no beginning: a pipe, a device.

    Examples
    --------
    >>> refuse_pipe("/dev/zero")
    Traceback (most recent call last):
    overdensity.core.errors.InputError: /dev/zero: a pipe or device, and no file; write what comes ...
    """
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError):  # said by who reads it
        return
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        msg = f"{path}: a pipe or device, and no file; write what comes out of it into a file first"
        raise InputError(msg)


def absent(path: str, sentence: str = "no such file") -> InputError:
    """Return the error to raise of a file or folder that is not there, or whose server does not answer.

    What looks whether a file is there says no in both cases; here the server is asked once more.

    Parameters
    ----------
    path : str
        A path or URL.
    sentence : str
        What is wrong where the server answers.

    Examples
    --------
    >>> str(absent("nowhere/a.parquet"))
    'nowhere/a.parquet: no such file'
    """
    if "://" in path:
        fs, name = file_system(path)
        try:
            fs.info(name)
        except Exception as error:  # noqa: BLE001 - each kind of file system has its own
            if is_unanswered(error):
                sentence = f"its server does not answer ({reason(error)}); try again later"
    return InputError(f"{path}: {sentence}")
