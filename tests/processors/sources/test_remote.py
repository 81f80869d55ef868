"""Whole files behind any fsspec URL."""

from __future__ import annotations

import errno

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from overdensity.core import InputError
from overdensity.processors.sources.remote import (
    read_bytes,
    unreadable,
    write_bytes,
)


@pytest.mark.parametrize("scheme", ["file", "memory"])
def test_what_is_written_is_read(tmp_path, scheme) -> None:
    folder = f"{scheme}://{tmp_path}"
    fs, root = fsspec.core.url_to_fs(folder)
    fs.makedirs(root, exist_ok=True)
    write_bytes(f"{folder}/a.json", b"one")
    write_bytes(f"{folder}/a.json", b"two")
    assert read_bytes(f"{folder}/a.json") == b"two"
    assert [name.rpartition("/")[2] for name in fs.ls(root, detail=False)] == ["a.json"]


def test_a_server_without_pipe_is_written_through_an_open_file(monkeypatch) -> None:
    def absent(*arguments: object, **options: object) -> None:
        raise NotImplementedError

    monkeypatch.setattr(MemoryFileSystem, "pipe_file", absent)
    write_bytes("memory://opened.json", b"{}")
    assert read_bytes("memory://opened.json") == b"{}"


def test_a_place_that_takes_no_files_is_refused(monkeypatch) -> None:
    def absent(*arguments: object, **options: object) -> None:
        raise NotImplementedError

    monkeypatch.setattr(MemoryFileSystem, "mv", absent)
    with pytest.raises(InputError, match="nothing can be written there by fsspec's Memory"):
        write_bytes("memory://a.json", b"{}")


def test_a_server_that_goes_away_is_one_error(monkeypatch) -> None:
    def gone(*arguments: object, **options: object) -> None:
        raise OSError(errno.ECONNREFUSED, "Connection refused")

    for step in ("pipe_file", "exists"):
        monkeypatch.setattr(MemoryFileSystem, step, gone)
    with pytest.raises(InputError, match=r"a\.json: cannot be written .*Connection refused"):
        write_bytes("memory://a.json", b"{}")


def test_a_server_that_keeps_a_part_and_says_nothing_is_found_out(monkeypatch) -> None:
    whole = MemoryFileSystem.pipe_file

    def part(self: MemoryFileSystem, path: str, value: bytes, **options: object) -> None:
        whole(self, path, value[:2])

    monkeypatch.setattr(MemoryFileSystem, "pipe_file", part)
    fsspec.filesystem("memory").makedirs("/cut", exist_ok=True)
    with pytest.raises(InputError, match=r"a\.json: cannot be written .*No space left"):
        write_bytes("memory://cut/a.json", b"{1: 2}")
    assert fsspec.filesystem("memory").ls("/cut") == []


def test_a_missing_file_is_named() -> None:
    with pytest.raises(InputError, match=r"^memory://nowhere\.json: no such file$"):
        read_bytes("memory://nowhere.json")


def test_the_error_of_a_file_that_cannot_be_read_is_one_sentence() -> None:
    assert str(unreadable("a.root", FileNotFoundError(), "ROOT")) == "a.root: no such file"
    text = str(unreadable("a.root", OSError("bad magic\n"), "ROOT"))
    assert text == "a.root: not a readable ROOT file, perhaps truncated; copy it again (bad magic)"


@pytest.mark.parametrize(
    "error", [OSError("XRootD error: [FATAL] Connection error"), TimeoutError("timed out")]
)
def test_a_server_without_an_answer_is_not_taken_for_a_damaged_file(error) -> None:
    assert "its server does not answer" in str(unreadable("root://x//a", error, "ROOT"))
    assert "perhaps truncated" in str(unreadable("a", error, "ROOT"))


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (errno.EACCES, "may not be read by you"),
        (errno.EAGAIN, "is locked by a program that writes it"),
    ],
)
def test_a_file_that_is_kept_from_us_is_not_taken_for_a_damaged_one(number, said) -> None:
    error = OSError(number, "Unable to synchronously open file")
    assert str(unreadable("/a.h5", error, "HDF5")).startswith(f"/a.h5: {said}")


def test_a_folder_in_place_of_a_file_is_said_to_be_one(tmp_path) -> None:
    said = str(unreadable(str(tmp_path), IsADirectoryError(errno.EISDIR, "x"), "ROOT"))
    assert said.startswith(f"{tmp_path}: a folder, not a file")
