"""Folders whose names look like patterns."""

from __future__ import annotations

from pathlib import Path

import fsspec
import pytest

from overdensity.core.files.listing import data_files, file_names, folder_names, local_path

LOCAL = fsspec.filesystem("file")
NAMES = ["job[12]", "job?", "job*", "{a,b}", "era=2017", "a b", "plain", "[!x]"]


@pytest.fixture
def folder(tmp_path) -> Path:
    """Of each name a folder, with a file of its own and a folder."""
    for name in (*NAMES, "job1", "jobx", "a"):
        (tmp_path / name / "deeper").mkdir(parents=True)
        (tmp_path / name / f"of {name}.json").touch()
    return tmp_path


@pytest.mark.parametrize("name", NAMES)
def test_a_folder_is_the_one_of_its_name(folder, name):
    assert file_names(LOCAL, f"{folder}/{name}", ".json") == [f"of {name}.json"]
    assert folder_names(LOCAL, f"{folder}/{name}/") == ["deeper"]


def test_no_folder_holds_nothing(tmp_path):
    assert file_names(LOCAL, f"{tmp_path}/none") == []


@pytest.mark.parametrize(
    ("says", "empty"),
    [
        ("File stat request failed: [ERROR] Server responded with an error: [3011] none", True),
        ("File stat request failed: [FATAL] Connection error", False),
        ("File stat request failed: [ERROR] Operation expired", False),
    ],
)
def test_a_server_that_has_no_folder_is_not_one_that_is_silent(monkeypatch, says, empty):
    def ls(*_: object, **__: object) -> None:
        raise OSError(says)  # as fsspec-xrootd does

    memory = fsspec.filesystem("memory")
    monkeypatch.setattr(type(memory), "ls", ls)
    if empty:
        assert file_names(memory, "/none") == folder_names(memory, "/none") == []
    else:
        with pytest.raises(OSError, match="stat request failed"):
            file_names(memory, "/none")


def test_what_was_added_is_seen(folder):
    memory = fsspec.filesystem("memory")
    memory.pipe_file("/listing/a.json", b"")
    assert file_names(memory, "/listing") == ["a.json"]
    memory.pipe_file("/listing/b.json", b"")
    assert file_names(memory, "/listing") == ["a.json", "b.json"]


def test_data_are_in_the_folder_and_in_parts_of_a_divided_table(tmp_path):
    for name in (
        "b.parquet",
        "_SUCCESS",
        ".hidden.parquet",
        "era=2017/run=3/part-0.parquet",
        "era=2018/part-0.PARQUET",
        "columns/not.parquet",
        "table.parquet/part-0.parquet",
        "DAOD_X._000001.parquet.1",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    found = [
        str(Path(path).relative_to(tmp_path))
        for path in data_files(LOCAL, str(tmp_path), {".parquet"})
    ]
    assert found == [
        "DAOD_X._000001.parquet.1",
        "b.parquet",
        "era=2017/run=3/part-0.parquet",
        "era=2018/part-0.PARQUET",
        "table.parquet/part-0.parquet",
    ]


def test_home_is_meant_by_a_tilde_only_at_the_beginning(monkeypatch):
    monkeypatch.setenv("HOME", "/home/someone")
    assert local_path("~/a.h5") == "/home/someone/a.h5"
    assert local_path("runs/~") == "runs/~"
