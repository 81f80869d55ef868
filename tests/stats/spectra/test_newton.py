"""The compiled Newton steps against numpy and scipy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import approx_fprime, minimize

from overdensity.stats import log_edges
from overdensity.stats.spectra.functions import basis
from overdensity.stats.spectra.newton import cholesky, evaluate, maximise, newton_step, solve_lower

EDGES = log_edges(2632, 6000, 12)
MODEL = basis("dijet3", EDGES)
COUNTS = np.random.default_rng(3).poisson(np.geomspace(500, 3, 12)).astype(float)
PEAK = np.exp(-0.5 * ((np.arange(12) - 5) / 1.5) ** 2)
LEFT_OUT = np.arange(12) == 3
CENTER, PRECISION = np.array([4.0, -1.0, 0.2, 0.0]), np.array([0.0, 0.5, 2.0, 0.0])


def losses(theta, gradient=None, info=None):
    gradient = np.empty(4) if gradient is None else gradient
    info = np.empty((4, 4)) if info is None else info
    model = MODEL.design, MODEL.weights, CENTER, PRECISION
    return evaluate(theta, COUNTS, PEAK, LEFT_OUT, model, np.empty(4), gradient, info)


def test_cholesky_is_that_of_numpy():
    matrix = np.random.default_rng(1).normal(size=(5, 5))
    matrix = matrix @ matrix.T
    expected = np.linalg.cholesky(matrix)
    assert cholesky(matrix)
    np.testing.assert_allclose(np.tril(matrix), expected, rtol=1e-10)


def test_a_singular_matrix_is_told():
    assert not cholesky(np.ones((2, 2)))


def test_the_square_of_the_solution_is_the_quadratic_form():
    matrix, vector = np.array([[2.0, 0.0], [1.0, 3.0]]), np.array([1.0, -2.0])
    square = solve_lower(matrix, vector, np.empty(2))
    assert square == pytest.approx(vector @ np.linalg.inv(matrix @ matrix.T) @ vector)


def test_the_loss_is_the_poisson_one_with_its_constraint():
    theta = np.array([4.0, -1.2, 0.1, 5.0])
    mean = (MODEL.expected(theta[:3]) + theta[3] * PEAK)[~LEFT_OUT]
    expected = (mean - COUNTS[~LEFT_OUT] * np.log(mean)).sum()
    expected += (PRECISION * (theta - CENTER) ** 2).sum() / 2
    assert losses(theta) == pytest.approx(expected)


def test_the_gradient_is_the_derivative_of_the_loss():
    theta, gradient = np.array([4.0, -1.2, 0.1, 5.0]), np.empty(4)
    losses(theta, gradient)
    np.testing.assert_allclose(gradient, -approx_fprime(theta, losses, 1e-7), rtol=1e-4, atol=1e-3)


def test_a_negative_expectation_is_infinitely_bad():
    assert losses(np.array([4.0, -1.2, 0.1, -1e6])) == np.inf


def test_a_step_is_cut_where_it_is_too_large():
    step = np.empty(2)
    newton_step(np.eye(2), np.array([6.0, 2.0]), step, 2)
    np.testing.assert_allclose(step, [3.0, 1.0])


def test_the_maximum_is_that_of_scipy():
    theta = np.array([4.0, 0.0, 0.0, 0.0])
    work = np.empty(4), np.empty(4), np.empty((4, 4)), np.empty(4), np.empty(4)
    model = MODEL.design, MODEL.weights, CENTER, PRECISION
    assert maximise(theta, COUNTS, PEAK, LEFT_OUT, model, work, 100, 1e-9) == (True, True)
    other = minimize(losses, np.array([4.0, 0.0, 0.0, 0.0]), method="Nelder-Mead", tol=1e-10)
    assert losses(theta) <= other.fun + 1e-7
