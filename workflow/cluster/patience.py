"""A cluster without workers: how long work waits for one, and how it ends when none comes."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

from coffea.processor import DaskExecutor
from distributed import CancelledError, Client, Future

from ...core import OverdensityError

__all__ = ["Desertion", "PatientExecutor", "patience_of", "set_patience"]

_LONGEST_WAITS: WeakKeyDictionary[Client, float] = WeakKeyDictionary()  # seconds


def set_patience(client: Client, seconds: float) -> None:
    """Say how long the cluster of a client may be without any worker."""
    _LONGEST_WAITS[client] = seconds


def patience_of(client: Client) -> float:
    """Return what `set_patience` was told, or a minute."""
    return _LONGEST_WAITS.get(client, 60.0)


class Desertion:
    """Measures how long a cluster has had no worker.

    Parameters
    ----------
    client : distributed.Client
        Of the cluster.
    patience : float, optional
        Seconds that there may be none; by default `patience_of` the client.
    """

    def __init__(self, client: Client, patience: float | None = None) -> None:
        self.client = client
        self.patience = patience_of(client) if patience is None else patience
        self.since: float | None = None

    def is_final(self) -> bool:
        """Look whether there is a worker; whether there was none for longer than the patience."""
        if self.client.scheduler_info(n_workers=1)["workers"]:
            self.since = None
            return False
        self.since = self.since or time.monotonic()
        return time.monotonic() - self.since > self.patience

    def error(self, description: str, to_go: str = "") -> OverdensityError:
        """Return the error for a cluster without workers.

        Parameters
        ----------
        description : str
            What was being done.
        to_go : str
            How much of it is left, such as ``3 folds``.
        """
        left = f", with {to_go} to go" if to_go else ""
        return OverdensityError(
            f"{description}: no worker has been left for {self.patience:.0f} s{left}; look at the "
            "workers' logs (is this version of overdensity installed there?) and run again: "
            "what is done is kept"
        )


@dataclass
class PatientExecutor(DaskExecutor):
    """Coffea's executor for Dask, which by itself waits for ever when all workers are gone.

    Attributes
    ----------
    patience : float, optional
        Seconds that there may be no worker; by default `patience_of` the client.
    work : str
        What errors call it.

    Raises
    ------
    OverdensityError
        If there was no worker for longer, or the scheduler is gone; nothing is left running.
    """

    patience: float | None = None
    work: str = "processing"

    def __call__(self, items: Any, function: Any, accumulator: Any) -> Any:
        """Run the function on all items, as coffea's executor does."""
        client: Client = self.client  # pyright: ignore[reportAssignmentType] - annotated as text
        desertion, cancelled = Desertion(client, self.patience), threading.Event()
        try:
            with _cancelled_when_final(client, desertion, cancelled):
                return super().__call__(items, function, accumulator)
        except CancelledError as error:
            if cancelled.is_set():
                raise desertion.error(self.work) from None
            msg = (
                f"{self.work}: the cluster's scheduler is gone, or has lost the work "
                f"({' '.join(str(error).split())}); run again: what is done is kept"
            )
            raise OverdensityError(msg) from None


@contextmanager
def _cancelled_when_final(
    client: Client, desertion: Desertion, cancelled: threading.Event
) -> Iterator[None]:
    """Cancel the tasks of the context once the cluster has had no worker for too long.

    The thread of the context waits for a result without a time limit; only cancelling wakes it.
    """
    before, ended = set(client.futures), threading.Event()

    def look() -> None:
        while not ended.wait(min(desertion.patience / 4, 2.0)):
            with suppress(OSError):  # a scheduler that is gone is seen by those who wait
                if client.status == "running" and desertion.is_final():
                    cancelled.set()
                    asked = [key for key in list(client.futures) if key not in before]
                    client.cancel([Future(key, client) for key in asked])

    watcher = threading.Thread(target=look, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        watcher.join()
