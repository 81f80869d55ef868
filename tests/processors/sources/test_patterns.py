"""Patterns where a user may write them."""

from __future__ import annotations

import os
from pathlib import Path

import fsspec
import pytest

from overdensity.core import InputError
from overdensity.processors.sources.filesets import datasets


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    for name in ("a.root", "b.root", "ab.root", "job[12]/a.root", "job1/z.root", "job{1,2}/q.root"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ("?.root", ["a.root", "b.root"]),
        ("{a,b}.root", ["a.root", "b.root"]),
        ("{b,a}.root", ["b.root", "a.root"]),
        ("{a,{b,ab}}.root", ["a.root", "b.root", "ab.root"]),
        ("{a,?}.root", ["a.root", "b.root"]),
        ("[ab].root", ["a.root", "b.root"]),
        ("job[12]/*.root", ["job[12]/a.root"]),
        ("job[12]", ["job[12]/a.root"]),
        ("job{1,2}/?.root", ["job{1,2}/q.root"]),
        ("job[1]/*.root", ["job1/z.root"]),
        ("job?", ["job1/z.root"]),
    ],
)
def test_what_a_pattern_means(folder, given, found) -> None:
    (dataset,) = datasets(given)
    assert [os.path.relpath(path, folder) for path in dataset.files] == found


def test_a_folder_with_brackets_is_a_place_to_work_in(folder, monkeypatch) -> None:
    monkeypatch.chdir(folder / "job[12]")
    (dataset,) = datasets("*.root")
    assert dataset.files == (f"{folder}/job[12]/a.root",)


def test_the_part_without_a_match_is_named(folder) -> None:
    with pytest.raises(InputError, match=r"^c\.root: no file matches \(of \{a,c\}\.root\)"):
        datasets("{a,c}.root")


def test_files_behind_urls_may_have_such_names() -> None:
    memory = fsspec.filesystem("memory")
    for name in ("job[12]/a.root", "job1/z.root"):
        memory.pipe_file(f"/patterns/{name}", b"")
    (dataset,) = datasets("memory://patterns/job[12]/a.root")
    assert dataset.files == ("memory:///patterns/job[12]/a.root",)


def test_home_and_links_are_followed(folder, monkeypatch) -> None:
    monkeypatch.setenv("HOME", str(folder))
    assert datasets("~/a.root")[0].files == (f"{folder}/a.root",)
    os.symlink("a.root", "c.root")
    with pytest.raises(InputError, match=r"c\.root and .*a\.root are one file"):
        datasets(["a.root", "c.root"])
