from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

Call = Callable[..., tuple[int, str, str]]


def test_two_searches_of_one_name_are_refused(call: Call, search_file: Path) -> None:
    code, _, err = call("combine", search_file, search_file, "--out", search_file.parent / "both")
    assert code == 2
    assert "two searches are named search" in err


def test_a_search_that_is_not_there_is_named(call: Call, tmp_path: Path) -> None:
    code, _, err = call("combine", tmp_path / "none.yaml", "--out", tmp_path / "both")
    assert code == 2
    assert "none.yaml: no such configuration file" in err
