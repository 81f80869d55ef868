"""The report shows impacts and pulls of a run that has uncertainties, and says what they cost."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from overdensity.stats.limits.profiled import UpperLimit
from overdensity.stats.uncertainties.impacts import Impact, Impacts, StrengthScan
from overdensity.workflow import write_report
from overdensity.workflow.report.uncertainties_section import (
    uncertainties_section,
    uncertainties_sentence,
)
from overdensity.workflow.uncertainties.uncertainties_result import Uncertainties

LIMIT = UpperLimit(2.0, (1.0, 1.2, 1.5, 2.0, 2.5), 0.95, "asymptotic", 30.0)
IMPACTS = Impacts(
    1.0,
    0.3,
    3.0,
    (Impact("background_1", None, None, 0.4, -0.4), Impact("jes", 0.1, 0.9, 0.2, -0.3)),
)
FOUND = Uncertainties(
    events=50.0,
    simulated=True,
    z_without=3.5,
    z=3.0,
    limit_without=replace(LIMIT, observed=1.6),
    limit=LIMIT,
    impacts=IMPACTS,
    scan=StrengthScan((0.0, 1.0, 2.0), (9.0, 0.0, 8.0), (12.0, 0.0, 11.0)),
    envelope=None,
    profile=None,
    key="key",
)


def test_the_sentence_says_what_uncertainties_cost() -> None:
    said = uncertainties_sentence(FOUND)
    assert "3.00σ with all uncertainties and 3.50σ without" in said
    assert "at 95 % is 100 selected signal events, 80 without" in said
    # The function of the background has no constraint, and is not what the user has given.
    assert "that of jes, +10 and -15 events" in said
    assert "signal of the mass and width of the simulated one" in said


def test_a_run_without_uncertainties_has_no_such_section(tmp_path: Path) -> None:
    assert uncertainties_section(tmp_path) is None


def test_the_report_holds_the_figures(finished_run: Path, tmp_path: Path) -> None:
    for name in ("results.json", "histograms.json"):
        (tmp_path / name).write_bytes((finished_run / name).read_bytes())
    FOUND.to_json(tmp_path / "uncertainties.json")
    page = write_report(tmp_path).read_text()
    assert "Systematic uncertainties" in page
    assert 'alt="pulls and impacts"' in page
    assert 'alt="likelihood along the strength"' in page
