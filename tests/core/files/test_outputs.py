"""Places of results: tried before the work, held while it is done, and left as they were by a failure."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from overdensity.core import InputError
from overdensity.core.files.outputs import own_folder, refuse_unwritable


def test_a_place_that_can_be_written_is_left_as_it_was(tmp_path: Path) -> None:
    refuse_unwritable(tmp_path / "a" / "b.json")
    refuse_unwritable(tmp_path / "a", folder=True)
    refuse_unwritable("b.json")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("place", "folder", "said"),
    [
        ("file/a.json", False, "cannot be written (Not a directory)"),
        ("file", True, "cannot be written (Not a directory)"),
        ("", False, "a folder; give the name of a file"),
        ("/proc/1/x/a.json", False, "cannot be written"),
    ],
)
def test_a_place_that_cannot_be_written_is_said(
    tmp_path: Path, place: str, folder: bool, said: str
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError) as error:
        refuse_unwritable(tmp_path / place, folder=folder)
    assert said in str(error.value)


def test_a_folder_has_one_owner(tmp_path: Path) -> None:
    refused: list[str] = []

    def second() -> None:
        with pytest.raises(InputError) as error, own_folder(tmp_path / "out"):
            pass
        refused.append(str(error.value))

    with own_folder(tmp_path / "out"):
        thread = threading.Thread(target=second)
        thread.start()
        thread.join()
    assert "is at work in it" in refused[0]


@pytest.mark.parametrize("written", [False, True])
def test_a_failure_leaves_no_empty_folder(tmp_path: Path, written: bool) -> None:
    out = tmp_path / "out"

    def work() -> None:
        with own_folder(out):
            if written:
                (out / "half").touch()
            (out / "none").read_text()

    with pytest.raises(FileNotFoundError):
        work()
    assert out.exists() == written
