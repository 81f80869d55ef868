"""Files beside a result, as they were written."""

from __future__ import annotations

from pathlib import Path

import pytest

from overdensity.workflow.models.written_files import are_as_written, note_files


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "a.json").write_text('{"lumi": 1.5}')
    note_files(tmp_path, ("a.json", "none.txt"))
    return tmp_path


def test_files_that_are_as_they_were_are_kept(folder: Path) -> None:
    assert are_as_written(folder)
    (folder / "none.txt").touch()  # was not there, and is another's
    assert are_as_written(folder)


@pytest.mark.parametrize("what", ["one digit", "gone", "the notes"])
def test_what_has_changed_is_said(folder: Path, what: str, caplog) -> None:
    if what == "gone":
        (folder / "a.json").unlink()
    elif what == "one digit":
        (folder / "a.json").write_text('{"lumi": 1.6}')
    else:
        (folder / "written.json").write_text("{")
    assert not are_as_written(folder)
    assert len(caplog.messages) == 1


def test_a_folder_without_notes_is_as_it_was(tmp_path: Path) -> None:
    assert are_as_written(tmp_path)
