"""The machines a search runs on: a Dask client from the word ``cluster:`` of the configuration."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast

from distributed import Client, Future, KilledWorker, LocalCluster, wait

from ..core import ConfigError, OverdensityError, progress

__all__ = ["connect", "run_tasks"]


@contextmanager
def connect(cluster: str, workers: int | None = None, *, timeout: str = "20s") -> Iterator[Client]:
    """Connect to a cluster, or start one on this machine for as long as the context lasts.

    Parameters
    ----------
    cluster : str
        ``local`` for one process a core, ``threads`` for threads of this process, or the address
        of a running scheduler, such as ``tcp://10.1.2.3:8786``.
    workers : int, optional
        Workers of a cluster started here; by default one per core.
    timeout : str
        How long to wait for a scheduler that runs elsewhere.

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
                host="127.0.0.1" if cluster == "local" else None,  # threads need no network
                dashboard_address=cast("str", None),  # None: no dashboard; the stub says str
                silence_logs=logging.CRITICAL,
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
        client = Client(cluster, timeout=timeout)
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
    patience: float = 60.0,
) -> None:
    """Run a function on every tuple of arguments, for what it writes; nothing comes back.

    A task whose worker dies is given to another one. An error in a task ends the run once it is
    seen; what other tasks have written by then stays, so that the run can go on from there.

    Raises
    ------
    OverdensityError
        If a task fails, or no worker is left for a minute.
    """
    if not tasks:
        return
    pending = {client.submit(function, *task, pure=False) for task in tasks}
    deserted_since: float | None = None
    try:
        with progress(description, len(tasks), unit=unit) as advance:
            while pending:
                finished = _finished_soon(pending)
                for future in finished:
                    _raise_error_of(future, description)
                pending -= finished
                advance(len(finished))
                if finished or client.scheduler_info()["workers"]:
                    deserted_since = None
                    continue
                deserted_since = deserted_since or time.monotonic()
                if time.monotonic() - deserted_since > patience:
                    msg = (
                        f"{description}: no worker has been left for {patience:.0f} s, with "
                        f"{len(pending)} {unit} to go; look at the workers' logs (is this version "
                        "of overdensity installed there?) and run again: what is done is kept"
                    )
                    raise OverdensityError(msg)
    finally:
        client.cancel(list(pending))


def _raise_error_of(future: Future, description: str) -> None:
    """Pass on the error of a task, a lost worker's in words."""
    try:
        future.result()
    except KilledWorker as error:
        msg = (
            f"{description}: several workers died on the same task ({error.task}), perhaps for "
            "lack of memory; try fewer workers. What is done is kept"
        )
        raise OverdensityError(msg) from None


def _finished_soon(futures: set[Future]) -> set[Future]:
    """Wait a few seconds for the next tasks to finish."""
    try:
        wait(list(futures), timeout=5, return_when="FIRST_COMPLETED")
    except TimeoutError:
        return set()
    return {future for future in futures if future.done()}


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
