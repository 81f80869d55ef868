"""Workers go when the simulation is interrupted, fails or is killed."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time

import pytest

from overdensity.core.local_workers import available_cores, local_workers

# One script per moment: while both workers still start, and while both work.
BUSY = """
import multiprocessing, os, signal, sys, time
from overdensity.core.local_workers import local_workers

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in the background of a shell
    with local_workers(2) as pool:
        pids = [each.pid for each in multiprocessing.active_children()]
        busy = [pool.submit(time.sleep, 600) for _ in range(9)]
        if sys.argv[1] == "working":
            while not all(each.running() for each in busy[:2]):
                time.sleep(0.01)
        print(*pids, flush=True)
        try:
            busy[0].result()
        except KeyboardInterrupt:  # as a simulation does with the chunks that wait
            for each in busy:
                each.cancel()
            raise
"""


def gone(pids: list[int], seconds: float = 20.0) -> bool:
    """Wait until none of the processes is left."""
    until = time.monotonic() + seconds
    while any(running(pid) for pid in pids):
        if time.monotonic() > until:
            return False
        time.sleep(0.05)
    return True


def running(pid: int) -> bool:
    """Tell whether a process is there and no zombie."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize("when", ["starting", "working"])
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_workers_end_with_the_one_that_started_them(
    how: signal.Signals, when: str, tmp_path
) -> None:
    script = tmp_path / "busy.py"
    script.write_text(BUSY)
    started = subprocess.Popen(
        [sys.executable, str(script), when],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert started.stdout is not None
    pids = [int(word) for word in started.stdout.readline().split()]
    assert len(pids) == 2
    if how is signal.SIGINT:  # a terminal sends it to all of them
        os.killpg(started.pid, how)
    else:
        started.kill()
    _, said = started.communicate(timeout=60)
    assert gone(pids)
    assert said.count("Traceback") == (how is signal.SIGINT)  # of the parent, which raises it
    assert "SpawnProcess" not in said


def test_workers_end_where_the_caller_fails() -> None:
    pids: set[int] = set()

    def fail() -> None:
        with local_workers(2) as pool:
            pids.update(pool.submit(os.getpid).result() for _ in range(4))
            pool.submit(time.sleep, 600)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert pids
    assert gone(list(pids))
    assert not multiprocessing.active_children()


def test_one_worker_is_this_process() -> None:
    with local_workers(1) as pool:
        assert pool.submit(os.getpid).result() == os.getpid()


def test_other_children_of_the_caller_stay() -> None:
    context = multiprocessing.get_context("spawn")

    def fail() -> None:
        with local_workers(2):
            own.start()
            raise ZeroDivisionError

    own = context.Process(target=time.sleep, args=(600,))
    with pytest.raises(ZeroDivisionError):
        fail()
    assert own.is_alive()
    own.kill()
    own.join()


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="a system without affinities")
def test_cores_are_those_that_this_process_may_use() -> None:
    allowed = os.sched_getaffinity(0)
    assert available_cores() == len(allowed)
    os.sched_setaffinity(0, {min(allowed)})
    try:
        assert available_cores() == 1
    finally:
        os.sched_setaffinity(0, allowed)
