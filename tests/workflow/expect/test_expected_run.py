from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from overdensity.core import ConfigError, OverdensityError
from overdensity.workflow import SearchResults, load_config
from overdensity.workflow.expect import expected_run
from overdensity.workflow.expect.expected_result import GAUSSIAN, ExpectedReach
from overdensity.workflow.expect.expected_run import check_expected
from overdensity.workflow.search_run import expect_reach
from overdensity.workflow.stages.run import Run

from .conftest import write_expect


@pytest.fixture
def found(expected: Path) -> ExpectedReach:
    return ExpectedReach.from_json(expected / "expected.json")


@pytest.fixture
def again(expected: Path, box: Path, signal_file: Path, tmp_path: Path) -> Path:
    """The configuration of a finished run, which stands in this test's own folder."""
    shutil.copytree(expected, tmp_path / "run")
    return write_expect(tmp_path, box, signal_file)


def test_a_point_for_each_signal_and_mass(found: ExpectedReach) -> None:
    signal, gaussian = found.points
    assert (signal.name, signal.trained, signal.largest) == ("Z' 3.8", True, 80.0)
    assert (gaussian.name, gaussian.mass, gaussian.trained) == (GAUSSIAN, 3700.0, False)
    assert signal.mass == pytest.approx(3800, rel=0.01)
    assert signal.low < 3800 < signal.high
    assert found.assumptions


def test_a_trained_selection_keeps_more_of_a_stronger_signal(found: ExpectedReach) -> None:
    first, *_, last = found.points[0].curve.points
    assert first.eps_s[2] < 0.2 < last.eps_s[2]
    assert (first.strength, last.strength) == (0.0, 80.0)


def test_nothing_is_scored_or_searched(expected: Path) -> None:
    assert not (expected / "scores").exists()
    assert not (expected / "results.json").exists()


def test_what_the_signal_region_holds_changes_no_digit(
    found: ExpectedReach, box: Path, signal_file: Path, tmp_path: Path
) -> None:
    """Its events are doubled, moved and given other features; trainings are made anew."""
    point, table = found.points[0], pq.read_table(box)
    mass = table["mjj"].to_numpy()
    inside = np.flatnonzero((mass >= point.low) & (mass < point.high))
    rng, beside = np.random.default_rng(1), np.setdiff1d(np.arange(mass.size), inside)
    planted = {
        "mjj": rng.uniform(point.low, point.high, 2 * inside.size),
        "j1_mass": rng.normal(500, 20, 2 * inside.size),
        "j1_tau21": rng.beta(3, 12, 2 * inside.size),
        "label": np.zeros(2 * inside.size),
    }
    columns = {name: pa.array(planted[name]).cast(table[name].type) for name in table.column_names}
    changed = pa.concat_tables([table.take(beside), pa.table(columns)])
    pq.write_table(changed, tmp_path / "changed.parquet")
    path = write_expect(tmp_path, tmp_path / "changed.parquet", signal_file)
    made = expect_reach(load_config(path, ["expect.efficiencies={}"]))
    assert made.points[0] == point


def test_finished_tasks_are_not_done_again(again: Path, found: ExpectedReach) -> None:
    folder = again.parent / "run" / "expected"
    before = {path: path.stat().st_mtime_ns for path in folder.glob("*.json")}
    assert len(before) == 3 * 2 + 2
    gone = min(before)
    gone.unlink()
    made = expect_reach(load_config(again))
    after = {path: path.stat().st_mtime_ns for path in folder.glob("*.json")}
    assert set(after) == set(before)
    assert all(after[path] == before[path] for path in before if path != gone)
    assert (made.points, made.flags) == (found.points, found.flags)


def test_an_interrupted_run_goes_on(
    again: Path, found: ExpectedReach, monkeypatch: pytest.MonkeyPatch
) -> None:
    for path in (again.parent / "run" / "expected").glob("Gaussian*.json"):
        path.unlink()

    def fails(run, task, path):
        msg = "out of memory"
        raise MemoryError(msg)

    with monkeypatch.context() as patched:
        patched.setattr(expected_run, "make_point", fails)
        with pytest.raises(OverdensityError, match=r"expected reach: 1 of 1 tasks failed"):
            expect_reach(load_config(again))
    assert expect_reach(load_config(again)).points == found.points


def test_the_error_of_the_background_is_that_of_the_search(
    found: ExpectedReach, finished_run: Path
) -> None:
    """The search has trained and measured how its selections bend; the blind one has thrown that."""
    results, point = SearchResults.from_json(finished_run / "results.json"), found.points[0]
    rows = results.windows[point.window].rows
    assert point.curve.expected[0] == pytest.approx(rows[0].expected, rel=1e-6)
    assert point.curve.error[0] == pytest.approx(rows[0].expected_error, rel=0.05)
    # the tighter one holds less background in the search: the signal of the box takes its place
    assert point.curve.error[1] == pytest.approx(rows[1].expected_error, rel=0.5)


def test_the_report_of_a_search_shows_the_reach(
    again: Path, finished_run: Path, found: ExpectedReach
) -> None:
    for name in ("results.json", "histograms.json"):
        shutil.copy(finished_run / name, again.parent / "run" / name)
    expect_reach(load_config(again))
    page = (again.parent / "run" / "report.html").read_text()
    assert "<h2>Expected reach, from the events outside the signal regions</h2>" in page
    assert found.assumptions[0] in page


@pytest.mark.parametrize(
    ("overrides", "complaint"),
    [
        (["expect.efficiencies={}", "limits=null"], "no signal whose reach could be expected"),
        (["expect.efficiencies={}", "expect.strengths=[]"], "expect.strengths is missing"),
        (["expect.masses=[9000]"], "expect.masses: 9000 GeV lies in no signal region"),
        (["expect.efficiencies={0.1: 0, 0.02: 0}"], "a selection that keeps no signal finds none"),
        (["fit.spurious=data"], "fit.spurious: data"),
    ],
)
def test_a_configuration_without_reach_is_refused_before_anything_is_read(
    again: Path, overrides: list[str], complaint: str
) -> None:
    run = Run(load_config(again, [*overrides, "events.files=none.parquet"]))
    with pytest.raises(ConfigError, match=complaint) as caught:
        check_expected(run)
    assert "\n" not in str(caught.value)


def test_too_few_signal_events_are_refused(again: Path) -> None:
    with pytest.raises(OverdensityError, match="too few to inject 900"):
        expect_reach(load_config(again, ["expect.strengths=[900]"]))


def test_flags_say_what_is_not_there(again: Path, found: ExpectedReach) -> None:
    run = Run(load_config(again, ["repeats=3", "expect.strengths=[]"]))
    worse = replace(found.points[1], sideband_p=1e-4)
    flags = list(expected_run._flags(run, [worse]))
    assert any("limits.signals is left out: expect.strengths is missing" in flag for flag in flags)
    assert any("does not describe the spectrum outside" in flag for flag in flags)
    assert "one partition into folds; the mean of 3" in str(
        list(expected_run._assumptions(run, found.points))
    )
