"""What runs on a scheduler or worker that lacks this package: it travels by value.

Nothing here may use anything but the standard library and `distributed`.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import io
import shutil
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from distributed.diagnostics.plugin import SchedulerPlugin, WorkerPlugin

__all__ = ["PackageForScheduler", "PackageForWorkers", "content_digest", "room_folders"]

NAME = "overdensity"


def room_folders(rooms: Sequence[str]) -> dict[str, Path]:
    """Return where the rooms of the package are that this process would import."""
    folders = {}
    for room in rooms:
        try:
            spec = importlib.util.find_spec(f"{NAME}.{room}")
        except ModuleNotFoundError:  # not even the namespace is there
            continue
        if spec is not None and spec.origin is not None:
            folders[room] = Path(spec.origin).parent
    return folders


def room_files(folder: Path) -> dict[str, Path]:
    """Return the files of a room by their names inside it, without what Python left there."""
    return {
        path.relative_to(folder).as_posix(): path
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    }


def content_digest(folders: dict[str, Path]) -> str:
    """Return what names the content of the rooms, wherever they are installed."""
    digest = hashlib.blake2b(digest_size=8)
    for room, folder in sorted(folders.items()):
        for name, path in room_files(folder).items():
            content = path.read_bytes()
            digest.update(f"{room}/{name} {len(content)}\n".encode())
            digest.update(content)
    return digest.hexdigest()


def install(archive: bytes, digest: str, rooms: Sequence[str], folder: Path) -> bool:
    """Make this process import the package that was sent, unless it has the same one.

    The files are real ones, beside which numba can keep what it compiled. They come first on
    ``sys.path``, and modules of another version are forgotten.
    """
    if content_digest(room_folders(rooms)) == digest:
        return False
    place = folder / f"{NAME}-{digest}"
    with zipfile.ZipFile(io.BytesIO(archive)) as packed:
        packed.extractall(place)
    sys.path.insert(0, str(place))
    importlib.invalidate_caches()
    for name in [name for name in sys.modules if name == NAME or name.startswith(f"{NAME}.")]:
        del sys.modules[name]
    if content_digest(room_folders(rooms)) != digest:
        msg = f"{NAME}: another version is imported before the one sent to {place}"
        raise RuntimeError(msg)
    return True


class PackageForWorkers(WorkerPlugin):
    """Installs the package on every worker, also on those that come later.

    A worker that comes later is not seen by the client's check of versions, so it is checked here;
    what it raises keeps it from joining.
    """

    def __init__(
        self,
        archive: bytes,
        digest: str,
        rooms: Sequence[str],
        *,
        python: tuple[int, int],
        same: dict[str, str | None],
        required: Sequence[str],
    ) -> None:
        self.archive = archive
        self.digest = digest
        self.rooms = rooms
        self.python = python
        self.same = same
        self.required = required

    def setup(self, worker: Any) -> None:
        """Install; raises RuntimeError where the worker cannot do the work."""
        if complaint := self.complaint():
            msg = f"worker {worker.address} {complaint}"
            raise RuntimeError(msg)
        install(self.archive, self.digest, self.rooms, Path(worker.local_directory))

    def complaint(self) -> str | None:
        """Say what keeps this process from doing the client's work, or None."""
        if sys.version_info[:2] != self.python:
            client = ".".join(str(part) for part in self.python)
            return f"has Python {sys.version.split()[0]}, the client {client}"
        missing = []
        for package in self.required:
            try:
                version(package)
            except PackageNotFoundError:
                missing.append(package)
        if missing:
            return f"lacks {', '.join(missing)}"
        for package, expected in self.same.items():
            if expected is not None and version(package) != expected:
                return f"has {package} {version(package)}, the client {expected}"
        return None


class PackageForScheduler(SchedulerPlugin):
    """Installs the package on the scheduler, which opens the tasks it hands out."""

    def __init__(self, archive: bytes, digest: str, rooms: Sequence[str]) -> None:
        self.archive = archive
        self.digest = digest
        self.rooms = rooms
        self.folder: str | None = None

    async def start(self, scheduler: Any) -> None:  # noqa: ARG002 - dask calls it so
        """Install."""
        self.folder = tempfile.mkdtemp(prefix=f"{NAME}-")
        if not install(self.archive, self.digest, self.rooms, Path(self.folder)):
            await self.close()

    async def close(self) -> None:
        """Leave no files behind."""
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)
