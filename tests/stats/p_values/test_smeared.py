"""Poisson counts with an uncertain background, against direct sums and thrown counts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special, stats

from overdensity.stats.p_values.local import local_p
from overdensity.stats.p_values.smeared import (
    gaussian_log_p,
    gaussian_p,
    lognormal_log_p,
    lognormal_p,
)

CASES = [
    (1, 0.5, 0.2),
    (1, 0.5, 3.0),
    (3, 0.0, 2.0),
    (10, 4.0, 1.0),
    (10, 4.0, 4.0),
    (150, 100.0, 10.0),
    (150, 100.0, 50.0),
    (20, 200.0, 60.0),
    (300, 450.0, 90.0),
    (1000, 500.0, 10.0),  # p = 1e-70
    (1000, 100.0, 3.0),  # p below the smallest number of a computer
]


def log_tail(n: int, mean: np.ndarray) -> np.ndarray:
    """Sum ln P(N ≥ n) term by term."""
    terms = np.arange(n, n + 600 + 6 * int(np.sqrt(mean.max())) + int(max(mean.max() - n, 0)))
    with np.errstate(divide="ignore"):
        log_mean = np.log(mean)[:, None]
    return special.logsumexp(terms * log_mean - mean[:, None] - special.gammaln(terms + 1), axis=1)


@pytest.mark.parametrize(("n", "b", "sigma"), CASES)
def test_gaussian_smearing_is_the_sum_over_backgrounds(n, b, sigma):
    top = max(n, b) + 12 * np.sqrt(max(n, b)) + 20
    mean, step = np.linspace(0, min(top, b + 60 * sigma), 1601, retstep=True)
    mean = mean[1:]
    log_f = log_tail(n, mean) + stats.norm.logpdf(mean, b, sigma)
    weights = np.tile([4.0, 2.0], 800)
    weights[-1] = 1.0  # Simpson; the first point, at zero, has P(N ≥ n) = 0
    inside = special.logsumexp(log_f, b=weights * step / 3)
    beyond = stats.norm.logsf(mean[-1], b, sigma)  # where P(N ≥ n) is 1
    if mean[-1] < top - 1e-6:
        beyond = -np.inf
    expected = np.logaddexp(inside, beyond) - special.log_ndtr(b / sigma)
    assert float(gaussian_log_p(n, b, sigma)) == pytest.approx(expected, abs=2e-6, rel=1e-9)


@pytest.mark.parametrize(("n", "b", "sigma"), [case for case in CASES if case[1] > 0])
def test_lognormal_smearing_is_the_sum_over_backgrounds(n, b, sigma):
    width = np.log1p(sigma / b)
    top = (np.log(max(n, b) + 12 * np.sqrt(max(n, b)) + 20) - np.log(b)) / width
    eta, step = np.linspace(-10, min(top, 60.0), 2401, retstep=True)
    log_f = log_tail(n, b * np.exp(width * eta)) + stats.norm.logpdf(eta)
    weights = np.r_[1.0, np.tile([4.0, 2.0], 1200)]
    weights[-1] = 1.0
    inside = special.logsumexp(log_f, b=weights * step / 3)
    beyond = stats.norm.logsf(eta[-1])
    expected = np.logaddexp(inside, beyond)
    assert float(lognormal_log_p(n, b, sigma)) == pytest.approx(expected, abs=2e-6, rel=1e-9)


@pytest.mark.parametrize("smeared", [gaussian_p, lognormal_p])
def test_smeared_p_is_how_often_it_happens(smeared):
    n, b, sigma = 16, 8.0, 2.5
    rng, eta = np.random.default_rng(1), np.random.default_rng(2).normal(size=2_000_000)
    if smeared is gaussian_p:
        mean = b + sigma * eta
        mean = mean[mean > 0]
    else:
        mean = b * (1 + sigma / b) ** eta
    k = int((rng.poisson(mean) >= n).sum())
    assert float(smeared(n, b, sigma)) == pytest.approx(
        k / mean.size, abs=4 * np.sqrt(k) / mean.size
    )


@pytest.mark.parametrize("smeared", [gaussian_p, lognormal_p])
def test_a_known_background_is_the_limit(smeared):
    exact = stats.poisson.sf(149, 100.0)
    assert smeared(150, 100.0, 0.0) == pytest.approx(exact, rel=1e-9)
    assert smeared(150, 100.0, 1e-2) == pytest.approx(exact, rel=1e-4)
    assert smeared(150, 100.0, 1e-4) == pytest.approx(exact, rel=1e-6)


@pytest.mark.parametrize("smeared", [gaussian_p, lognormal_p])
def test_small_uncertainties_have_no_shape(smeared):
    # with 2 % on 400 events, Gamma, Gaussian and log-normal are the same thing
    assert smeared(450, 400.0, 8.0) == pytest.approx(float(local_p(450, 400.0, 8.0)), rel=0.03)


@pytest.mark.parametrize("log_p", [gaussian_log_p, lognormal_log_p])
def test_edges_of_the_range(log_p):
    np.testing.assert_array_equal(log_p([0, 5], 3.0, [1.0, np.inf]), 0.0)
    assert np.isfinite(log_p(5000, 10.0, 1.0))
    assert log_p(5000, 10.0, 1.0) < -700
    assert log_p(np.full((2, 3), 5), 3.0, np.ones(3)).shape == (2, 3)
    assert np.isscalar(float(log_p(3, 2.0, 1.0)))


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 2000), st.floats(0.01, 2000), st.floats(1e-4, 3), st.booleans())
def test_more_events_are_less_likely_in_either_form_of_the_integral(n, b, relative, gaussian):
    log_p = (gaussian_log_p if gaussian else lognormal_log_p)([n, n + 1], b, relative * b)
    assert np.all(np.isfinite(log_p))
    assert np.all(log_p <= 0)
    assert log_p[1] <= log_p[0] + 1e-9
