from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from overdensity.stats.signal.daughters import DaughterMass
from overdensity.workflow import SearchResults, write_report


@pytest.fixture
def run(finished_run: Path, tmp_path: Path) -> Path:
    for name in ("results.json", "histograms.json"):
        (tmp_path / name).write_bytes((finished_run / name).read_bytes())
    return tmp_path


def page_of(results: SearchResults, run: Path) -> str:
    results.to_json(run / "results.json")
    return write_report(run).read_text()


@pytest.fixture
def results(run: Path) -> SearchResults:
    return SearchResults.from_json(run / "results.json")


@pytest.mark.figures
def test_page_stands_by_itself(results: SearchResults, run: Path) -> None:
    page = page_of(results, run)
    assert not re.findall(r'(?:src|href)="(?!data:)', page)
    assert page.count("<img") == 2 + len(results.spectra) + 1
    assert "Systematic uncertainties" not in page


def test_page_shows_every_window_and_selection(results: SearchResults, run: Path) -> None:
    page = page_of(results, run)
    for window in results.windows:
        rows = page.count(f"<td>{window.low:.0f}-{window.high:.0f}</td>")
        assert rows == 1 + len(window.selections) + 1  # unselected, selected, independence test
    assert page.count('<tr class="best">') == 1


def test_headline_names_the_excess(results: SearchResults, run: Path) -> None:
    best = results.best
    assert best is not None
    assert f"<h1>Excess at {best.mass / 1000:.2f} TeV" in page_of(results, run)


def test_headline_claims_nothing_where_there_is_nothing(results: SearchResults, run: Path) -> None:
    assert results.best is not None
    quiet = replace(results, best=replace(results.best, p_global=0.4, p_global_is_limit=False))
    assert "<h1>No excess: global p = 0.4" in page_of(quiet, run)


def test_result_without_a_quotable_fit_is_no_result(results: SearchResults, run: Path) -> None:
    none = replace(results, best=None, spectra=(), truth=(), flags=("no fit is good",))
    (run / "histograms.json").write_text("{}")
    page = page_of(none, run)
    assert "<h1>No result" in page
    assert "<li>no fit is good</li>" in page
    assert "Mass spectra in the best window" not in page


def test_flagged_selection_is_not_quoted(results: SearchResults, run: Path) -> None:
    before = page_of(results, run).count("<td>flagged</td>")
    window = next(window for window in results.windows if not window.selections[0].flagged)
    row = replace(window.selections[0], p_local=None, z_local=None, flagged=True)
    flagged = replace(
        results,
        windows=tuple(
            replace(window, selections=(row, *window.selections[1:])) if each is window else each
            for each in results.windows
        ),
    )
    page = page_of(flagged, run)
    assert page.count("<td>flagged</td>") == before + 1


def test_text_from_the_input_cannot_become_markup(results: SearchResults, run: Path) -> None:
    page = page_of(replace(results, flags=("<script>alert(1)</script>",)), run)
    assert "<script>" not in page


def test_page_shows_the_three_ways_to_a_global_p_value(results: SearchResults, run: Path) -> None:
    page = page_of(results, run)
    assert results.trials is not None
    for words in ("pseudo-experiments", "Gross and Vitells", f"{results.trials.sidak:.2g}"):
        assert words in page
    assert "From the local" not in page_of(replace(results, trials=None), run)


def test_page_shows_events_before_selection(results: SearchResults, run: Path) -> None:
    page, found = page_of(results, run), results.before_selection
    assert found is not None
    assert found.unselected is not None
    assert f"<td>{found.unselected.value:.0f} ± {found.unselected.error:.0f}</td>" in page
    assert found.assumptions[0] in page


def test_of_two_peaks_of_a_jet_mass_none_is_quoted_with_its_error(
    results: SearchResults, run: Path
) -> None:
    one = DaughterMass("j1_mass", 107.0, 5.0, 9.0, 84, 25.0)
    page = page_of(replace(results, daughters=(one, replace(one, mass_error=202.0))), run)
    assert "<td>107 ± 5 GeV</td>" in page
    assert "<td>107 GeV, or another peak (± 202 GeV)</td>" in page


def test_page_tells_refused_from_flagged(results: SearchResults, run: Path) -> None:
    first, *others = results.windows
    row = replace(first.selections[0], p_local=None, z_local=None, flagged=True, refused=True)
    window = replace(first, selections=(row, *first.selections[1:]))
    assert "<td>refused</td>" in page_of(replace(results, windows=(window, *others)), run)


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("limits.json", "overdensity limits"),
        ("pseudodata.json", "overdensity calibrate"),
        ("expected.json", "overdensity expect"),
        ("uncertainties.json", "overdensity hunt"),
    ],
)
def test_what_is_damaged_is_left_out_with_a_line_that_says_how_to_make_it_again(
    results: SearchResults, run: Path, caplog: pytest.LogCaptureFixture, name: str, command: str
) -> None:
    results.to_json(run / "results.json")
    (run / name).write_text('{"half": [1, 2')
    assert write_report(run).is_file()
    (line,) = [record.message for record in caplog.records if name in record.message]
    assert line.endswith(f"it is left out; run '{command}' to make it again")
