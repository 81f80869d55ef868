"""The machines a search runs on: a Dask client from the word ``cluster:`` of the configuration."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from distributed import Client, LocalCluster, as_completed

from ..core import ConfigError, progress

__all__ = ["connect", "run_tasks"]


@contextmanager
def connect(cluster: str, workers: int | None = None) -> Iterator[Client]:
    """Connect to a cluster, or start one on this machine for as long as the context lasts.

    Parameters
    ----------
    cluster : str
        ``local`` for one process a core, ``threads`` for threads of this process, or the address
        of a running scheduler, such as ``tcp://10.1.2.3:8786``.
    workers : int, optional
        Workers of a cluster started here; by default one per core.

    Raises
    ------
    ConfigError
        If the word is none of these or the scheduler does not answer.
    """
    if cluster in ("local", "threads"):
        with (
            LocalCluster(
                n_workers=workers or _cores(),
                threads_per_worker=1,
                processes=cluster == "local",
                host="127.0.0.1",
                dashboard_address=None,
                silence_logs=logging.ERROR,
            ) as started,
            Client(started) as client,
        ):
            yield client
        return
    if "://" not in cluster and ":" not in cluster:
        msg = (
            f"cluster: {cluster!r} is not known; write 'local', 'threads', "
            "or the address of a scheduler such as tcp://127.0.0.1:8786"
        )
        raise ConfigError(msg)
    try:
        client = Client(cluster, timeout="20s")
    except (OSError, TimeoutError, ValueError) as error:
        msg = f"cluster: no Dask scheduler answers at {cluster} ({error}); is it running?"
        raise ConfigError(msg) from None
    with client:
        yield client


def run_tasks(
    client: Client,
    function: Callable[..., Any],
    tasks: Sequence[tuple[Any, ...]],
    *,
    description: str,
    unit: str = "tasks",
) -> None:
    """Run a function on every tuple of arguments, for what it writes; nothing comes back.

    A task whose worker dies is given to another one. An error in a task ends the run once it is
    seen; what other tasks have written by then stays, so that the run can go on from there.
    """
    if not tasks:
        return
    futures = [client.submit(function, *task, pure=False) for task in tasks]
    try:
        with progress(description, len(tasks), unit=unit) as advance:
            for future in as_completed(futures):
                future.result()
                advance(1)
    finally:
        client.cancel(futures)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
