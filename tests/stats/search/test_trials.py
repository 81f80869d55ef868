"""Trials factors: Gaussian random fields against Rice's formula and against brute force."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest, kstest, multivariate_normal, norm

from overdensity.core import InputError
from overdensity.stats.p_values.local import p_of_z
from overdensity.stats.search.pseudo_experiments import GlobalP, global_p
from overdensity.stats.search.trials import (
    Trials,
    beyond_pseudo_experiments,
    gross_vitells,
    mean_upcrossings,
    sidak,
    trials,
)


def smooth_fields(seed: int, n: int, points: int, length: float) -> np.ndarray:
    """Make stationary Gaussian fields with correlation exp(-d²/2 length²), d in points."""
    rng = np.random.default_rng(seed)
    # a Gaussian kernel of width length/√2, applied in Fourier space to white noise on a circle
    circle = points + int(12 * length)
    frequency = np.fft.rfftfreq(circle) * 2 * np.pi
    kernel = np.exp(-0.25 * (frequency * length) ** 2)
    noise = np.fft.rfft(rng.normal(size=(n, circle)), axis=1)
    fields = np.fft.irfft(noise * kernel, circle, axis=1)[:, :points]
    return fields / np.sqrt((np.fft.irfft(kernel, circle) ** 2).sum())


@pytest.mark.parametrize("threshold", [0.0, 1.0, 2.0])
def test_smooth_fields_cross_as_often_as_rice_says(threshold):
    mean, error = mean_upcrossings(smooth_fields(1, 5000, 401, 20.0), threshold)
    expected = 400 / 20 / (2 * np.pi) * np.exp(-(threshold**2) / 2)  # Rice 1944
    assert abs(mean - expected) < 4 * error
    assert error < 0.05 * expected + 0.01


@pytest.fixture(scope="module")
def many_fields() -> np.ndarray:
    return smooth_fields(2, 40_000, 201, 20.0)


@pytest.mark.parametrize(("z", "tolerance"), [(2.5, 0.06), (3.0, 0.04), (3.5, 0.04)])
def test_gross_vitells_agrees_with_brute_force(many_fields, z, tolerance):
    fields = many_fields
    exceed = int((fields.max(axis=1) >= z).sum())
    brute = exceed / len(fields)
    mean, error = mean_upcrossings(fields[:2000], 1.0)
    p, p_error = gross_vitells(z, mean, 1.0, upcrossings_error=error)
    assert abs(p - brute) < 4 * np.hypot(np.sqrt(exceed) / len(fields), p_error) + tolerance * p
    assert p_error < 0.1 * p


def test_trials_puts_three_answers_side_by_side():
    fields = np.stack([smooth_fields(seed, 20_000, 101, 10.0) for seed in (3, 4)], axis=2)
    result = trials(3.0, fields)
    exceed = int((fields.max(axis=(1, 2)) >= 3.0).sum())
    assert result.pseudo_experiments == pytest.approx((1 + exceed) / 20_001)
    assert result.gross_vitells == pytest.approx(
        result.pseudo_experiments,
        abs=4 * np.hypot(result.gross_vitells_error, result.pseudo_experiments_error)
        + 0.05 * result.pseudo_experiments,
    )
    assert result.sidak > result.pseudo_experiments  # neighbours are nearly the same test
    assert result.n_tests == 202
    assert Trials.from_dict(result.to_dict()) == result


def test_correlated_selections_make_the_sum_a_bound():
    fields = smooth_fields(5, 20_000, 101, 10.0)
    other = 0.9 * fields + np.sqrt(1 - 0.81) * smooth_fields(6, 20_000, 101, 10.0)
    result = trials(2.5, np.stack([fields, other], axis=2))
    assert result.gross_vitells > result.pseudo_experiments
    assert result.gross_vitells < 2 * result.pseudo_experiments


@pytest.mark.parametrize("correlation", [0.0, 0.3, 0.8])
def test_sidak_is_a_bound_for_positive_correlation_and_exact_without(correlation):
    n_tests, z = 6, 2.0
    covariance = np.full((n_tests, n_tests), correlation) + (1 - correlation) * np.eye(n_tests)
    inside = multivariate_normal(np.zeros(n_tests), covariance, seed=1).cdf(np.full(n_tests, z))
    bound = sidak(float(p_of_z(z)), n_tests)
    if correlation == 0:
        assert bound == pytest.approx(1 - inside, rel=1e-3)
    else:
        assert bound > (1 - inside) * 1.02


def test_independent_windows_make_gross_vitells_conservative_by_no_more_than_the_known_factor():
    fields = np.random.default_rng(7).normal(size=(20_000, 10, 1))
    for z in (2.0, 3.0, 4.0):
        result = trials(z, fields)
        assert result.sidak * 0.95 < result.gross_vitells < result.sidak * z


def test_the_global_p_value_of_the_best_window_is_uniform():
    fields = smooth_fields(8, 2500, 51, 10.0)[:, :, None]
    p = [trials(float(z.max()), fields[500:]).pseudo_experiments for z in fields[:500]]
    assert kstest(p, "uniform").pvalue > 0.01


def test_gross_vitells_p_values_are_rarely_small_without_signal():
    fields = smooth_fields(9, 6000, 51, 10.0)
    mean, _ = mean_upcrossings(fields[4000:], 1.0)
    p = [gross_vitells(float(z.max()), mean, 1.0)[0] for z in fields[:4000]]
    for level in (0.01, 0.05):
        # a bound, and close to exact where p is small
        seen = int((np.array(p) < level).sum())
        assert binomtest(seen, len(p), level, alternative="greater").pvalue > 0.01
        assert seen > 0.6 * level * len(p)


def test_what_is_not_counted_is_no_test_and_no_crossing():
    fields = np.random.default_rng(10).normal(size=(500, 8, 3))
    holes = fields.copy()
    holes[:, :, 1] = -8.0
    holes[:, 3, 0] = -8.2
    result = trials(2.0, holes)
    assert result.n_tests == 15
    without = trials(2.0, np.delete(holes, 1, axis=2))
    assert result == without


def test_a_significance_beyond_all_pseudo_experiments_is_extrapolated():
    fields = smooth_fields(11, 1000, 101, 10.0)[:, :, None]
    result = trials(6.0, fields)
    assert result.pseudo_experiments == 1 / 1001
    expected = norm.sf(6) + 100 / 10 / (2 * np.pi) * np.exp(-18)
    assert result.gross_vitells == pytest.approx(
        expected, abs=4 * result.gross_vitells_error + 0.05 * expected
    )
    assert result.sidak == pytest.approx(101 * norm.sf(6), rel=1e-6)


def test_no_crossing_seen_is_not_known_to_be_none():
    mean, error = mean_upcrossings(np.zeros((100, 5)), 1.0)
    assert (mean, error) == (0.0, 0.01)


@given(st.floats(-3, 7), st.integers(1, 5), st.integers(1, 4), st.integers(0, 100))
def test_all_answers_are_probabilities_not_below_the_local_one(z, windows, selections, seed):
    toys = np.random.default_rng(seed).normal(size=(20, windows, selections))
    result = trials(z, toys)
    for p in (result.pseudo_experiments, result.gross_vitells, result.sidak):
        assert 0 < p <= 1
    assert result.gross_vitells >= p_of_z(z) * (1 - 1e-12)
    assert result.sidak >= p_of_z(z) * (1 - 1e-9)


@pytest.mark.parametrize(
    "toys", [np.zeros((10, 3)), np.zeros((0, 3, 1)), np.full((2, 2, 1), np.nan)]
)
def test_unusable_pseudo_experiments_are_refused(toys):
    with pytest.raises(InputError):
        trials(2.0, toys)


def test_an_unusable_significance_is_refused():
    with pytest.raises(InputError, match="nan"):
        trials(float("nan"), np.zeros((2, 2, 1)))
    with pytest.raises(InputError, match="n > 0"):
        mean_upcrossings(np.zeros(4), 1.0)


def continued(z_local: float) -> tuple[GlobalP, GlobalP]:
    """Return the global p-value of a significance, counted and continued."""
    fields = np.stack([smooth_fields(seed, 2000, 41, 10.0) for seed in (5, 6)], axis=2)
    counted = global_p(float(p_of_z(z_local)), p_of_z(fields.max(axis=(1, 2))))
    return counted, beyond_pseudo_experiments(counted, trials(z_local, fields))


def test_beyond_all_pseudo_experiments_a_p_value_goes_on_falling():
    results = [continued(z)[1] for z in (5.0, 6.0, 7.0)]
    assert all(each.extrapolated and not each.is_limit for each in results)
    assert results[0].p_global < 1 / 2001
    for one, next_one in pairwise(results):
        assert next_one.p_global < 0.05 * one.p_global
        assert next_one.z_global > one.z_global
        assert 0 < next_one.p_global_error < 0.2 * next_one.p_global


@pytest.mark.parametrize("z", [-1.0, 1.5, 3.0])
def test_what_pseudo_experiments_come_up_to_is_counted(z):
    counted, beyond = continued(z)
    assert counted.exceedances > 0
    assert beyond is counted


def test_no_bound_of_pseudo_experiments_is_made_weaker():
    counted, _ = continued(5.0)
    fields = np.stack([smooth_fields(seed, 2000, 41, 10.0) for seed in (5, 6)], axis=2)
    weaker = trials(2.0, fields)  # of a smaller significance
    assert weaker.gross_vitells > counted.p_global
    assert beyond_pseudo_experiments(counted, weaker) is counted


def test_a_p_value_too_small_for_a_number_is_a_limit_and_stays_finite():
    _, beyond = continued(60.0)
    assert beyond.p_global == 1e-300
    assert np.isfinite(beyond.z_global)
    assert beyond.is_limit
    assert beyond.extrapolated
