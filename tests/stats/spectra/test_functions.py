"""The dijet functions: integrals, gradients, conditioning."""

from __future__ import annotations

import itertools
import pickle

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.optimize import approx_fprime

from overdensity.core import ConfigError, InputError
from overdensity.stats import (
    BackgroundFunction,
    FitModel,
    background_functions,
    fit,
    hunt,
    log_edges,
    register_function,
    unregister_function,
)
from overdensity.stats.spectra.batch_fit import Problem, refit
from overdensity.stats.spectra.functions import FUNCTIONS as REGISTRY
from overdensity.stats.spectra.functions import SQRT_S, basis
from overdensity.workflow.config.reading import parse_config

FUNCTIONS = {"dijet3": 3, "dijet4": 4, "dijet5": 5}

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


EXPONENT = 9.0  # of the power law from which the spectra of these tests are made


def power_law_columns(mass):
    """A function that the package does not know: f = p0 m^-p1."""
    return np.stack([np.ones_like(mass), -np.log(mass)], axis=-1)


POWER_LAW = BackgroundFunction("power_law", power_law_columns, 2)
EDGES = log_edges(2632, 6000, 16)
CONTENT = 1e5 * -np.diff((EDGES / EDGES[0]) ** (1 - EXPONENT))


@pytest.fixture
def power_law():
    register_function(POWER_LAW)
    yield "power_law"
    unregister_function("power_law")


def test_a_function_from_outside_is_fitted(power_law):
    one = fit(EDGES, CONTENT, function=power_law)
    assert one.parameters[1] == pytest.approx(EXPONENT, abs=1e-4)


def test_a_function_from_outside_is_searched_with(power_law):
    rng = np.random.default_rng(1)
    mass = EDGES[0] * rng.random(20_000) ** (1 / (1 - EXPONENT))
    found = hunt(
        mass,
        np.zeros((mass.size, 1), dtype=int),
        edges=EDGES,
        windows=[[EDGES[6], EDGES[9]]],
        efficiencies=(1.0, 0.1),
        model=FitModel(power_law),
        pseudo_experiments=250,
    )
    assert found.function == power_law
    assert found.unselected_p_value > 0.001


def test_the_configuration_accepts_a_function_from_outside(power_law):
    config = parse_config({"events": {"files": "a.h5"}, "fit": {"function": power_law}})
    assert config.fit.function == power_law


def test_the_configuration_suggests_the_nearest_function():
    with pytest.raises(ConfigError, match=r"fit\.function: .*did you mean 'dijet4'"):
        parse_config({"events": {"files": "a.h5"}, "fit": {"function": "dijt4"}})


def test_a_function_that_is_forgotten_is_unknown(power_law):
    unregister_function(power_law)
    try:
        with pytest.raises(ConfigError, match="no background function 'power_law'"):
            fit(EDGES, CONTENT, function=power_law)
    finally:
        register_function(POWER_LAW)


def test_two_functions_of_one_name_are_refused(power_law):
    with pytest.raises(ConfigError, match="two background functions are called 'power_law'"):
        register_function(BackgroundFunction(power_law, power_law_columns, 3))


def test_a_batch_is_fitted_where_the_function_is_not_registered():
    register_function(POWER_LAW)
    model = basis("power_law", EDGES)
    unregister_function("power_law")  # as in a worker
    model = pickle.loads(pickle.dumps(model))
    none, free = np.zeros((1, 16), dtype=bool), np.zeros((1, 2))
    fits = refit(Problem(model, none, ~none, free, free, free), CONTENT[None, None])
    assert fits.converged.all()
    assert model.physical(fits.theta[0, 0])[1] == pytest.approx(EXPONENT, abs=1e-4)


class Entry:
    """An entry point of an installed package."""

    value = "package:power_law"

    def __init__(self, name, loaded):
        self.name, self.loaded = name, loaded

    def load(self):
        if isinstance(self.loaded, Exception):
            raise self.loaded
        return self.loaded


def test_functions_of_installed_packages_are_found(monkeypatch):
    monkeypatch.setattr(REGISTRY, "_others", {"power_law": Entry("power_law", POWER_LAW)})
    try:
        assert basis("power_law", EDGES).n_parameters == 2
    finally:
        unregister_function("power_law")


def test_a_broken_package_is_named_and_left_out(monkeypatch, caplog):
    broken = Entry("broken", ImportError("no module"))
    monkeypatch.setattr(REGISTRY, "_others", {"broken": broken})
    assert "dijet5" in background_functions()
    assert "'broken'" in caplog.text


@pytest.mark.parametrize(
    ("columns", "n", "message"),
    [
        (power_law_columns, 3, "n_parameters = 3"),
        (lambda mass: np.stack([mass, mass**2], axis=-1), 2, "the first one 1"),
        (lambda mass: np.stack([np.ones_like(mass), np.log(mass - 3000)], axis=-1), 2, "finite"),
        (lambda mass: np.stack([np.ones_like(mass)] * 2, axis=-1), 2, "not independent"),
    ],
)
@pytest.mark.filterwarnings("ignore:invalid value")
def test_columns_that_make_no_function_are_refused(columns, n, message):
    register_function(BackgroundFunction("wrong", columns, n))
    try:
        with pytest.raises(InputError, match=message):
            basis("wrong", EDGES)
    finally:
        unregister_function("wrong")
