"""p-values against published numbers and other libraries."""

from __future__ import annotations

import numpy as np
import pyhf
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from overdensity.stats.p_values.local import (
    asimov_z,
    asymptotic_z,
    binomial_z,
    gamma_q0,
    gaussian_q0,
    local_log_p,
    local_p,
    p_of_z,
    z_of_log_p,
    z_of_p,
)

# Cousins, Linnemann and Tucker, physics/0702156, Table 1: n_on, n_off, tau, Z_Bi.
TABLE = [
    (4, 5, 5.0, 1.66),
    (6, 18.78, 14.44, 2.63),
    (9, 17.83, 4.69, 1.82),
    (17, 40.11, 10.56, 4.46),
    (50, 55, 2.0, 2.93),
    (67, 15, 0.5, 2.89),
    (200, 10, 0.1, 2.2),
    (523, 2327, 5.99, 5.93),
    (498426, 493434, 1.0, 5.01),
    (2119449, 23650096, 11.21, 6.40),
]


@pytest.mark.parametrize(("n_on", "n_off", "tau", "z"), TABLE)
def test_binomial_z_of_the_published_table(n_on, n_off, tau, z):
    p = local_p(n_on, n_off / tau, np.sqrt(n_off) / tau)
    assert z_of_p(p) == pytest.approx(z, abs=0.0051)


def test_binomial_p_of_the_roostats_tutorial():
    # Zbi_Zgamma.C with x = 150, y = 100, tau = 1 prints 0.00094165 and 3.10804.
    p = local_p(150, 100.0, 10.0)
    assert p == pytest.approx(0.00094165, rel=1e-5)
    assert z_of_p(p) == pytest.approx(3.10804, abs=1e-5)


@pytest.mark.parametrize(("n", "b"), [(3, 0.5), (10, 4.2), (150, 100.0), (1000, 900.0)])
def test_a_known_background_gives_poisson(n, b):
    exact = stats.poisson.sf(n - 1, b)
    assert local_p(n, b, 0.0) == pytest.approx(exact, rel=1e-10)
    assert local_p(n, b, 1e-4 * np.sqrt(b)) == pytest.approx(exact, rel=1e-3)


def test_p_is_the_tail_of_a_gamma_poisson_mixture():
    b, sigma, n = 7.0, 2.0, 15
    rng = np.random.default_rng(1)
    tau = b / sigma**2
    thrown = rng.poisson(rng.gamma(b * tau + 1, 1 / tau, 2_000_000))
    k = (thrown >= n).sum()
    assert float(local_p(n, b, sigma)) == pytest.approx(
        k / thrown.size, abs=4 * np.sqrt(k) / thrown.size
    )


def test_nothing_observed_has_p_one_and_finite_z():
    assert local_p(0, 3.0, 1.0) == 1.0
    assert z_of_p(1.0) == pytest.approx(-8.2, abs=0.1)


def test_a_background_of_unknown_size_explains_anything():
    assert local_p(100, 1.0, np.inf) == 1.0


@given(st.floats(-8, 37))
def test_z_and_p_are_inverse(z):
    assert z_of_p(p_of_z(z)) == pytest.approx(z, abs=1e-2 if z < -6 else 1e-6)


@given(st.integers(1, 500), st.floats(0.05, 300), st.floats(0.02, 1))
def test_more_events_are_less_likely_and_more_uncertainty_forgives(n, b, relative):
    p = local_p([n, n + 1], b, relative * b)
    assert 0 <= p[1] <= p[0] <= 1
    if n > b + 3 * relative * b + 3:
        assert local_p(n, b, relative * b) >= local_p(n, b, 0.0) * (1 - 1e-9)


def test_log_p_goes_on_smoothly_where_p_ends():
    n = np.arange(600, 1100, 20)
    log_p = local_log_p(n, 100.0, 5.0)
    assert np.all(np.diff(log_p) < 0)
    exact = stats.nbinom.logpmf(n, 401, 4 / 5)  # shape b²/σ² + 1, τ = 4: the leading term
    assert np.all(log_p > exact)
    assert np.all(log_p < exact + np.log(3))
    assert np.all(np.isfinite(z_of_log_p(log_p)))


def test_log_p_agrees_with_p_where_both_exist():
    n = np.arange(150, 400, 10)
    np.testing.assert_allclose(
        local_log_p(n, 100.0, 10.0), np.log(local_p(n, 100.0, 10.0)), rtol=1e-9
    )
    from overdensity.stats.p_values.local import _log_tail

    full = np.full(n.shape, 1.0)
    np.testing.assert_allclose(
        _log_tail(n * full, 100 * full, 10 * full), local_log_p(n, 100.0, 10.0), rtol=1e-8
    )


@pytest.mark.parametrize(("signal", "background", "relative"), [(50, 100, 0.1)])
def test_binomial_z_of_the_roostats_tutorial(signal, background, relative):
    # rs_numbercountingutils.C prints this for a signal of 50 on 100 expected, and 150 observed
    assert binomial_z(signal + background, background, relative) == pytest.approx(3.10804, abs=1e-5)


@pytest.mark.parametrize(("n_on", "n_off", "tau", "z"), TABLE)
def test_binomial_z_of_the_published_table_from_relative_errors(n_on, n_off, tau, z):
    assert binomial_z(n_on, n_off / tau, n_off**-0.5) == pytest.approx(z, abs=0.0051)


@pytest.mark.parametrize(("n", "b"), [(12, 4.0), (300, 100.0), (5, 0.4)])
def test_binomial_z_with_fifteen_per_cent_is_a_binomial_test(n, b):
    """The on/off problem is binomial by definition: I_x(a, b) is not needed to say so."""
    n_off = round(1 / 0.15**2)
    relative = n_off**-0.5
    share = 1 / (1 + n_off / b)
    exact = stats.binom.sf(n - 1, n + n_off, share)
    assert binomial_z(n, b, relative) == pytest.approx(stats.norm.isf(exact), abs=1e-9)


def test_binomial_z_far_in_the_tail_is_finite():
    z = float(binomial_z(20_000, 100.0, 0.05))
    assert z == pytest.approx(float(asymptotic_z(gamma_q0(20_000, 100.0, 5.0))), rel=1e-3)


def discovery(model, data) -> float:
    return float(
        pyhf.infer.test_statistics.q0(
            0.0,
            data,
            model,
            model.config.suggested_init(),
            [(0, 1e5), *model.config.suggested_bounds()[1:]],
            model.config.suggested_fixed(),
        )
    )


COUNTS = [(12, 5.0, 1.0), (12, 5.0, 2.5), (150, 100.0, 10.0), (40, 38.0, 5.0), (30, 38.0, 5.0)]


@pytest.mark.parametrize(("n", "b", "sigma"), COUNTS)
def test_q0_with_a_side_region_agrees_with_pyhf(n, b, sigma):
    model = pyhf.simplemodels.uncorrelated_background(
        signal=[1.0], bkg=[b], bkg_uncertainty=[sigma]
    )
    expected = discovery(model, [float(n), *model.config.auxdata])
    assert float(gamma_q0(n, b, sigma)) == pytest.approx(expected, abs=2e-4, rel=1e-4)


@pytest.mark.parametrize(("n", "b", "sigma"), COUNTS)
def test_q0_with_a_gaussian_background_agrees_with_pyhf(n, b, sigma):
    model = pyhf.simplemodels.correlated_background(
        signal=[1.0], bkg=[b], bkg_up=[b + sigma], bkg_down=[b - sigma]
    )
    # parameters in pyhf's order: the constrained one first
    poi = model.config.poi_index
    bounds = [(0, 1e5) if k == poi else (-20, 20) for k in range(model.config.npars)]
    expected = pyhf.infer.test_statistics.q0(
        0.0,
        [float(n), *model.config.auxdata],
        model,
        model.config.suggested_init(),
        bounds,
        model.config.suggested_fixed(),
    )
    assert float(gaussian_q0(n, b, sigma)) == pytest.approx(float(expected), abs=2e-4, rel=1e-4)


@pytest.mark.parametrize("q0", [gamma_q0, gaussian_q0])
def test_q0_without_uncertainty_is_that_of_a_known_background(q0):
    n, b = np.array([5.0, 50.0, 1000.0]), np.array([2.0, 30.0, 800.0])
    exact = 2 * (n * np.log(n / b) - (n - b))
    np.testing.assert_allclose(q0(n, b, 0.0), exact, rtol=1e-9)
    np.testing.assert_allclose(q0(n, b, 1e-3 * np.sqrt(b)), exact, rtol=1e-4)
    np.testing.assert_array_equal(q0(b - 1, b, 1.0), 0.0)


def test_asymptotic_z_follows_the_gaussian_in_pseudo_experiments():
    rng = np.random.default_rng(3)
    b, tau, n = 200.0, 2.0, 100_000
    off = rng.poisson(b * tau, n)
    z = asymptotic_z(gamma_q0(rng.poisson(b, n), off / tau, np.sqrt(off) / tau))
    for level in (1.0, 2.0):
        p = p_of_z(level)
        assert (z > level).mean() == pytest.approx(float(p), rel=0.1)


def test_asimov_z_is_the_median_of_what_is_found():
    rng = np.random.default_rng(4)
    s, b, sigma = 40.0, 100.0, 10.0
    tau = b / sigma**2
    off = rng.poisson(b * tau, 50_000)
    found = asymptotic_z(gamma_q0(rng.poisson(s + b, 50_000), off / tau, np.sqrt(off) / tau))
    assert np.median(found) == pytest.approx(float(asimov_z(s, b, sigma)), abs=0.05)


def test_asimov_z_is_the_formula_of_cowan():
    s, b, sigma = 12.0, 20.0, 4.0
    v = sigma**2
    first = (s + b) * np.log((s + b) * (b + v) / (b**2 + (s + b) * v))
    second = b**2 / v * np.log(1 + v * s / (b * (b + v)))
    assert float(asimov_z(s, b, sigma)) == pytest.approx(np.sqrt(2 * (first - second)), rel=1e-12)
    assert float(asimov_z(1.0, 1e4, 0.0)) == pytest.approx(0.01, rel=1e-3)  # s/√b
