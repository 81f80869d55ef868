from __future__ import annotations

from pathlib import Path

import pytest

from overdensity.core import ConfigError
from overdensity.workflow import load_config
from overdensity.workflow.expect.expected_point import (
    PointTask,
    gaussian_tasks,
    make_point,
    point_key,
    stated_efficiencies,
)
from overdensity.workflow.expect.expected_result import GAUSSIAN, ExpectedPoint
from overdensity.workflow.stages.run import Run

STATED = "expect.efficiencies={0.1: 0.7, 0.02: 0.5}"


def run_of(search_file: Path, *overrides: str) -> Run:
    return Run(load_config(search_file, [STATED, *overrides]))


def test_a_mass_is_looked_for_in_the_window_with_most_of_it(search_file: Path) -> None:
    run = run_of(search_file, "expect.masses=[3500, 4300]", "expect.width=0.02")
    found = gaussian_tasks(run, run.windows)
    for task in found:
        low, high = run.regions[task.window]
        assert low <= task.mass < high
        assert 0.5 < task.share <= 1
    assert [task.mass for task in found] == [3500.0, 4300.0]


def test_masses_are_the_centers_of_the_windows_by_default(search_file: Path) -> None:
    run = run_of(search_file)
    found = gaussian_tasks(run, run.windows)
    assert [task.mass for task in found] == [window.center for window in run.windows]
    assert [task.window for task in found] == [0, 1, 2]


def test_a_point_holds_its_window_and_its_curve(search_file: Path, tmp_path: Path) -> None:
    run = run_of(search_file, "expect.strengths=[100]", "expect.toys=100")  # of signals, not of it
    task = PointTask(GAUSSIAN, 3873.0, 1, 0.9)
    make_point(run, task, tmp_path / "point.json")
    found = ExpectedPoint.from_json(tmp_path / "point.json")
    assert (found.low, found.high) == run.regions[1]
    assert (found.trained, found.largest) == (False, None)
    assert len(found.curve.points) == 16
    assert found.curve.points[-1].asimov_global > 5
    assert found.curve.points[1].eps_s[1] == pytest.approx(0.7 * found.curve.points[1].eps_s[0])


@pytest.mark.parametrize(
    ("override", "complaint"),
    [
        ("expect.masses=[2000]", "2000 GeV lies in no signal region of the scan, which reach from"),
        (
            "expect.efficiencies={0.1: 0.7, 0.02: 0}",
            "expect.efficiencies: .* 0.02 is 0: a selection",
        ),
        ("expect.efficiencies={0.1: 0.7}", "no signal efficiency is given for the selection 0.02"),
    ],
)
def test_what_has_no_reach_is_one_sentence(
    search_file: Path, override: str, complaint: str
) -> None:
    run = run_of(search_file, override)
    check = gaussian_tasks if "masses" in override else lambda run, _: stated_efficiencies(run)
    with pytest.raises(ConfigError, match=complaint) as caught:
        check(run, run.all_windows)
    assert "\n" not in str(caught.value)


def test_key_knows_trainings_by_their_files(search_file: Path) -> None:
    run = run_of(search_file)
    plain = PointTask("A", 3800.0, 1, 0.9, ("a/one.json",))
    assert point_key(run, plain) == point_key(run, PointTask("A", 3800.0, 1, 0.9, ("b/one.json",)))
    assert point_key(run, plain) != point_key(run, PointTask("A", 3800.0, 1, 0.9, ("a/two.json",)))
    assert point_key(run, plain) != point_key(run_of(search_file, "expect.toys=200"), plain)
