"""The dijet functions: integrals, gradients, conditioning."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.optimize import approx_fprime

from overdensity.core import ConfigError, InputError
from overdensity.stats.spectra.functions import FUNCTIONS, SQRT_S, basis, log_edges

PUBLISHED = np.array([0.3, 6.0, 5.0, 0.8, 0.1])


def published(mass, p):
    """LHCO eq. 4.3 written as printed."""
    y = mass / SQRT_S
    p = np.concatenate([p, np.zeros(5 - len(p))])
    return np.exp(p[0]) * (1 - y) ** p[1] / y ** (p[2] + p[3] * np.log(y) + p[4] * np.log(y) ** 2)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_density_is_the_published_formula(name):
    model = basis(name, log_edges(2632, 6000, 16))
    p = PUBLISHED[: FUNCTIONS[name]]
    theta = np.linalg.solve(model.transform, p)
    mass = np.linspace(2700, 5900, 7)
    np.testing.assert_allclose(
        np.exp(model.log_density(theta, mass)), published(mass, p), rtol=1e-7
    )
    np.testing.assert_allclose(model.physical(theta), p, rtol=1e-6)


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("bins", [16, 64])
def test_bin_content_is_the_integral(name, bins):
    edges = log_edges(2632, 6000, bins)
    model = basis(name, edges)
    p = PUBLISHED[: FUNCTIONS[name]]
    theta = np.linalg.solve(model.transform, p)
    exact = [quad(published, a, b, args=(p,))[0] for a, b in itertools.pairwise(edges)]
    np.testing.assert_allclose(model.expected(theta), exact, rtol=1e-7)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_jacobian_is_the_numerical_derivative(name):
    model = basis(name, log_edges(2632, 6000, 16))
    theta = np.linspace(1.0, -1.0, FUNCTIONS[name])
    numerical = approx_fprime(theta, model.expected, 1e-7)
    np.testing.assert_allclose(model.jacobian(theta), numerical, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_columns_are_orthonormal_and_begin_with_the_constant(name):
    columns = basis(name, log_edges(2632, 6000, 32)).design.reshape(-1, FUNCTIONS[name])
    gram = columns.T @ columns / len(columns)
    np.testing.assert_allclose(gram, np.eye(FUNCTIONS[name]), atol=1e-7)
    np.testing.assert_allclose(columns[:, 0], 1.0, rtol=1e-12)


def test_a_misspelt_function_gets_the_nearest_name():
    with pytest.raises(ConfigError, match="dijet5"):
        basis("dijt5", [1000, 2000])


@pytest.mark.parametrize(
    "edges", [[2000.0], [3000.0, 2000.0], [1.0, np.nan], [0.0, 100.0], [1e3, 2e4]]
)
def test_edges_that_cannot_be_used_are_refused(edges):
    with pytest.raises(InputError, match="edges"):
        basis("dijet4", edges)


def test_fewer_bins_than_parameters_are_refused():
    with pytest.raises(InputError, match="3 bins cannot fix"):
        basis("dijet4", log_edges(2632, 6000, 3))
