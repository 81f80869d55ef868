from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from overdensity.core import ConfigError, InputError, OverdensityError
from overdensity.workflow.cluster import connecting
from overdensity.workflow.cluster.connecting import connect, run_tasks


def write(folder: Path, number: int) -> None:
    (folder / str(number)).write_text(str(number))


def write_but_die_once(folder: Path, number: int) -> None:
    mark = folder / "died"
    if number == 2 and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    write(folder, number)


def refuse(folder: Path, number: int) -> None:
    write(folder, number)
    if number == 1:
        msg = "file 1 is broken"
        raise InputError(msg)


def die(folder: Path, number: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def hears_interrupts() -> bool:
    return signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ())


for task in (write, write_but_die_once, refuse, die, hears_interrupts):
    task.__module__ = "__main__"  # workers cannot import a test module: it travels by value


def test_tasks_run_on_threads(tmp_path: Path) -> None:
    with connect("threads", workers=2) as client:
        run_tasks(client, write, [(tmp_path, i) for i in range(5)], description="writing")
    assert sorted(path.name for path in tmp_path.iterdir()) == list("01234")


def test_a_killed_worker_loses_nothing(tmp_path: Path) -> None:
    with connect("local", workers=2) as client:
        tasks = [(tmp_path, i) for i in range(5)]
        run_tasks(client, write_but_die_once, tasks, description="writing")
        client.wait_for_workers(2)
        heard = client.run(hears_interrupts)
    # Ctrl-C is the client's, also in the worker that came later: theirs would be a traceback each.
    assert list(heard.values()) == [False, False]
    assert hears_interrupts()
    assert sorted(path.name for path in tmp_path.iterdir()) == [*"01234", "died"]


def test_a_cluster_without_workers_ends_in_a_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connecting, "_LOOK_EVERY", 0.2)
    with connect("threads", workers=1) as client:
        client.retire_workers()
        with pytest.raises(OverdensityError, match="no worker has been left"):
            run_tasks(client, write, [(Path(), 1)], description="writing", patience=0.1)


def test_a_task_that_kills_every_worker_is_named(tmp_path: Path) -> None:
    with (
        connect("local", workers=1) as client,
        pytest.raises(OverdensityError, match="several workers died on the same task"),
    ):
        run_tasks(client, die, [(tmp_path, 0)], description="writing")


def test_an_error_in_a_task_reaches_the_user(tmp_path: Path) -> None:
    with connect("threads", workers=1) as client, pytest.raises(InputError, match="file 1"):
        run_tasks(client, refuse, [(tmp_path, i) for i in range(3)], description="writing")


def test_scheduler_binds_to_this_machine_only() -> None:
    with connect("threads", workers=1) as client:
        assert "127.0.0.1" in client.scheduler_info()["address"] or client.scheduler_info()[
            "address"
        ].startswith("inproc://")


def test_an_unknown_word_is_refused() -> None:
    with pytest.raises(ConfigError, match="cluster: 'lokal' is not known"), connect("lokal"):
        pass


def test_a_scheduler_that_does_not_answer_is_named() -> None:
    address = "tcp://127.0.0.1:1"
    with pytest.raises(ConfigError, match=address), connect(address, timeout="1s"):
        pass
