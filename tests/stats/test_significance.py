"""p-values against published numbers and other libraries."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from overdensity.stats.significance import local_log_p, local_p, p_of_z, z_of_log_p, z_of_p

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
    from overdensity.stats.significance import _log_tail

    full = np.full(n.shape, 1.0)
    np.testing.assert_allclose(
        _log_tail(n * full, 100 * full, 10 * full), local_log_p(n, 100.0, 10.0), rtol=1e-8
    )
