"""Where a path or URL is, and what to install for it."""

from __future__ import annotations

from typing import Any

import fsspec

from ..errors import InputError

__all__ = ["file_system"]


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
        here: Any = fsspec.filesystem("file")
        return here, here._strip_protocol(path)  # noqa: SLF001 - as url_to_fs does
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
