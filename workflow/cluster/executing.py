"""A Dask cluster as a ``concurrent.futures.Executor``, for rooms that know of no cluster."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any, ParamSpec, TypeVar

from distributed import CancelledError, Client, KilledWorker, wait
from distributed import Future as DaskFuture

from ...core import OverdensityError
from .patience import Desertion

__all__ = ["ClusterExecutor"]

_P = ParamSpec("_P")
_R = TypeVar("_R")

_LOOK_EVERY = 2.0  # seconds, for workers that are gone


class ClusterExecutor(Executor):
    """Runs functions on the workers of a cluster.

    A task whose worker dies is given to another one.

    Parameters
    ----------
    client : distributed.Client
        Of the cluster.
    work : str
        What errors call it.
    """

    def __init__(self, client: Client, work: str) -> None:
        self._client = client
        self._work = work

    def submit(self, fn: Callable[_P, _R], /, *args: _P.args, **kwargs: _P.kwargs) -> Future[_R]:
        """Run a function; its result is waited for as long as there are workers."""
        submitted: Any = self._client.submit(fn, *args, **kwargs, pure=False)
        return _Awaited(submitted, self._client, self._work)


class _Awaited(Future[_R]):
    """The result of a task, or why there will be none."""

    def __init__(self, submitted: DaskFuture, client: Client, work: str) -> None:
        super().__init__()
        self._submitted = submitted
        self._client = client
        self._work = work

    def result(self, timeout: float | None = None) -> _R:  # noqa: ARG002 - as the base has it
        """Wait for the result.

        Raises
        ------
        OverdensityError
            If no worker is left, or several have died on this task.
        """
        desertion = Desertion(self._client)
        try:
            while not self._submitted.done():
                try:
                    wait([self._submitted], timeout=_LOOK_EVERY)
                except TimeoutError:
                    if desertion.is_final():
                        raise desertion.error(self._work) from None
            return self._submitted.result()  # pyright: ignore[reportReturnType]
        except KilledWorker as error:
            msg = (
                f"{self._work}: several workers died on the same task ({error.task}), perhaps for "
                "lack of memory; try fewer workers. What is done is kept"
            )
            raise OverdensityError(msg) from None
        except CancelledError as error:
            msg = f"{self._work}: the cluster's scheduler is gone ({error}); run again to go on"
            raise OverdensityError(msg) from None

    def cancel(self) -> bool:
        """Give the task up."""
        self._client.cancel([self._submitted])
        return True
