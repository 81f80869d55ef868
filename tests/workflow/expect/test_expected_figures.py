from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from overdensity.workflow.expect.expected_figures import (
    expected_figures,
    plot_events_needed,
    plot_significances,
    save_expected_figures,
)
from overdensity.workflow.expect.expected_result import GAUSSIAN, ExpectedReach


@pytest.fixture
def found(expected: Path) -> ExpectedReach:
    return ExpectedReach.from_json(expected / "expected.json")


def test_curves_are_the_medians_of_toys_and_the_asimov_dataset(found: ExpectedReach) -> None:
    local, whole = plot_significances(found).axes
    curve = found.points[0].curve
    k = curve.efficiencies.index(curve.selection)
    median, asimov = local.lines[:2]
    assert np.array_equal(median.get_xdata(), [point.strength for point in curve.points])
    assert np.array_equal(median.get_ydata(), [point.local[k][2] for point in curve.points])
    assert np.array_equal(asimov.get_ydata(), [point.asimov[k] for point in curve.points])
    assert np.array_equal(whole.lines[0].get_ydata(), [point.whole[2] for point in curve.points])


def test_events_needed_are_drawn_against_the_mass(found: ExpectedReach) -> None:
    point = replace(found.points[1], name=GAUSSIAN)
    both = replace(found, points=(replace(point, mass=4000.0), point))
    local, _ = plot_events_needed(both).axes
    line = local.lines[0]
    assert np.array_equal(line.get_xdata(), [3.7, 4.0])
    median = point.curve.of(3.0, whole=False).median
    assert np.array_equal(
        np.asarray(line.get_ydata(), dtype=float), np.full(2, median, dtype=float), equal_nan=True
    )


def test_a_model_beyond_what_was_tried_is_an_arrow(found: ExpectedReach) -> None:
    signal = found.points[0]
    none = tuple(replace(each, events=(None,) * 5) for each in signal.curve.needed)
    beyond = replace(signal, curve=replace(signal.curve, needed=none))
    local, _ = plot_events_needed(replace(found, points=(beyond,))).axes
    assert [line.get_marker() for line in local.lines] == ["^", "^"]
    assert local.lines[0].get_ydata()[0] == 80.0


def test_without_any_number_of_events_there_are_axes_all_the_same(
    found: ExpectedReach, tmp_path: Path
) -> None:
    signal = replace(found.points[0], name=GAUSSIAN)
    none = tuple(replace(each, events=(None,) * 5) for each in signal.curve.needed)
    beyond = replace(signal, curve=replace(signal.curve, needed=none))
    replace(found, points=(beyond,)).to_json(tmp_path / "expected.json")
    assert all(path.is_file() for path in save_expected_figures(tmp_path))


def test_figures_have_names_and_are_saved(
    expected: Path, found: ExpectedReach, tmp_path: Path
) -> None:
    assert [name for name, *_ in expected_figures(found)] == ["significance", "events"]
    found.to_json(tmp_path / "expected.json")
    assert all(path.is_file() for path in save_expected_figures(tmp_path))
