"""Limits agree with the textbook, with pyhf and with one another, and cover."""

from __future__ import annotations

from functools import partial

import numpy as np
import pyhf
import pytest

from overdensity.core import FitError, InputError
from overdensity.stats.limits import cls
from overdensity.stats.limits.cls import (
    asymptotic_limit,
    effective_background,
    toy_limit,
    upper_limit,
)
from overdensity.stats.limits.counting import counting_limit

from .models import count, workspace

pytestmark = pytest.mark.filterwarnings("ignore:jsonschema.RefResolver:DeprecationWarning")  # pyhf


SHAPE = workspace(
    [9, 13, 8, 7],
    [1.0, 5.0, 2.0, 0.5],
    [10.0, 9.0, 8.0, 7.0],
    [
        {
            "name": "tilt",
            "type": "histosys",
            "data": {"hi_data": [11, 9.5, 8, 6.5], "lo_data": [9, 8.5, 8, 7.5]},
        },
        {"name": "size", "type": "normsys", "data": {"hi": 1.1, "lo": 0.9}},
    ],
)


def test_nothing_seen_and_nothing_expected_excludes_three_events():
    result = upper_limit(count(0, 0.0))
    assert result.method == "counting"
    assert result.observed == pytest.approx(-np.log(0.05), rel=1e-4)
    assert result.expected == pytest.approx([-np.log(0.05)] * 5, rel=1e-4)


def test_the_asymptotic_limit_is_that_of_pyhf():
    ours = asymptotic_limit(SHAPE)
    spec = pyhf.Workspace(SHAPE)
    model = spec.model()
    observed, expected = pyhf.infer.intervals.upper_limits.upper_limit(spec.data(model), model)
    assert ours.observed == pytest.approx(float(observed), rel=1e-3)
    assert ours.expected == pytest.approx([float(each) for each in expected], rel=1e-3)
    assert upper_limit(SHAPE) == ours


FEW = workspace(
    [1, 0, 2],
    [1.0, 2.0, 0.5],
    [0.8, 0.5, 1.0],
    [{"name": "size", "type": "normsys", "data": {"hi": 1.2, "lo": 1 / 1.2}}],
)


@pytest.mark.parametrize(("n", "b"), [(5, 5.0), (1, 2.0)])
def test_pseudo_experiments_of_a_count_agree_with_the_sums(n, b):
    exact, thrown = counting_limit(count(n, b)), toy_limit(count(n, b), n=3000)
    assert thrown.observed == pytest.approx(exact.observed, rel=0.05)
    assert thrown.expected[1:] == pytest.approx(exact.expected[1:], rel=0.06)


def test_few_events_in_several_bins_are_thrown_and_not_left_to_asymptotics(monkeypatch):
    monkeypatch.setattr(cls, "toy_limit", partial(toy_limit, n=1000))
    found = upper_limit(FEW)
    assert found.method == "toys"
    assert found.background < 5
    assert toy_limit(FEW, n=200) == toy_limit(FEW, n=200)
    assert found.observed == pytest.approx(toy_limit(FEW, seed=3, n=1000).observed, rel=0.08)


def test_the_effective_background_is_that_of_the_bins_that_matter():
    assert effective_background(count(5, 5.0)) == pytest.approx(5.0, rel=1e-6)
    tail = workspace([1000, 1], [1.0, 10.0], [1000.0, 1.0])
    assert effective_background(tail) == pytest.approx(11**2 / (1 / 1000 + 100), rel=1e-6)


@pytest.mark.parametrize("level", [0.0, 1.0, 1.5, float("nan")])
def test_a_level_that_is_none_is_refused(level):
    with pytest.raises(InputError, match="confidence level"):
        upper_limit(count(1, 1.0), level=level)


def test_no_signal_excludes_nothing():
    with pytest.raises(FitError, match="no signal"):
        upper_limit(workspace([10], [0.0], [10.0]))
