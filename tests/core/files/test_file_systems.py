"""A path or URL has a file system, or one sentence that says what is missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from overdensity.core import InputError
from overdensity.core.files.file_systems import file_system


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
