"""What an error of a file system says: that there is no file, or that nobody answers."""

from __future__ import annotations

import re

from ..errors import OverdensityError

__all__ = ["is_missing", "is_unanswered", "reason"]

_REQUEST = re.compile(r"Failed to submit <.*?> request: ")  # fsspec-xrootd, before what is wrong

# XRootD's kXR_NotFound, and what its client says of it; fsspec-xrootd raises a bare OSError.
_NOT_FOUND = ("[3011]", "no such file or directory")

# XRootD's client without a connection or an answer in time; aiohttp without a connection.
_NO_ANSWER = ("[fatal]", "operation expired", "cannot connect to host")


def is_missing(error: Exception) -> bool:
    """Return whether an error of opening a file says that there is none."""
    if isinstance(error, FileNotFoundError):
        return not is_unanswered(error)
    return isinstance(error, OSError) and any(words in str(error) for words in _NOT_FOUND)


def reason(error: Exception) -> str:
    """Return the first line of an error, with its kind where that says more than the line."""
    lines = str(error).strip().splitlines()
    kind = type(error).__name__
    if not lines:
        return kind
    line = _REQUEST.sub("", lines[0]).rstrip(",: ")  # a sentence that goes on in the next line
    return line if isinstance(error, (OSError, OverdensityError)) else f"{kind}: {line}"


def is_unanswered(error: BaseException) -> bool:
    """Return whether an error says that a server cannot be reached, or does not answer in time."""
    text = str(error).lower()
    if isinstance(error, (ConnectionError, TimeoutError)) or any(x in text for x in _NO_ANSWER):
        return True
    # fsspec's HTTPFileSystem takes a server that is not there for a missing file.
    return error.__cause__ is not None and is_unanswered(error.__cause__)
