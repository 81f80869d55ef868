"""Files of JSON lines survive that a study was stopped in the middle of one."""

from __future__ import annotations

from pathlib import Path

import pytest

from overdensity.core.json_lines import add_line, read_lines


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "made.jsonl"
    for seed in range(2):
        add_line(path, {"seed": seed, "z": [None, 1.5]})
    return path


def test_a_file_has_the_lines_that_were_added(file: Path) -> None:
    assert read_lines(file) == [{"seed": seed, "z": [None, 1.5]} for seed in range(2)]
    assert file.read_text().count("\n") == 2


@pytest.mark.parametrize("bytes_left", [1, 10, 25])
def test_a_line_that_was_cut_off_is_none_and_spoils_no_other(file: Path, bytes_left: int) -> None:
    whole = file.read_bytes()
    file.write_bytes(whole + whole[:bytes_left])
    assert len(read_lines(file)) == 2
    add_line(file, {"seed": 2})
    assert [each["seed"] for each in read_lines(file)] == [0, 1, 2]


def test_a_letter_that_was_cut_in_two_is_no_error(file: Path) -> None:
    with file.open("ab") as cut:
        cut.write('{"seed": "é'.encode()[:-1])
    add_line(file, {"seed": 2})
    assert [each["seed"] for each in read_lines(file)] == [0, 1, 2]


def test_what_is_no_result_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "made.jsonl").write_text('3\n[1]\n\n{"seed": 4}\n')
    assert read_lines(tmp_path / "made.jsonl") == [{"seed": 4}]
