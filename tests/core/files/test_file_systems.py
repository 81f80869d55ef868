"""A path or URL has a file system, or one sentence that says what is missing."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import pytest

from overdensity.core import InputError
from overdensity.core.files.file_systems import absent, file_system


def test_a_path_is_a_file_of_this_machine(tmp_path: Path) -> None:
    fs, name = file_system(str(tmp_path / "a.root"))
    assert fs.protocol == ("file", "local")
    assert name == str(tmp_path / "a.root")


@pytest.mark.parametrize(
    ("url", "words"),
    [("foo://x/a.root", "opens 'foo://'"), ("s3://x/a.root", "s3fs"), ("gs://x/a", "gcsfs")],
)
def test_what_is_missing_is_named(url: str, words: str) -> None:
    pytest.importorskip("fsspec")
    with pytest.raises(InputError, match=words) as caught:
        file_system(url)
    assert str(caught.value).startswith(f"{url}: ")


def test_an_xrootd_server_is_waited_for_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XRD_CONNECTIONRETRY", "7")
    monkeypatch.delenv("XRD_CONNECTIONWINDOW", raising=False)
    with suppress(InputError):  # where nothing opens it
        file_system("root://localhost:1//a.root")
    assert (os.environ["XRD_CONNECTIONWINDOW"], os.environ["XRD_CONNECTIONRETRY"]) == ("20", "7")
    del os.environ["XRD_CONNECTIONWINDOW"]


@pytest.mark.parametrize(
    ("raised", "said"),
    [
        (OSError("[FATAL] Connection error"), "its server does not answer"),
        (FileNotFoundError("a"), "no such file"),
    ],
)
def test_a_server_that_does_not_answer_is_no_missing_file(
    monkeypatch: pytest.MonkeyPatch, raised: Exception, said: str
) -> None:
    class Server:
        @staticmethod
        def info(name: str) -> None:
            raise raised

    monkeypatch.setattr("fsspec.core.url_to_fs", lambda url: (Server, url))
    assert str(absent("root://x//a.parquet")).startswith(f"root://x//a.parquet: {said}")


def test_what_has_no_end_is_no_file(tmp_path: Path) -> None:
    """Reading it would wait for ever."""
    os.mkfifo(tmp_path / "a.h5")
    for path in (str(tmp_path / "a.h5"), "/dev/zero"):
        with pytest.raises(InputError, match="a pipe or device, and no file"):
            file_system(path)
