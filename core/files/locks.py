"""One process at a time in a folder: a lock that says whose it is, and outlives no process.

A lock is a small file, made in one step (by a hard link, which is one step on NFS too). Its owner
touches it once a minute. It is taken over where its process has ended, on this machine, or where it
was not touched for half an hour, by the clock of the file system, on another one. Who takes over is
alone in judging it: another who judged the same owner would remove the lock of the first to come.
"""

from __future__ import annotations

import fcntl
import getpass
import json
import logging
import os
import platform
import sys
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from ..errors import InputError

__all__ = ["locked"]

logger = logging.getLogger(__name__)

_UNSEEN = "?"  # of a process that is there, and of which nothing is told
_BEAT = 60.0  # seconds between two touches
_SILENT = 1800.0  # seconds after which an owner that cannot be asked is taken for dead
_ATTEMPTS = 10

_held: dict[tuple[str, int], int] = {}  # how often the thread of a process is inside, by lock


@contextmanager
def locked(path: str | os.PathLike[str], *, what: str, why: str = "") -> Iterator[None]:
    """Hold a lock while something is done; a thread may hold one several times over.

    Where no file can be written, there is no lock: what is done then fails by itself.

    Parameters
    ----------
    path : path-like
        The file of the lock; its folder is made.
    what : str
        What is locked, as the message begins: ``"runs/box"``.
    why : str
        Why one has to wait for the other, for the message.

    Raises
    ------
    InputError
        If another process holds it, or another thread of this one.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     with locked(f"{folder}/.lock", what=folder):
    ...         os.listdir(folder)
    ...     os.listdir(folder)
    ['.lock']
    []
    """
    lock = Path(path).absolute()
    key = (f"{os.getpid()} {os.path.realpath(lock)}", threading.get_ident())
    token = None if key in _held else _taken(lock, what, why)
    _held[key] = _held.get(key, 0) + 1
    ended = threading.Event()
    if token is not None:
        threading.Thread(target=_beat, args=(lock, token, ended), daemon=True).start()
    try:
        yield
    finally:
        ended.set()
        _held[key] -= 1
        if not _held[key]:
            del _held[key]
        if token is not None and _owner(lock).get("token") == token:
            lock.unlink(missing_ok=True)


def _taken(lock: Path, what: str, why: str) -> str | None:
    """Take a lock; return its token, or None where there can be none."""
    ours = _self()
    mine = lock.with_name(f"{lock.name}.{ours['token']}")
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        mine.write_text(json.dumps(ours), encoding="utf-8")
    except OSError:
        return None
    try:
        for _ in range(_ATTEMPTS):
            if _linked(mine, lock):
                return str(ours["token"])
            with _judging(lock):
                theirs = _owner(lock)
                if not lock.exists():  # given back meanwhile
                    continue
                end = _ended(theirs, _age(lock, mine))
                if end is None:
                    raise InputError(_refusal(lock, what, theirs, _age(lock, mine), why))
                lock.unlink(missing_ok=True)
            logger.warning("%s: took over the lock of %s, %s", what, _named(theirs), end)
        raise InputError(_refusal(lock, what, _owner(lock), 0.0, why))
    finally:
        mine.unlink(missing_ok=True)


def _linked(mine: Path, lock: Path) -> bool:
    """Give our file the name of the lock, unless there is one."""
    try:
        os.link(mine, lock)
    except FileExistsError:
        return False
    except OSError:  # a file system without links
        try:
            with lock.open("x", encoding="utf-8") as file:
                file.write(mine.read_text(encoding="utf-8"))
        except FileExistsError:
            return False
    return True


@contextmanager
def _judging(lock: Path) -> Iterator[None]:
    """Be the only one to judge and remove a lock."""
    judge = lock.with_name(f"{lock.name}.judge")
    file = _alone(judge)
    try:
        yield
    finally:
        if file is not None:
            judge.unlink(missing_ok=True)  # still held: who waits for this one asks for another
            file.close()


def _alone(path: Path) -> IO[str] | None:
    """Open a file that no other process or thread has so, which ends with the process.

    None where the file system has no such locks; one then judges as if alone.
    """
    while True:
        try:
            file = path.open("a", encoding="utf-8")
        except OSError:
            return None
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
        except OSError:
            file.close()
            return None
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                return file
        file.close()  # its last owner has removed it


def _ended(owner: dict[str, Any], age: float) -> str | None:
    """Say why the owner of a lock is no more, or None if it may be at work."""
    here = _self()
    silent = f"which was silent for {age / 60:.0f} minutes" if age > _SILENT else None
    if not owner or any(owner.get(key) != here[key] for key in ("host", "boot", "namespace")):
        return silent
    pid, started = owner.get("pid"), owner.get("started")
    now = _started(pid) if isinstance(pid, int) else None
    if now == _UNSEEN and started != _UNSEEN:  # of another user, where /proc does not tell
        return silent
    return None if now == started and now is not None else "which has ended"


def _self() -> dict[str, Any]:
    """Return what a lock says of this process."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = "?"
    return {
        "host": platform.node(),
        "boot": _text("/proc/sys/kernel/random/boot_id"),
        "namespace": _link("/proc/self/ns/pid"),
        "pid": os.getpid(),
        "started": _started(os.getpid()),
        "user": user,
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": " ".join(Path(each).name for each in sys.argv[:3]),
        "token": uuid.uuid4().hex,
    }


def _started(pid: int) -> str | None:
    """Return what tells a process from others of its number, or None where it has ended."""
    stat = _text(f"/proc/{pid}/stat").rpartition(")")[2].split()
    if len(stat) > 19:
        return None if stat[0] in "ZX" else stat[19]  # a zombie has ended; the time of its start
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except OSError:
        pass
    return _UNSEEN


def _owner(lock: Path) -> dict[str, Any]:
    try:
        found = json.loads(lock.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _age(lock: Path, mine: Path) -> float:
    """Return how long ago a lock was touched, by the clock that has written both files."""
    try:
        os.utime(mine)
        return mine.stat().st_mtime - lock.stat().st_mtime
    except OSError:
        return 0.0


def _beat(lock: Path, token: str, ended: threading.Event) -> None:
    while not ended.wait(_BEAT):
        found = _owner(lock)
        if (found or not lock.exists()) and found.get("token") != token:
            logger.error("%s: another process has taken over; what this one writes may mix", lock)
            return
        with suppress(OSError):
            os.utime(lock)


def _named(owner: dict[str, Any]) -> str:
    if not owner:
        return "an unknown process"
    known = {key: owner.get(key, "?") for key in ("pid", "host", "user", "since")}
    return "process {pid} on {host} (user {user}, since {since})".format(**known)


def _refusal(lock: Path, what: str, owner: dict[str, Any], age: float, why: str) -> str:
    seen = f", last seen {max(age, 0) / 60:.0f} minutes ago" if age > 2 * _BEAT else ""
    doing = f" ({owner['command']})" if owner.get("command") else ""
    reason = f": {why}" if why else ""
    return (
        f"{what}: {_named(owner)}{seen} is at work in it{doing}{reason}; wait for it, or choose another "
        f"folder. If you know that it has ended, remove {lock}"
    )


def _text(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""


def _link(path: str) -> str:
    try:
        return os.readlink(path)
    except OSError:
        return ""
