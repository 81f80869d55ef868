"""Limits agree with the textbook, with pyhf and with one another, and cover."""

from __future__ import annotations

import numpy as np
import pyhf
import pytest
from scipy import special
from scipy.stats import nbinom

from overdensity.stats.limits import (
    asymptotic_limit,
    counting_limit,
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
