"""The top of the report says no more than the search has found."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from overdensity.workflow import SearchResults
from overdensity.workflow.report.headline import corrections, headline, numbers
from overdensity.workflow.stages.search_result import HIDES_SIGNAL


@pytest.fixture
def results(finished_run: Path) -> SearchResults:
    return SearchResults.from_json(finished_run / "results.json")


def with_best(results: SearchResults, **changes: Any) -> SearchResults:
    assert results.best is not None
    return replace(results, best=replace(results.best, **changes))


COUNTED = {"p_global_is_limit": False, "p_global_extrapolated": False}
BEYOND = {"p_global_is_limit": False, "p_global_extrapolated": True}


def test_an_excess_is_named_with_its_mass(results: SearchResults) -> None:
    excess = with_best(results, mass=3812.0, p_global=1e-3, z_global=3.09, **COUNTED)
    assert headline(excess) == "Excess at 3.81 TeV, global significance = 3.1σ"
    assert ("global p-value", "0.001") in numbers(excess)


def test_what_lies_beyond_the_pseudo_experiments_is_marked(results: SearchResults) -> None:
    beyond = with_best(results, p_global=1e-6, p_global_error=1e-7, z_global=4.75, **BEYOND)
    assert headline(beyond).endswith("= 4.8σ, extrapolated beyond the pseudo-experiments")
    assert dict(numbers(beyond))["global p-value"] == "1e-06 ± 1e-07, extrapolated"
    counted, crossings, _ = corrections(beyond)
    assert counted["p"].startswith("≤ ")
    assert "none came up to the data" in counted["what"]
    assert crossings["what"].endswith("what is quoted")


def test_what_is_below_all_numbers_is_a_limit(results: SearchResults) -> None:
    assert results.trials is not None
    least = replace(results.trials, gross_vitells=0.0, gross_vitells_error=0.0, sidak=0.0)
    beyond = BEYOND | {"p_global_is_limit": True}
    nothing = with_best(results, p_global=1e-300, p_global_error=0.0, z_global=37.04, **beyond)
    assert "significance ≥ 37.0σ" in headline(nothing)
    assert dict(numbers(nothing))["global p-value"] == "≤ 1e-300, extrapolated"
    _, crossings, independent = corrections(replace(nothing, trials=least))
    for row in (crossings, independent):
        assert (row["p"], row["z"]) == ("< 1e-300", "≥ 37.0σ")


def test_what_was_counted_is_not_extrapolated(results: SearchResults) -> None:
    counted, crossings, _ = corrections(with_best(results, **COUNTED))
    assert counted["what"].endswith("what is quoted")
    assert not crossings["what"].endswith("what is quoted")


def test_the_unselected_spectrum_stands_beside_the_selection(results: SearchResults) -> None:
    assert results.best is not None
    before = results.windows[results.best.window].unselected.z_local
    assert dict(numbers(results))["all events, this window"] == f"{before:.1f}σ"


def test_what_is_not_to_be_quoted_has_no_number_in_the_headline(results: SearchResults) -> None:
    study = replace(results, flags=(HIDES_SIGNAL,))
    assert headline(study).startswith("Not to be quoted: ")
    assert "σ" not in headline(study)


def test_no_result_has_no_numbers(results: SearchResults) -> None:
    none = replace(results, best=None)
    assert headline(none).startswith("No result")
    assert (numbers(none), corrections(none)) == ([], [])
