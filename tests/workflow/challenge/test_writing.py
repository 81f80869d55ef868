from __future__ import annotations

from pathlib import Path

import pytest

from overdensity.core import InputError
from overdensity.workflow.challenge.writing import must_be_free, writing_to


def test_an_error_of_the_system_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.touch()
    with (
        pytest.raises(InputError, match=r"file: cannot be written \(File exists\)"),
        writing_to(path),
    ):
        path.mkdir()


def test_a_file_that_is_there_is_kept(tmp_path: Path) -> None:
    must_be_free(tmp_path / "new")
    (tmp_path / "new").touch()
    with pytest.raises(InputError, match=r"new exists already"):
        must_be_free(tmp_path / "new")
    with pytest.raises(InputError, match=r"none: no such folder to write key.json to"):
        must_be_free(tmp_path / "none" / "key.json")
