"""Processes of this machine that simulate, and go when the one that started them goes."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager

from .chunks import InProcess

__all__ = ["local_workers"]

_SIGNAL_AT_DEATH_OF_PARENT = 1


@contextmanager
def local_workers(workers: int) -> Iterator[Executor]:
    """Run chunks in fresh processes: forking would copy threads and state of whoever calls.

    They end at once where the caller is interrupted or fails, since a chunk takes a minute, and also
    where it is killed. What they have handed over is kept.

    Parameters
    ----------
    workers : int
        How many; 1 is this process alone.

    Yields
    ------
    Executor
        Which runs the chunks.
    """
    if workers == 1:
        with InProcess() as here:
            yield here
        return
    others = multiprocessing.active_children()
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_follow_parent) as pool:
        try:
            yield pool
        except BaseException:
            for process in multiprocessing.active_children():
                if process not in others:
                    process.terminate()
            raise


def _follow_parent() -> None:
    """Leave Ctrl-C to the parent, and end with it.

    Pythia holds the interpreter for a whole chunk, so that a thread would notice a minute late: Linux
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
