from __future__ import annotations

import pytest

from overdensity.core.tables import Table
from overdensity.workflow.tables import print_table, say, say_flags, show_table


def test_numbers_are_aligned_right_and_words_left(capsys: pytest.CaptureFixture[str]) -> None:
    show_table(["cut", "events"], [["read", "900"], ["two jets", "75"]], words=1)
    lines = capsys.readouterr().out.splitlines()
    assert lines[3] == "│ read     │    900 │"
    assert lines[4] == "│ two jets │     75 │"


def test_square_brackets_are_text(capsys: pytest.CaptureFixture[str]) -> None:
    show_table(["a[b]"], [["[bold]x"]], title="[red]")
    say("pip install 'overdensity[networks]'")
    say_flags(["see [dim]"])
    out = capsys.readouterr().out
    for text in ("a[b]", "[bold]x", "[red]", "overdensity[networks]", "flag: see [dim]"):
        assert text in out


def test_a_long_line_is_not_broken(capsys: pytest.CaptureFixture[str]) -> None:
    say("word " * 60)
    assert capsys.readouterr().out.count("\n") == 1


def test_a_table_is_printed_with_all_its_rows(capsys: pytest.CaptureFixture[str]) -> None:
    rows = tuple((f"row {n}",) for n in range(60))
    print_table(Table("Many", ("name",), rows, left=1, notes=("said elsewhere",)))
    out = capsys.readouterr().out
    assert all(f"│ {name:6} │" in out for (name,) in rows)
    assert "said elsewhere" not in out
