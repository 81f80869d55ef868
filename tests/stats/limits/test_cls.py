"""Limits agree with the textbook, with pyhf and with one another, and cover."""

from __future__ import annotations

import numpy as np
import pyhf
import pytest
from scipy import special
from scipy.stats import nbinom

from overdensity.core import FitError, InputError
from overdensity.stats.limits.cls import (
    asymptotic_limit,
    counting_limit,
    discovery,
    effective_background,
    toy_limit,
    upper_limit,
)

pytestmark = pytest.mark.filterwarnings("ignore:jsonschema.RefResolver:DeprecationWarning")  # pyhf


def workspace(observed, signal, background, modifiers=()):
    """Return one channel with a normfactor on the signal."""
    strength = {"name": "mu", "type": "normfactor", "data": None}
    samples = [
        {"name": "signal", "data": signal, "modifiers": [strength]},
        {"name": "background", "data": background, "modifiers": list(modifiers)},
    ]
    return {
        "channels": [{"name": "a", "samples": samples}],
        "observations": [{"name": "a", "data": observed}],
        "measurements": [{"name": "m", "config": {"poi": "mu", "parameters": []}}],
        "version": "1.0.0",
    }


def count(n, b, sigma=0.0):
    gamma = [{"name": "scale", "type": "shapesys", "data": [sigma]}] if sigma else []
    return workspace([n], [1.0], [b], gamma)


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


@pytest.mark.parametrize(("n", "b"), [(0, 3.0), (5, 5.0), (3, 8.0), (12, 4.5), (400, 380.0)])
def test_a_count_of_known_background_gives_the_limit_of_two_poisson_sums(n, b):
    limit = counting_limit(count(n, b)).observed
    assert special.pdtr(n, b + limit) / special.pdtr(n, b) == pytest.approx(0.05, rel=1e-3)


def test_a_gamma_background_makes_the_count_negative_binomial():
    n, b, sigma = 7, 5.0, 2.0
    shape, rate = (b / sigma) ** 2, b / sigma**2
    smeared = nbinom(shape, rate / (1 + rate)).pmf(np.arange(n + 1))
    limit = counting_limit(count(n, b, sigma)).observed
    both = (smeared * special.pdtr(n - np.arange(n + 1), limit)).sum()
    assert both / smeared.sum() == pytest.approx(0.05, rel=2e-3)


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
    exact, thrown = counting_limit(count(n, b)), toy_limit(count(n, b), n=4000)
    assert thrown.observed == pytest.approx(exact.observed, rel=0.05)
    assert thrown.expected[1:] == pytest.approx(exact.expected[1:], rel=0.06)


def test_few_events_in_several_bins_are_thrown_and_not_left_to_asymptotics():
    found = upper_limit(FEW)
    assert found.method == "toys"
    assert found.background < 5
    assert toy_limit(FEW, n=200) == toy_limit(FEW, n=200)
    assert found.observed == pytest.approx(toy_limit(FEW, seed=3, n=4000).observed, rel=0.06)


def test_the_effective_background_is_that_of_the_bins_that_matter():
    assert effective_background(count(5, 5.0)) == pytest.approx(5.0, rel=1e-6)
    tail = workspace([1000, 1], [1.0, 10.0], [1000.0, 1.0])
    assert effective_background(tail) == pytest.approx(11**2 / (1 / 1000 + 100), rel=1e-6)


def test_a_count_with_a_known_background_is_discovered_as_the_formula_says():
    n, b = 25, 12.0
    found = discovery(count(n, b))
    assert found.mu == pytest.approx(n - b, rel=1e-5)
    assert found.q0 == pytest.approx(2 * (n * np.log(n / b) - (n - b)), rel=1e-6)


def test_a_limit_covers():
    rng, true = np.random.default_rng(1), 6.0
    limits = {n: counting_limit(count(n, 4.0)).observed for n in range(31)}
    covered = np.mean([limits[min(n, 30)] >= true for n in rng.poisson(4.0 + true, 5000)])
    assert covered >= 0.95  # CLs over-covers by construction


@pytest.mark.parametrize("level", [0.0, 1.0, 1.5, float("nan")])
def test_a_level_that_is_none_is_refused(level):
    with pytest.raises(InputError, match="confidence level"):
        upper_limit(count(1, 1.0), level=level)


def test_no_signal_excludes_nothing():
    with pytest.raises(FitError, match="no signal"):
        upper_limit(workspace([10], [0.0], [10.0]))


def test_several_bins_are_no_count():
    with pytest.raises(InputError, match="one bin"):
        counting_limit(SHAPE)
