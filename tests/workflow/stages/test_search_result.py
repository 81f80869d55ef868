"""What ``results.json`` holds stays what other programs read."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

from overdensity.stats import SelectionResult, WindowResult
from overdensity.workflow.stages.search_result import BestResult, SearchResults, run_of_results


def test_results_come_back_from_their_file(finished_run: Path) -> None:
    path = finished_run / "results.json"
    results = SearchResults.from_json(path)
    stored = json.loads(path.read_text())
    assert stored.pop("checksum")
    assert results.to_dict() == stored
    assert isinstance(results.best, BestResult)
    assert all(isinstance(window, WindowResult) for window in results.windows)
    assert all(
        isinstance(row, SelectionResult)
        for window in results.windows
        for row in (window.unselected, *window.selections)
    )


def test_rows_agree_with_the_best_result(finished_run: Path) -> None:
    results = SearchResults.from_json(finished_run / "results.json")
    best = results.best
    assert best is not None
    window = results.windows[best.window]
    assert (window.low, window.high) == (best.low, best.high)
    quoted = [row.p_local for each in results.windows for row in each.searched if not row.flagged]
    assert best.p_local == min(value for value in quoted if value is not None)
    tightest = results.truth[-1]
    assert tightest.signal + tightest.background == window.selections[-1].observed


def test_no_field_is_lost_without_a_word() -> None:
    names = {field.name for field in dataclasses.fields(SearchResults)}
    assert names >= {"windows", "best", "fit", "flags", "provenance", "key", "truth", "pseudo_z"}


def test_results_print_as_a_table_of_forty_lines_at_most(finished_run: Path) -> None:
    results = SearchResults.from_json(finished_run / "results.json")
    lines = str(results).splitlines()
    assert lines[0] == f"{results.n_events} events in the scan range"
    assert len(lines) <= 40
    assert results.best is not None
    assert any(f"mass {results.best.mass:.0f} ± " in line for line in lines)


def test_the_table_says_what_is_of_several_partitions(repeated_run: Path) -> None:
    title = str(SearchResults.from_json(repeated_run / "results.json")).splitlines()[0]
    assert title.endswith("; p and z of 3 partitions, counts of one")


def test_the_file_keeps_the_keys_that_others_read(finished_run: Path) -> None:
    row = json.loads((finished_run / "results.json").read_text())["windows"][0]["selections"][0]
    assert list(row) == [
        *("efficiency", "observed", "expected", "expected_error", "spurious", "p_local", "z_local"),
        *("chi2", "ndf", "fit_p_value", "flagged", "refused", "searched"),
    ]


def test_results_know_their_run_wherever_they_are(repeated_run: Path, tmp_path: Path) -> None:
    moved = Path(shutil.copytree(repeated_run, tmp_path / "moved"))
    results = SearchResults.from_json(moved / "results.json")
    run = run_of_results(results, moved)
    assert (run.folder, run.repeat) == (moved, results.partition)
    assert len(run.windows) == len(results.windows)
    assert run.partition(0).key("results") == results.key
