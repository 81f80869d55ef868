"""Who is at work in a folder, and who is no more."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from overdensity.core import InputError
from overdensity.core.files import locks
from overdensity.core.files.locks import locked

HOLD = """
import sys, time
from overdensity.core.files.locks import locked
with locked(sys.argv[1], what="there"):
    print("inside", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    return tmp_path / "run" / ".lock"


@pytest.fixture
def other(lock: Path):
    """Another process, which holds the lock."""
    with subprocess.Popen([sys.executable, "-c", HOLD, lock], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process
        process.kill()


def change(lock: Path, *, minutes: float = 0, **values: object) -> None:
    """Let the lock be another's, who touched it so long ago."""
    lock.parent.mkdir(exist_ok=True)
    owner = (
        json.loads(lock.read_text()) if lock.exists() else {"pid": 1, "host": "far", "user": "me"}
    )
    lock.write_text(json.dumps(owner | values))
    then = time.time() - 60 * minutes
    os.utime(lock, (then, then))


def test_a_second_process_is_refused_until_the_first_has_ended(lock: Path, other, caplog) -> None:
    said = rf"^box: process {other.pid} on \S+ .* remove .*\.lock$"
    with pytest.raises(InputError, match=said), locked(lock, what="box"):
        pass
    other.kill()  # and not waited for: a zombie has ended, too
    time.sleep(0.1)
    with locked(lock, what="box"):
        assert json.loads(lock.read_text())["pid"] == os.getpid()
    assert "which has ended" in caplog.text
    assert os.listdir(lock.parent) == []


def test_a_thread_may_hold_it_twice_and_another_not(lock: Path) -> None:
    said: list[str] = []

    def enter() -> None:
        try:
            with locked(lock, what="box"):
                pass
        except InputError as error:
            said.append(str(error))

    with locked(lock, what="box"):
        with locked(lock, what="box"):
            pass
        assert lock.exists()
        thread = threading.Thread(target=enter)
        thread.start()
        thread.join()
    assert len(said) == 1
    assert not lock.exists()


def test_a_lock_is_given_back_when_the_work_fails(lock: Path) -> None:
    with pytest.raises(RuntimeError), locked(lock, what="box"):
        raise RuntimeError
    assert not lock.exists()


@pytest.mark.parametrize(("minutes", "taken"), [(0, False), (25, False), (31, True)])
def test_another_machine_is_believed_for_half_an_hour(lock: Path, minutes, taken) -> None:
    change(lock, minutes=minutes, host="far", boot="other", namespace="pid:[1]")
    if taken:
        with locked(lock, what="box"):
            assert json.loads(lock.read_text())["pid"] == os.getpid()
    else:
        with pytest.raises(InputError, match="process 1 on far"), locked(lock, what="box"):
            pass


def test_a_process_of_the_same_number_in_another_container_is_not_ours(lock: Path, other) -> None:
    change(lock, namespace="pid:[1]", pid=2**22 + 1)  # no such process here
    with pytest.raises(InputError, match="is at work in it"), locked(lock, what="box"):
        pass


def test_a_number_that_another_process_has_now_is_not_believed(lock: Path, other) -> None:
    change(lock, started="1")
    with locked(lock, what="box"):
        pass


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": "x"}'])
def test_a_lock_that_cannot_be_read_is_removed_when_it_is_old(lock: Path, text) -> None:
    lock.parent.mkdir()
    lock.write_text(text)
    with pytest.raises(InputError, match="is at work in it"), locked(lock, what="box"):
        pass
    then = time.time() - 3600
    os.utime(lock, (then, then))
    with locked(lock, what="box"):
        pass


@pytest.mark.parametrize("seed", range(8))
def test_one_of_many_gets_a_lock_whose_owner_has_ended(
    lock: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    change(lock, minutes=60)
    inside, most, refused, rng = [], [], [], random.Random(seed)
    owner = locks._owner

    def slowly(path: Path) -> dict:  # so that one is interrupted between any two of its steps
        found = owner(path)
        time.sleep(rng.choice((0, 0.005, 0.02)))
        return found

    def enter() -> None:
        try:
            with locked(lock, what="box"):
                inside.append(1)
                most.append(len(inside))
                time.sleep(0.05)
                inside.pop()
        except InputError:
            refused.append(1)

    monkeypatch.setattr(locks, "_owner", slowly)
    threads = [threading.Thread(target=enter) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert max(most) == 1
    assert len(most) + len(refused) == 12
    assert os.listdir(lock.parent) == []


def test_file_systems_without_links_have_locks_too(lock: Path, monkeypatch) -> None:
    def none(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "link", none)
    with locked(lock, what="box"):
        assert json.loads(lock.read_text())["pid"] == os.getpid()
    assert not lock.exists()


def test_where_nothing_can_be_written_there_is_no_lock(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with locked(tmp_path / "file" / ".lock", what="box"):
        pass


def test_a_process_that_cannot_be_seen_is_believed(lock: Path, other, monkeypatch) -> None:
    """Where /proc hides the processes of others (hidepid=2), a signal says that one is there."""
    real = locks._text
    monkeypatch.setattr(locks, "_text", lambda path: "" if f"/{other.pid}/" in path else real(path))
    with pytest.raises(InputError, match=f"process {other.pid} on"), locked(lock, what="box"):
        pass


def test_a_heartbeat_survives_a_file_that_cannot_be_read_for_a_moment(
    lock: Path, monkeypatch, caplog
) -> None:
    monkeypatch.setattr(locks, "_BEAT", 0.01)
    real, failing = locks._owner, iter([{}, {}])
    monkeypatch.setattr(locks, "_owner", lambda path: next(failing, None) or real(path))
    with locked(lock, what="box"):
        os.utime(lock, (0, 0))
        until = time.time() + 10
        while lock.stat().st_mtime == 0 and time.time() < until:
            time.sleep(0.01)
        assert lock.stat().st_mtime > 0
    assert "another process has taken over" not in caplog.text


def test_the_refusal_says_what_the_other_does_and_why_one_waits(tmp_path, monkeypatch):
    monkeypatch.setattr("sys.argv", ["/usr/bin/overdensity", "limits", "search.yaml"])
    refused = []

    def other() -> None:
        try:
            with locked(tmp_path / ".lock", what="runs/box", why="one at a time"):
                pass
        except InputError as error:
            refused.append(str(error))

    with locked(tmp_path / ".lock", what="runs/box"):
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
    assert "at work in it (overdensity limits search.yaml): one at a time; wait" in refused[0]
