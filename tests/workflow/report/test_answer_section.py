"""The answer to a challenge in the report of its run."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import pytest

from overdensity.workflow import SearchResults
from overdensity.workflow.challenge.answer_sheet import (
    AnsweredBox,
    AnswerSheet,
    Daughter,
    Measured,
)
from overdensity.workflow.report.answer_section import answer_rows, answer_section
from overdensity.workflow.report.report import write_report

FOUND = AnswerSheet(
    name="cwola",
    box=AnsweredBox("box", "ab" * 32),
    signal_found=True,
    p_value=1e-4,
    p_value_is_limit=True,
    probability_of_signal=0.99,
    resonance_mass=Measured(3500.0, 20.0),
    heavier_daughter=Daughter(Measured(503.0, 7.0), 2),
    n_signal=Measured(600.0, None),
    decay_modes=("resonance → two jets",),
    abstract="There is an excess at <3500 GeV>.",
    notes=("a note",),
)


@pytest.fixture
def run(finished_run: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished_run, tmp_path / "run"))


def test_the_report_shows_the_answer(run: Path) -> None:
    assert "The answer to the challenge" not in (run / "report.html").read_text()
    key = SearchResults.from_json(run / "results.json").key
    dataclasses.replace(FOUND, key=key).to_json(run / "answer.json")
    page = write_report(run).read_text()
    assert "The answer to the challenge" in page
    for said in (
        "&lt;3500 GeV&gt;",
        "3500 ± 20 GeV",
        "503 ± 7 GeV, prongs: 2",
        "≤ 0.0001",
        "a note",
    ):
        assert said in page


def test_the_answer_of_another_result_is_not_shown(
    run: Path, caplog: pytest.LogCaptureFixture
) -> None:
    results = SearchResults.from_json(run / "results.json")
    assert answer_section(results, run) is None
    dataclasses.replace(FOUND, key="of another").to_json(run / "answer.json")
    assert answer_section(results, run) is None
    (run / "answer.json").write_text("{}")
    assert answer_section(results, run) is None
    assert "the report has no answer" in caplog.text


def test_without_a_signal_there_are_no_lines_of_masses() -> None:
    nothing = AnswerSheet("cwola", AnsweredBox("box"), signal_found=False, p_value=None)
    rows = dict(answer_rows(nothing))
    assert rows["signal found"] == "no"
    assert rows["global p-value of no new particle"] == "no result"
    assert not any("mass" in name for name in rows)


def test_what_was_not_measured_is_said() -> None:
    rows = dict(answer_rows(FOUND))
    assert rows["lighter daughter"] == "not measured"
    assert rows["signal events before selection"] == "600"
    assert rows["box"] == "box, sealed as abababababab…"
