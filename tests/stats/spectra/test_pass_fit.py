"""Passing over failing against scipy, and at its ends."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import expit, logit

from overdensity.stats import log_edges
from overdensity.stats.spectra.functions import basis
from overdensity.stats.spectra.pass_fit import (
    efficiency,
    fit_odds,
    odds_columns,
    odds_covariance,
    selected_background,
)

EDGES = log_edges(2632, 6000, 16)
COLUMNS = odds_columns(EDGES, 2)
TOTAL = np.geomspace(3000, 20, 16).round()
MASK = (np.arange(16) >= 5) & (np.arange(16) < 8)


def fitted(passed, total=TOTAL, *, start=(-2.0, 0.0, 0.0), precision=(0.0, 0.0, 0.0)):
    odds, center = np.array(start), np.array([-2.0, 0.0, 0.0])
    work = np.empty(3), np.empty((3, 3)), np.empty(3)
    found, _ = fit_odds(
        odds, passed, total, MASK, COLUMNS, center, np.array(precision), work, 100, 1e-10
    )
    return odds, found, work[1]


@pytest.mark.parametrize("precision", [(0.0, 0.0, 0.0), (0.01, 25.0, 25.0)])
def test_the_maximum_is_that_of_scipy(precision):
    true = COLUMNS @ np.array([-1.5, 0.6, -0.4])
    passed = np.random.default_rng(1).binomial(TOTAL.astype(int), expit(true)).astype(float)
    odds, found, _ = fitted(passed, precision=precision)

    def loss(x):
        eta = (COLUMNS @ x)[~MASK]
        pull = x - np.array([-2.0, 0.0, 0.0])
        binomial = (TOTAL[~MASK] * np.logaddexp(0, eta) - passed[~MASK] * eta).sum()
        return binomial + (np.array(precision) * pull**2).sum() / 2

    other = minimize(loss, [-2.0, 0.0, 0.0], method="Nelder-Mead", options={"xatol": 1e-9})
    assert found
    np.testing.assert_allclose(odds, other.x, atol=1e-4)


def test_masked_bins_do_not_matter():
    passed = np.round(0.1 * TOTAL)
    one, two = fitted(passed)[0], fitted(passed + 0.5 * TOTAL * MASK)[0]
    np.testing.assert_array_equal(one, two)


def test_a_bad_start_is_recovered_from():
    passed = np.round(0.02 * TOTAL)
    odds, found, _ = fitted(passed, start=(9.0, -5.0, 4.0))
    assert found
    np.testing.assert_allclose(odds, fitted(passed)[0], atol=1e-4)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_a_constraint_keeps_a_fit_finite_where_none_or_all_pass(share):
    odds, found, _ = fitted(share * TOTAL, precision=(0.01, 1.0, 1.0))
    kept = efficiency(COLUMNS, odds)
    assert found
    assert np.all(np.abs(kept - share) < 0.05)


def test_the_information_left_is_its_factor():
    odds, _, lower = fitted(np.round(0.1 * TOTAL))
    kept = efficiency(COLUMNS, odds)
    weight = np.where(MASK, 0.0, TOTAL * kept * (1 - kept))
    information = (COLUMNS * weight[:, None]).T @ COLUMNS
    np.testing.assert_allclose(np.tril(lower), np.linalg.cholesky(information), rtol=1e-4)


def test_the_covariance_is_the_inverse_of_the_information():
    odds, _, lower = fitted(np.round(0.1 * TOTAL), precision=(0.01, 4.0, 9.0))
    kept, total = efficiency(COLUMNS, odds), np.where(MASK, 0.0, TOTAL)
    lower, precision = np.tril(lower), np.array([[0.01, 4.0, 9.0]])
    found = odds_covariance(COLUMNS, np.stack([kept]), total, precision)
    np.testing.assert_allclose(found[0] @ lower @ lower.T, np.eye(3), atol=1e-3)


def test_efficiencies_are_those_of_their_log_odds():
    odds = np.array([[logit(0.1), 0.0, 0.0], [-800.0, 0.0, 0.0]])
    kept = efficiency(COLUMNS, odds)
    np.testing.assert_allclose(kept[0], 0.1)
    assert np.all((kept[1] > 0) & (kept[1] < 1e-12))


def test_the_background_of_a_peak_has_the_freedom_of_both_fits():
    function, theta = basis("dijet3", EDGES), np.array([2.0, -1.0, 0.1])
    covariance = np.array([[4.0, 1.0, 0.0], [1.0, 9.0, 2.0], [0.0, 2.0, 5.0]]) * 1e-4
    kept = np.linspace(0.1, 0.2, 16)
    shape, known = selected_background(
        function, theta, covariance, kept, np.array([0.01, 4.0, 4.0])
    )
    nothing = np.zeros(6)
    np.testing.assert_allclose(shape.expected(nothing), kept * function.expected(theta))
    # with the efficiency held, the errors are those of the fit before selection
    jacobian = shape.jacobian(nothing)[:, 3:]
    slopes = kept[:, None] * function.jacobian(theta)
    np.testing.assert_allclose(jacobian @ jacobian.T, slopes @ covariance @ slopes.T, rtol=1e-6)
    assert known.precision.tolist() == [0.01, 4.0, 4.0, 1.0, 1.0, 1.0]
