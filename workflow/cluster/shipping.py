"""The same code everywhere: sends this package to a cluster that has none, or another one."""

from __future__ import annotations

import importlib.metadata
import io
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import cloudpickle
from distributed import Client

from ...core import ConfigError
from . import shipped
from .versions import MUST_AGREE, required_packages

__all__ = ["ROOMS", "pack", "shipped_package"]

ROOMS = ("core", "ml", "processors", "simulation", "stats", "workflow")
_WHEN_PACKED = (1980, 1, 1, 0, 0, 0)  # the same files, the same archive


@contextmanager
def shipped_package(client: Client) -> Iterator[None]:
    """Install this package, as it is here, on a cluster for as long as the context lasts.

    It goes to the scheduler and to all workers, also to those that come later; where the same
    files are there already, nothing happens. They are written to a worker's own folder and put
    first on its ``sys.path``; processes that its tasks start with ``multiprocessing`` find them
    too.

    Parameters
    ----------
    client : distributed.Client
        Of a cluster whose versions are checked (`overdensity.workflow.cluster.versions.check_versions`).

    Raises
    ------
    ConfigError
        If a worker cannot take it.
    """
    folders = shipped.room_folders(ROOMS)
    archive, digest = pack(), shipped.content_digest(folders)
    for_workers = shipped.PackageForWorkers(
        archive,
        digest,
        ROOMS,
        python=sys.version_info[:2],
        same={name: _version(name) for name in MUST_AGREE},
        required=required_packages(),
    )
    name = f"overdensity-{client.id}"  # clients that share a cluster keep out of each other's way
    cloudpickle.register_pickle_by_value(shipped)
    try:
        client.register_plugin(
            shipped.PackageForScheduler(archive, digest, ROOMS), name=f"{name}-scheduler"
        )
        client.register_plugin(for_workers, name=name)
    except (RuntimeError, ValueError, OSError) as error:
        msg = f"cluster: the package cannot be sent: {error}"
        raise ConfigError(msg) from None
    finally:
        cloudpickle.unregister_pickle_by_value(shipped)
    try:
        yield
    finally:
        with suppress(OSError, TimeoutError, RuntimeError, ValueError):  # it may be gone by now
            client.unregister_worker_plugin(name)


def pack() -> bytes:
    """Return a zip archive of this package as it is imported here, editable or not."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as packed:
        for room, folder in shipped.room_folders(ROOMS).items():
            for name, path in shipped.room_files(folder).items():
                entry = zipfile.ZipInfo(f"overdensity/{room}/{name}", _WHEN_PACKED)
                packed.writestr(entry, path.read_bytes())
    return buffer.getvalue()


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
