"""Conformal p-values: the same background fraction at every mass."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kstest

from overdensity.core import ConfigError, InputError
from overdensity.stats.selection.conformal import conformal_p

WINDOW = (3300.0, 3900.0)


def draw(seed, n=40_000, *, sculpting=0.0, curvature=0.0, spread=0.0):
    """Masses that fall steeply, folds, and normal scores whose mean and width change with mass."""
    rng = np.random.default_rng(seed)
    mass = 2600 * (1 - rng.random(n) * (1 - (6000 / 2600) ** -5.0)) ** (-1 / 5)
    x = np.log(mass / 3600)
    scores = sculpting * x + curvature * x**2 + np.exp(spread * x) * rng.normal(size=n)
    return mass, scores, rng.integers(0, 4, n)


def flatness(mass, passed):
    """χ²/ndf of the hypothesis that the fraction that passes is the same in ten bins of mass."""
    bins = np.digitize(mass, np.quantile(mass, np.linspace(0, 1, 11)[1:-1]))
    n, k = np.bincount(bins), np.bincount(bins, weights=passed)
    share = passed.mean()
    return (((k - share * n) ** 2) / (n * share * (1 - share))).sum() / 9


def test_without_model_it_is_the_rank_among_calibration_events():
    rng = np.random.default_rng(1)
    mass, scores = rng.uniform(2600, 6000, 500), rng.normal(size=500)
    p = conformal_p(scores, mass, np.zeros(500), window=WINDOW, order=0, bandwidth=math.inf)
    inside = (mass >= WINDOW[0]) & (mass < WINDOW[1])
    known = scores[~inside]
    above = (known >= scores[:, None]).sum(axis=1)  # for a calibration event, itself included
    expected = np.where(inside, (1 + above) / (1 + known.size), above / known.size)
    np.testing.assert_allclose(p, expected, rtol=1e-6)


@pytest.mark.parametrize(
    "shape",
    [
        {},
        {"sculpting": 3.0},
        {"curvature": -8.0},
        {"sculpting": -2.0, "curvature": 5.0, "spread": 1.0},
    ],
    ids=["plain", "rising", "parabola", "all"],
)
def test_the_same_fraction_passes_at_every_mass(shape):
    mass, scores, folds = draw(2, **shape)
    p = conformal_p(scores, mass, folds, window=WINDOW)
    for efficiency in (0.5, 0.1, 0.01):
        passed = p <= efficiency
        assert flatness(mass, passed) < 2.2  # p = 0.02 for 9 degrees of freedom
        inside = (mass >= WINDOW[0]) & (mass < WINDOW[1])
        n = inside.sum()
        assert abs(passed[inside].sum() - efficiency * n) < 4 * np.sqrt(efficiency * n)
    if shape:
        assert flatness(mass, scores > np.quantile(scores, 0.9)) > 20


def test_p_values_in_the_signal_region_are_uniform_without_signal():
    mass, scores, folds = draw(3, sculpting=2.0)
    p = conformal_p(scores, mass, folds, window=WINDOW)
    inside = (mass >= WINDOW[0]) & (mass < WINDOW[1])
    assert kstest(p[inside], "uniform").pvalue > 0.01


def test_a_signal_gets_small_p_values_and_does_not_calibrate():
    mass, scores, folds = draw(4)
    inside = (mass >= WINDOW[0]) & (mass < WINDOW[1])
    signal = np.flatnonzero(inside)[:200]
    before = conformal_p(scores, mass, folds, window=WINDOW)
    scores[signal] += 5.0
    p = conformal_p(scores, mass, folds, window=WINDOW)
    assert np.median(p[signal]) < 1e-3
    assert abs((p[~inside] <= 0.01).mean() - 0.01) < 2e-4
    assert np.abs(p - before)[~inside].max() < 0.01  # by the transformation to ranks alone


def test_scores_of_different_folds_are_never_compared():
    mass, scores, folds = draw(5, 8000)
    p = conformal_p(scores, mass, folds, window=WINDOW)
    np.testing.assert_array_equal(conformal_p(scores + 100 * folds, mass, folds, window=WINDOW), p)


def test_only_the_order_of_scores_matters():
    mass, scores, folds = draw(6, 8000)
    p = conformal_p(scores, mass, folds, window=WINDOW)
    np.testing.assert_array_equal(conformal_p(np.exp(scores), mass, folds, window=WINDOW), p)


def test_a_block_of_equal_scores_is_not_sorted_by_mass():
    mass, scores, folds = draw(7, sculpting=1.0)
    coarse = np.clip(scores, None, np.quantile(scores, 0.9))  # a tenth share the highest score
    p = conformal_p(coarse, mass, folds, window=WINDOW)
    assert flatness(mass, p <= 0.01) < 2.2
    constant = conformal_p(np.zeros(mass.size), mass, folds, window=WINDOW)
    assert flatness(mass, constant <= 0.05) < 2.2
    assert (constant <= 0.05).mean() == pytest.approx(0.05, rel=0.05)


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 2**32 - 1))
def test_p_values_do_not_depend_on_the_order_of_events(seed):
    rng = np.random.default_rng(seed)
    mass, folds = rng.uniform(2600, 6000, 400), rng.integers(0, 2, 400)
    scores = rng.integers(0, 6, 400).astype(float)
    events = rng.choice(2**62, 400, replace=False).astype(np.uint64)
    order = rng.permutation(400)
    first = conformal_p(scores, mass, folds, window=WINDOW, events=events)
    second = conformal_p(
        scores[order], mass[order], folds[order], window=WINDOW, events=events[order]
    )
    # sums in another order: an event whose p-value moves by a rank would move it by 1/200
    np.testing.assert_allclose(first[order], second, atol=1e-5)
    assert np.all((first > 0) & (first <= 1))


def test_events_outside_the_scan_have_none():
    mass, scores, folds = draw(8, 4000)
    within = mass < 5000
    scores[~within] = np.nan
    p = conformal_p(scores, mass, folds, window=WINDOW, within=within)
    assert np.isnan(p[~within]).all()
    assert np.isfinite(p[within]).all()
    nothing = conformal_p(scores, mass, folds, window=WINDOW, within=np.zeros(mass.size, bool))
    assert np.isnan(nothing).all()


def test_what_cannot_be_used_is_refused():
    mass, scores, folds = draw(9, 1000)
    with pytest.raises(InputError, match="folds has shape"):
        conformal_p(scores, mass, folds[:-1], window=WINDOW)
    with pytest.raises(InputError, match="needs 50"):
        conformal_p(scores, mass, np.arange(1000) % 20, window=WINDOW)
    for keyword in ({"order": -1}, {"bandwidth": 0.0}, {"bandwidth": math.nan}):
        with pytest.raises(ConfigError, match="order >= 0"):
            conformal_p(scores, mass, folds, window=WINDOW, **keyword)
    scores[7] = np.inf
    with pytest.raises(InputError, match="event 7"):
        conformal_p(scores, mass, folds, window=WINDOW)
