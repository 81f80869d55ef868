"""Several partitions into folds in the report, from a whole search."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from overdensity.workflow import SearchResults
from overdensity.workflow.report.repeats_section import repeats_section


@pytest.fixture
def results(repeated_run: Path) -> SearchResults:
    return SearchResults.from_json(repeated_run / "results.json")


def test_every_partition_has_a_row_and_the_combination_the_last(results: SearchResults) -> None:
    section, best = repeats_section(results), results.best
    assert section is not None
    assert best is not None
    assert [row[0] for row in section["rows"]][-1] == "all, combined"
    assert len(section["rows"]) == 4
    assert section["rows"][-1][1] == f"{best.z_local:.1f}σ"
    assert [name for name, *_ in section["rows"] if "shown above" in name] == [
        f"{results.partition + 1}, shown above"
    ]
    assert "3 times" in section["sentence"]


def test_one_partition_has_no_section(finished_run: Path, repeated_run: Path) -> None:
    alone = SearchResults.from_json(finished_run / "results.json")
    assert repeats_section(alone) is None
    assert "Other partitions" not in (finished_run / "report.html").read_text()
    assert "Other partitions" in (repeated_run / "report.html").read_text()


def test_the_significance_of_a_search_is_the_mean_over_its_partitions(
    results: SearchResults, finished_run: Path
) -> None:
    alone = SearchResults.from_json(finished_run / "results.json")
    repeats, best = results.repeats, results.best
    assert repeats is not None
    assert best is not None
    z = np.array(repeats.z_local, dtype=float)
    assert z.shape == (3, 3, 3)
    for window, one in enumerate(
        alone.windows
    ):  # the first partition is the search without repeats
        for row, selection in enumerate(one.rows):
            if selection.z_local is not None and not np.isnan(z[0, window, row]):
                assert z[0, window, row] == pytest.approx(selection.z_local)
    k = [row.efficiency for row in results.windows[best.window].rows].index(best.efficiency)
    mean = np.nanmean(np.maximum(z[:, best.window, k], -2))
    assert mean <= best.z_local <= mean * 3**0.25  # the events that three partitions share
    assert best.mass == pytest.approx(3800, rel=0.03)


def test_scores_of_the_first_partition_serve_any_number(
    finished_run: Path, repeated_run: Path
) -> None:
    before = {path.name for path in (finished_run / "scores").iterdir()}
    after = {path.name for path in (repeated_run / "scores").iterdir()}
    assert before < after
    assert len(after) == 3 * len(before)
