"""What the command line says of an error: one sentence with what to do, and an exit code."""

from __future__ import annotations

import errno
import os
import re
import tempfile
import traceback
from collections.abc import Iterator

from ...core import OverdensityError
from ...core.files.file_errors import is_unanswered

__all__ = ["OURS", "USERS", "exit_code_and_sentence"]

USERS, OURS = 2, 1
"""Exit codes: of what the user can mend, and of a fault of this program."""

_GO_ON = "run again to go on: what is finished is kept"
_FULL = re.compile(
    "No space left on device|Disk quota exceeded"
    r"|\d+ requested and \d+ written"  # numpy
    "|PytorchStreamWriter failed writing",
    re.IGNORECASE,
)
# fsspec's "Install s3fs to access S3", and what other packages write in place of it
_INSTALL = re.compile(
    r"(?:^Install|pip install) ['`\"]?([A-Za-z][\w.-]*)['`\"]?(?: to access|['`\"]|$)"
)
_MENDED = {
    errno.EACCES: "permission denied; choose another folder, or have the permission changed",
    errno.EPERM: "permission denied; choose another folder, or have the permission changed",
    errno.EROFS: "the file system is read-only; choose another folder",
    errno.EIO: "the disk reports an error; copy the file to another disk",
    errno.ESTALE: f"the network file system lost the file; {_GO_ON}",
    errno.ENOENT: "no such file or folder; it was taken away while it was needed, or its folder is missing",
    errno.ENOTDIR: "a file stands where a folder is needed; choose another path",
    errno.EISDIR: "a folder stands where a file is needed; choose another path",
    errno.EEXIST: "something of this name is there already; choose another path, or take it away",
    errno.ENOTEMPTY: f"another program writes into this folder; stop it, and {_GO_ON}",
    errno.ENAMETOOLONG: "the name is too long for the file system; choose a shorter one",
    errno.ELOOP: "links that lead back to themselves; name the file itself",
    errno.EMFILE: f"too many open files; raise the limit (ulimit -n 4096), and {_GO_ON}",
    errno.ENFILE: f"too many open files; close other programs, and {_GO_ON}",
}


def exit_code_and_sentence(error: BaseException) -> tuple[int, str]:
    """Translate an error for the user; what is our own fault is written into a log file.

    Parameters
    ----------
    error : BaseException
        Whatever a command raised.

    Returns
    -------
    code : int
        `USERS` or `OURS`.
    sentence : str
        What happened, and what to do.
    """
    if isinstance(error, OverdensityError):
        return USERS, str(error)
    for each in _causes(error):
        if (sentence := _of_users(each)) is not None:
            return USERS, sentence
    said = _first_line(error)
    return OURS, (
        f"{type(error).__name__}{': ' if said else ''}{said}; this is a fault of overdensity: "
        f"{_where_to_look(error)}"
    )


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error, and what it was raised from."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__  # what it was raised from, and not what was handled meanwhile


def _of_users(error: BaseException) -> str | None:
    """Return the sentence of what the user's machine or files bring about; else None."""
    place = _place(error)
    if _FULL.search(str(error)) or getattr(error, "errno", 0) in (errno.ENOSPC, errno.EDQUOT):
        return f"{place}no space left on the disk; free some, and {_GO_ON}"
    if isinstance(error, MemoryError) or "out of memory" in str(error):
        return f"not enough memory ({_first_line(error)}); take fewer workers, and {_GO_ON}"
    origin = type(error).__module__.partition(".")[0]
    if origin == "distributed" or (origin == "asyncio" and isinstance(error, TimeoutError)):
        return (
            f"the cluster does not answer any more ({_first_line(error)}); start it, and {_GO_ON}"
        )
    if type(error).__name__ == "BrokenProcessPool":
        return (
            f"a worker process was killed, as for want of memory; take fewer workers, and {_GO_ON}"
        )
    if isinstance(error, ValueError) and "null byte" in str(error):
        return "the name of a file or folder has a zero byte in it; take it out"
    if isinstance(error, UnicodeEncodeError):
        return (
            f"a name with {error.object[error.start : error.end]!a} cannot be written in "
            f"{error.encoding}; rename the file or folder, or set LC_ALL=C.UTF-8"
        )
    if isinstance(error, ImportError):
        return _of_import(error)
    if isinstance(error, ConnectionError) or (isinstance(error, OSError) and is_unanswered(error)):
        return f"{place}a server does not answer ({_first_line(error)}); start it, and {_GO_ON}"
    if isinstance(error, OSError) and error.errno in _MENDED:
        return f"{place}{_MENDED[error.errno]}"
    if isinstance(error, OSError) and place and error.strerror:
        return f"{place}{error.strerror}; choose another path, or mend this one"
    return None


def _of_import(error: ImportError) -> str | None:
    """Return what to install, where a package of another is missing; else None."""
    asked = _INSTALL.search(str(error))
    if asked is None and not isinstance(error, ModuleNotFoundError):
        return None  # a name that a package should have: ours to mend
    package = asked[1] if asked else (error.name or "").partition(".")[0]
    if package in ("", "overdensity"):
        return None
    return f"{package} is needed and not installed: pip install {package}"


def _place(error: BaseException) -> str:
    """Return the file of an error with a colon, or nothing; of two, what was to be made."""
    name = getattr(error, "filename2", None) or getattr(error, "filename", None)
    if isinstance(name, bytes):
        name = os.fsdecode(name)
    return f"{name}: " if isinstance(name, str | os.PathLike) else ""


def _first_line(error: BaseException) -> str:
    """Return the first line of what an error says, in at most 300 letters."""
    return next(iter(str(error).strip().splitlines()), "")[:300]


def _where_to_look(error: BaseException) -> str:
    """Write the traceback into a file of its own, and say where it is."""
    try:
        handle, name = tempfile.mkstemp(prefix="overdensity-", suffix=".log")
        with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.writelines(traceback.format_exception(error))
    except OSError:
        return "run again with --debug, and report what it shows"
    return f"report it with {name}"
