"""What ``results.json`` holds stays what others script against."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

from overdensity.workflow.stages.search_result import (
    BestResult,
    SearchResults,
    SelectionSummary,
    WindowSummary,
)


def test_results_come_back_from_their_file(finished_run: Path) -> None:
    path = finished_run / "results.json"
    results = SearchResults.from_json(path)
    assert results.to_dict() == json.loads(path.read_text())
    assert isinstance(results.best, BestResult)
    assert all(isinstance(window, WindowSummary) for window in results.windows)
    assert all(
        isinstance(row, SelectionSummary)
        for window in results.windows
        for row in (window.unselected, *window.selections)
    )


def test_rows_agree_with_the_best_result(finished_run: Path) -> None:
    results = SearchResults.from_json(finished_run / "results.json")
    best = results.best
    assert best is not None
    window = results.windows[best.window]
    assert (window.low, window.high) == (best.low, best.high)
    quoted = [row.p_local for each in results.windows for row in each.selections if not row.flagged]
    assert best.p_local == min(value for value in quoted if value is not None)
    tightest = results.truth[-1]
    assert tightest.signal + tightest.background == window.selections[-1].observed


def test_no_field_is_lost_without_a_word() -> None:
    names = {field.name for field in dataclasses.fields(SearchResults)}
    assert names >= {"windows", "best", "fit", "flags", "provenance", "key", "truth", "pseudo_z"}
