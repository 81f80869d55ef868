"""Rows and windows of a result."""

from __future__ import annotations

import dataclasses

import pytest

from overdensity.stats import SelectionResult, WindowResult
from overdensity.stats.search.hunt_result import windows_table

ROW = SelectionResult(0.1, 120, 100.0, 3.0, 4.0, 0.03, 1.9, 12.0, 10, 0.3, False, False)
SHOWN = dataclasses.replace(ROW, efficiency=1.0, p_local=1e-3, z_local=3.1, searched=False)
FLAGGED = dataclasses.replace(ROW, p_local=None, z_local=None, flagged=True)


def window(*selections: SelectionResult, before: SelectionResult = SHOWN) -> WindowResult:
    return WindowResult(3464.1, 3000.0, 4000.0, before, selections)


def test_the_total_error_is_that_of_the_fit_and_the_spurious_signal() -> None:
    assert ROW.total_error == pytest.approx(5.0)
    assert dataclasses.replace(ROW, expected_error=None).total_error == 4.0


def test_a_row_survives_json() -> None:
    for row in (ROW, FLAGGED, SHOWN):
        assert SelectionResult.from_dict(row.to_dict()) == row


def test_the_most_significant_selection_is_one_that_may_be_quoted() -> None:
    tight = dataclasses.replace(ROW, efficiency=0.01, p_local=0.2)
    assert window(ROW, tight).most_significant is ROW
    assert window(FLAGGED, tight).most_significant is tight
    assert window(FLAGGED).most_significant is None


def test_the_unselected_spectrum_is_one_of_the_tests_where_it_is_searched() -> None:
    before = dataclasses.replace(SHOWN, searched=True)
    assert window(ROW, before=before).most_significant is before
    assert window(ROW, before=before).searched == (before, ROW)
    assert window(ROW).searched == (ROW,)
    assert window(ROW).rows == (SHOWN, ROW)


def test_a_table_has_one_line_a_window() -> None:
    table = windows_table("title", [window(ROW), window(FLAGGED)], best=0)
    assert table.columns[-1] == "z all events"
    assert table.rows[0] == ("3000-4000", "10 %", "120", "100.0 ± 3.0", "0.03", "1.9σ", "3.1σ")
    assert table.rows[1] == ("3000-4000", *["flagged"] * 5, "3.1σ")
    assert table.styles == {0: "bold", 1: "dim"}
