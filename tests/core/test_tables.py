from __future__ import annotations

import io

import pytest
from rich.console import Console

from overdensity.core.tables import Printed, Table

ROWS = tuple((str(n), f"{n}.5") for n in range(100))


def test_text_has_title_headings_and_every_row() -> None:
    text = Table("Numbers", ("n", "half"), ROWS[:3]).text()
    assert text.splitlines() == ["Numbers", "n  half", "-------", "0   0.5", "1   1.5", "2   2.5"]


def test_words_are_aligned_left_and_numbers_right() -> None:
    rows = (("a", "1"), ("long", "100"))
    lines = Table("", ("name", "events"), rows, left=1).text().splitlines()
    assert lines[3:] == ["a          1", "long     100"]


@pytest.mark.parametrize("notes", [0, 3, 100])
@pytest.mark.parametrize("rows", [0, 5, 36, 37, 38, 100])
def test_text_has_forty_lines_at_most(rows: int, notes: int) -> None:
    table = Table("Many", ("n", "half"), ROWS[:rows], notes=("a note",) * notes)
    assert len(table.text().splitlines()) <= 40


def test_rows_and_notes_that_are_left_out_are_counted() -> None:
    text = Table("Many", ("n", "half"), ROWS, notes=("a note",) * 50).text()
    shown = [line for line in text.splitlines() if line.endswith(".5")]
    assert f"… {100 - len(shown)} rows more" in text
    noted = text.count("- a note")
    assert noted
    assert f"… {50 - noted} lines more" in text


def test_few_rows_leave_their_room_to_the_notes() -> None:
    assert (
        Table("Few", ("n", "half"), ROWS[:2], notes=("a note",) * 30).text().count("a note") == 30
    )


def test_bold_rows_are_shown_whatever_else_is_left_out() -> None:
    text = Table("Many", ("n", "half"), ROWS, styles={77: "bold"}).text()
    assert "77  77.5" in text


def test_html_escapes_what_it_is_given() -> None:
    table = Table("a < b", ("<i>",), (("&",),), notes=("<script>",))
    page = table.html()
    assert "a &lt; b" in page
    assert "<td>&amp;</td>" in page
    assert "<script>" not in page


def test_rich_shows_the_text_as_it_is() -> None:
    file = io.StringIO()
    console = Console(file=file, width=60)
    console.print(Table("x [GeV]", ("[bold]",), (("[red]",),)).rich())
    shown = file.getvalue()
    assert "x [GeV]" in shown
    assert "[bold]" in shown
    assert "[red]" in shown


def test_a_printed_result_is_its_table() -> None:
    class One(Printed):
        def table(self) -> Table:
            return Table("One", ("n", "half"), ROWS[:1])

    assert str(One()) == One().table().text()
    assert One()._repr_html_() == One().table().html()
