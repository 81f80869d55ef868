from __future__ import annotations

from pathlib import Path

import pytest

from overdensity.core import InputError, OverdensityError
from overdensity.workflow.cluster.campaign import in_file_names, make_files, run_campaign
from overdensity.workflow.cluster.connecting import connect


def work(folder: Path, name: str, failures: int) -> None:
    """Fail the first few times, then leave a file."""
    tries = folder / f"{name}.tries"
    count = len(tries.read_text()) if tries.exists() else 0
    tries.write_text("x" * (count + 1))
    if failures < 0:
        msg = "refused for good"
        raise InputError(msg)
    if count < failures:
        msg = "the disk was full"
        raise OSError(msg)
    (folder / name).touch()


def run(folder: Path, failures: dict[str, int]) -> list[str]:
    done: list[str] = []
    tasks = {name: (folder, name, number) for name, number in failures.items()}
    with connect("threads", 2) as client:
        run_campaign(client, work, tasks, description="campaign", done=done.append)
    return done


def test_what_fails_once_is_tried_again(tmp_path: Path) -> None:
    assert sorted(run(tmp_path, {"a": 0, "b": 1, "c": 0})) == ["a", "b", "c"]
    assert (tmp_path / "b.tries").read_text() == "xx"


def test_failures_are_told_at_the_end_and_the_others_are_kept(tmp_path: Path) -> None:
    with pytest.raises(OverdensityError, match=r"1 of 4 tasks failed, such as b \(the disk was"):
        run(tmp_path, {"a": 0, "b": 5, "c": 0, "d": 0})
    assert all((tmp_path / name).is_file() for name in "acd")


def test_what_is_refused_is_not_tried_again(tmp_path: Path) -> None:
    with pytest.raises(OverdensityError, match="refused for good"):
        run(tmp_path, {"a": -1, "b": 0})
    assert (tmp_path / "a.tries").read_text() == "x"


def test_no_tasks_no_work(tmp_path: Path) -> None:
    assert run(tmp_path, {}) == []


def put(whole: str, task: int, path: Path) -> None:
    """Write a file, whose folder is made for it."""
    assert path.is_absolute()
    path.write_text(f"{whole} {task}")


def test_files_that_are_there_are_not_made_again(tmp_path: Path) -> None:
    files = {task: tmp_path / f"{task}.txt" for task in range(3)}
    files[1].write_text("kept")
    with connect("threads", 2) as client:
        make_files(client, put, "all", files, description="files")
    assert [path.read_text() for path in files.values()] == ["all 0", "kept", "all 2"]


def test_names_become_those_of_files() -> None:
    assert in_file_names("a/b: 3 %.json") == "a_b_3_.json"
