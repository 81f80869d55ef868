"""Processes of this machine, which go when the one that started them goes."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager
from typing import ParamSpec, TypeVar

__all__ = ["InProcess", "available_cores", "local_workers"]

_P = ParamSpec("_P")
_R = TypeVar("_R")

_SIGNAL_AT_DEATH_OF_PARENT = 1


class InProcess(Executor):
    """The executor of a single worker: calls at once, in this process."""

    def submit(self, fn: Callable[_P, _R], /, *args: _P.args, **kwargs: _P.kwargs) -> Future[_R]:
        """Call the function now."""
        future: Future[_R] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:  # noqa: BLE001 - handed to whoever asks for the result
            future.set_exception(error)
        return future


def available_cores() -> int:
    """Return the number of cores that this process may use, which batch systems restrict.

    Examples
    --------
    >>> available_cores() >= 1
    True
    """
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1  # macOS


@contextmanager
def local_workers(workers: int) -> Iterator[Executor]:
    """Run tasks in fresh processes: forking would copy threads and state of whoever calls.

    They end at once where the caller is interrupted or fails, since a task may take minutes, and also
    where it is killed.

    Parameters
    ----------
    workers : int
        How many; 1 is this process alone.

    Yields
    ------
    Executor
        Which runs the tasks.
    """
    if workers == 1:
        with InProcess() as here:
            yield here
        return
    others = multiprocessing.active_children()
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_follow_parent) as pool:
        pool.submit(int)  # starts all of them, from the thread that they follow
        own = [each for each in multiprocessing.active_children() if each not in others]
        try:
            yield pool
        except BaseException:
            for process in own:
                process.terminate()
            raise


def _follow_parent() -> None:
    """Leave Ctrl-C to the parent, and end with it.

    A library that holds the interpreter, as Pythia does for a whole chunk, lets no thread notice: Linux
    is asked to end the process (prctl, PR_SET_PDEATHSIG), other systems have the thread alone.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_SIGNAL_AT_DEATH_OF_PARENT, signal.SIGKILL)
    parent = multiprocessing.parent_process()

    def follow() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=follow, daemon=True).start()
