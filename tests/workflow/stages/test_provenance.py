"""What a result was made from, and hashes of what a stage depends on."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import fsspec
import numpy as np
import pytest

from overdensity.core import InputError
from overdensity.workflow.stages import provenance
from overdensity.workflow.stages.provenance import Provenance, file_states, input_files, stage_key


def test_a_file_is_described_by_name_size_and_time(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    path.write_bytes(b"12345")
    os.utime(path, (86400, 86400))
    (found,) = input_files([path])
    assert (found.path, found.bytes, found.modified) == (str(path), 5, "1970-01-02T00:00:00+00:00")
    assert file_states([path]) == [(str(path), 5, "1970-01-02T00:00:00+00:00")]


def test_files_keep_their_order(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in "cab"]
    for path in paths:
        path.touch()
    assert [found.path for found in input_files(paths)] == list(map(str, paths))


def test_files_behind_urls_are_described_too() -> None:
    with fsspec.open("memory://provenance/a.bin", "wb") as file:
        file.write(b"123")
    (found,) = input_files(["memory://provenance/a.bin"])
    assert found.bytes == 3


def test_a_missing_file_says_where_it_was_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=f"none.h5: no such file .looked at {tmp_path}/none.h5"):
        input_files(["none.h5"])


def test_a_key_depends_on_values_and_not_on_the_order_of_names() -> None:
    key = stage_key("scores", {"a": 1, "b": (1.5, None)})
    assert key == stage_key("scores", {"b": [1.5, None], "a": 1})
    assert key != stage_key("scores", {"a": 2, "b": [1.5, None]})
    assert len(key) == 16


def test_what_another_version_has_made_is_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    key = stage_key("scores")
    monkeypatch.setattr(provenance, "version", lambda _: "99")
    assert stage_key("scores") != key


def test_state_of_the_machine_is_taken_down(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    path.touch()
    found = Provenance.of({"seed": 3}, 3, [str(path)])
    assert found.configuration == {"seed": 3}
    assert [file.path for file in found.inputs] == [str(path)]
    assert found.versions["python"] == platform.python_version()
    assert found.versions["numpy"] == np.__version__
    assert Provenance.from_dict(found.to_dict()) == found


def test_a_package_that_is_not_there_is_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provenance, "_PACKAGES", ("no-such-package",))
    assert Provenance.of({}, 1, []).versions["no-such-package"] == "not installed"
