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
from multiprocessing import resource_tracker
from multiprocessing.process import BaseProcess
from typing import ParamSpec, TypeVar

__all__ = ["InProcess", "available_cores", "interrupt_held", "local_workers"]

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
    own: list[BaseProcess] = []
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_follow_parent) as pool:
        try:
            with interrupt_held():
                # A task starts one worker at most; all are to start here, from the thread they follow.
                while len(own) < workers:
                    pool.submit(int)
                    own = [each for each in multiprocessing.active_children() if each not in others]
            yield pool
        except BaseException:
            # First what waits is given up: of a task that was cancelled and not yet taken from the
            # list, the thread of the pool would say that it cannot fail, in a traceback.
            pool.shutdown(wait=False, cancel_futures=True)
            for process in own:
                process.terminate()
            for process in own:
                process.join()
            raise


@contextmanager
def interrupt_held() -> Iterator[None]:
    """Hold Ctrl-C back until the context is left; processes and threads that start in it never see it.

    A terminal interrupts all processes, and each that still imports would print a traceback: its own
    code comes too late to ignore the signal, so it inherits the mask.

    Examples
    --------
    >>> with interrupt_held():
    ...     signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, ())
    True
    """
    resource_tracker.ensure_running()  # where it starts later, it lets the signal through again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _follow_parent() -> None:
    """End with the parent.

    A library that holds the interpreter, as Pythia does for a whole chunk, lets no thread notice: Linux
    is asked to end the process (prctl, PR_SET_PDEATHSIG), other systems have the thread alone.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_SIGNAL_AT_DEATH_OF_PARENT, signal.SIGKILL)
    parent = multiprocessing.parent_process()

    def follow() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=follow, daemon=True).start()
