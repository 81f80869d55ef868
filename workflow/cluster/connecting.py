"""The machines a search runs on: a Dask client from ``cluster:`` of the configuration."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any, cast

from distributed import (
    Client,
    Future,
    KilledWorker,
    LocalCluster,
    Worker,
    performance_report,
    wait,
)
from distributed.utils import format_dashboard_link
from rich.console import Console

from ...core import ConfigError, OverdensityError, progress, require
from ...core.local_workers import available_cores, interrupt_held
from ..config.cluster import BATCH_KINDS, ClusterConfig, Started
from .batch import batch_cluster, job_script
from .gateway import gateway_cluster, gateway_request
from .patience import Desertion, set_patience
from .shipping import shipped_package
from .versions import check_versions

__all__ = ["connect", "dry_run", "run_tasks"]

logger = logging.getLogger(__name__)

_LOOK_EVERY = 5.0  # seconds, at most, for workers that are gone


@contextmanager
def connect(
    cluster: str | ClusterConfig, workers: int | None = None, *, timeout: str = "20s"
) -> Iterator[Client]:
    """Connect to a cluster, or start one for as long as the context lasts.

    On a cluster that is not of this machine, versions are compared (`versions`) and this package
    is sent to where it is missing (`shipping`).

    Parameters
    ----------
    cluster : str or ClusterConfig
        ``local`` for one process a core, ``threads`` for threads of this process, the address of
        a running scheduler, such as ``tcp://10.1.2.3:8786``, or a whole description.
    workers : int, optional
        Workers to start, where the description does not say; by default one per core.
    timeout : str
        How long to wait for a scheduler that runs elsewhere.

    Raises
    ------
    ConfigError
        If the description cannot be used, the scheduler does not answer, or its versions do not
        go together with those here.
    OverdensityError
        If no worker comes.

    Examples
    --------
    >>> with connect("threads", 1) as client:
    ...     client.submit(sum, [1, 2]).result()
    3
    """
    config = ClusterConfig.of(cluster, workers)
    if config.performance_report or config.wants_dashboard:
        what = "performance_report" if config.performance_report else "dashboard"
        require("bokeh", by=f"cluster: {what}")
    with ExitStack() as stack:
        if config.kind == "address":
            client = stack.enter_context(_connected(cast("str", config.address), timeout))
            started = Started(client, wanted=1)
        else:
            started = stack.enter_context(_starting(config))
            client = stack.enter_context(started.cluster.get_client())
        set_patience(client, config.longest_wait)
        if config.wants_dashboard:
            _say(f"dashboard: {_dashboard_link(client, config, started)}")
        if config.kind not in ("local", "threads"):
            _wait_for_first_worker(client, started, config.longest_wait)
            check_versions(client)
            stack.enter_context(shipped_package(client))
        if config.performance_report:
            stack.enter_context(_reported(config.performance_report))
        yield client


def dry_run(cluster: str | ClusterConfig, workers: int | None = None) -> str:
    """Say what `connect` would start, without starting or submitting anything.

    Parameters
    ----------
    cluster, workers
        As for `connect`.

    Returns
    -------
    str
        For a batch system the job script; for a gateway its options; a sentence otherwise.

    Raises
    ------
    ConfigError
        If the description cannot be used.
    """
    config = ClusterConfig.of(cluster, workers)
    if config.kind in BATCH_KINDS:
        return job_script(config)
    if config.kind == "gateway":
        return gateway_request(config)
    if config.kind == "address":
        return f"the running scheduler at {config.address}; nothing is started"
    what = "threads of this process" if config.kind == "threads" else "processes on this machine"
    number = config.workers or config.minimum or available_cores()
    most = f" to {config.maximum}" if config.maximum else ""
    return f"{number}{most} {what}"


def _starting(config: ClusterConfig) -> AbstractContextManager[Started]:
    if config.kind in BATCH_KINDS:
        return batch_cluster(config)
    if config.kind == "gateway":
        return gateway_cluster(config)
    return _here(config)


class _WorkerInThreads(Worker):
    """A worker whose health page listens on loopback, not on all interfaces."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options | {"dashboard_address": "127.0.0.1:0"})


@contextmanager
def _dask_silenced() -> Iterator[None]:
    """Keep what Dask logs in this process to itself, while a cluster of this machine runs.

    Dask takes the handlers that it finds at its import, the user's, and silences them otherwise.
    """
    libraries = [logging.getLogger(name) for name in ("distributed", "bokeh")]
    before = [(library.handlers, library.propagate) for library in libraries]
    for library in libraries:
        library.handlers, library.propagate = [logging.NullHandler()], False
    try:
        yield
    finally:
        for library, (handlers, propagate) in zip(libraries, before, strict=True):
            library.handlers, library.propagate = handlers, propagate


@contextmanager
def _here(config: ClusterConfig) -> Iterator[Started]:
    """Start processes or threads of this machine; all that listens does so on loopback."""
    number = config.workers or config.minimum or (1 if config.maximum else available_cores())
    port = 8787 if config.wants_dashboard else 0
    with _dask_silenced():
        with interrupt_held():  # half a cluster cannot be closed
            started = LocalCluster(
                n_workers=number,
                threads_per_worker=1,
                processes=config.kind == "local",
                host="127.0.0.1" if config.kind == "local" else None,  # threads need no network
                dashboard_address=config.dashboard_address or f"127.0.0.1:{port}",
                worker_class=_WorkerInThreads if config.kind == "threads" else None,
                scheduler_kwargs={"dashboard": config.wants_dashboard},
                silence_logs=logging.CRITICAL,
            )
        with started as cluster:
            if config.maximum:
                cast("Any", cluster).adapt(minimum=number, maximum=config.maximum)
            yield Started(cluster, wanted=number)


@contextmanager
def _connected(address: str, timeout: str) -> Iterator[Client]:
    try:
        client = Client(address, timeout=timeout)
    except (OSError, TimeoutError, ValueError) as error:
        msg = f"cluster: no Dask scheduler answers at {address} ({error}); is it running?"
        raise ConfigError(msg) from None
    with client:
        yield client


def _wait_for_first_worker(client: Client, started: Started, patience: float) -> None:
    """Wait until there is a worker; the others may come while work goes on."""
    begun = time.monotonic()
    with progress("waiting for workers", started.wanted, unit="workers") as advance:
        while not (here := len(client.scheduler_info(n_workers=-1)["workers"])):
            if trouble := started.trouble():
                raise ConfigError(trouble)
            if time.monotonic() - begun > patience:
                msg = (
                    f"cluster: none of {started.wanted} workers has come in {patience:.0f} s; look "
                    "at the queue and the logs of the jobs, or give it longer (cluster.patience)"
                )
                raise OverdensityError(msg)
            advance(0)
            time.sleep(0.2)
        advance(min(here, started.wanted))


@contextmanager
def _reported(path: str) -> Iterator[None]:
    """Write Dask's report of what ran in the context."""
    if "://" not in path:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
    with performance_report(filename=path, mode="inline"):  # no script from elsewhere
        yield
    _say(f"performance report: {path}")


def _dashboard_link(client: Client, config: ClusterConfig, started: Started) -> str:
    """Return where the dashboard listens; Dask's own link has the scheduler's host in any case."""
    given = client.dashboard_link or "none; the scheduler was started without it"
    if config.kind in ("address", "gateway"):
        return given
    server = started.cluster.scheduler.http_server
    if server.address in ("", "0.0.0.0"):  # noqa: S104 - asked for by dashboard_address
        return given
    return format_dashboard_link(server.address, server.port)


def _say(text: str) -> None:
    """Tell the user in the terminal, or else in the log."""
    console = Console(stderr=True)
    if console.is_terminal:
        console.print(text, soft_wrap=True)
    else:
        logger.info("%s", text)


def run_tasks(
    client: Client,
    function: Callable[..., Any],
    tasks: Sequence[tuple[Any, ...]],
    *,
    description: str,
    unit: str = "tasks",
    patience: float | None = None,
) -> None:
    """Run a function on every tuple of arguments, for what it writes; nothing comes back.

    A task whose worker dies is given to another one. An error in a task ends the run once it is
    seen; what other tasks have written by then stays, so that the run can go on from there.

    Parameters
    ----------
    client : distributed.Client
        Of the cluster.
    function : callable
        What is run.
    tasks : sequence of tuple
        Its arguments, a tuple for each task.
    description, unit : str
        What progress and errors call it, and its tasks.
    patience : float, optional
        Seconds that there may be no worker; by default what `connect` was told.

    Raises
    ------
    OverdensityError
        If a task fails, or no worker is left for longer than that.
    """
    if not tasks:
        return
    desertion = Desertion(client, patience)
    pending = {client.submit(function, *task, pure=False) for task in tasks}
    try:
        with progress(description, len(tasks), unit=unit) as advance:
            while pending:
                finished = _finished_soon(pending)
                for future in finished:
                    _raise_error_of(future, description)
                pending -= finished
                advance(len(finished))
                if desertion.is_final() and not finished:
                    raise desertion.error(description, f"{len(pending)} {unit}")
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
        wait(list(futures), timeout=_LOOK_EVERY, return_when="FIRST_COMPLETED")
    except TimeoutError:
        return set()
    return {future for future in futures if future.done()}
