"""A pyhf model as arrays: expectations, bounds and pseudo-data."""

from __future__ import annotations

import numpy as np
import pytest

from overdensity.core import InputError
from overdensity.stats.limits.likelihood import likelihood
from overdensity.stats.workspaces.pieces import (
    Channel,
    Sample,
    poisson_error,
    signal,
    workspace,
)

pytestmark = pytest.mark.filterwarnings("ignore:jsonschema.RefResolver:DeprecationWarning")  # pyhf


def count(*errors):
    """Return one count of 52 over 50, with ten signal events at strength 1."""
    background = Sample("background", (50.0,), errors)
    return workspace([Channel("count", (52.0,), (signal([10.0]), background))])


def test_expectations_of_many_parameters_are_those_of_each():
    model = likelihood(count(poisson_error("error", [5.0])))
    theta = np.random.default_rng(1).uniform(0.5, 2.0, (70, 2))  # more than one batch of pyhf
    mu, gamma = theta.T
    if model.names != ("mu", "error"):
        mu, gamma = gamma, mu
    np.testing.assert_allclose(model.expected(theta)[:, 0], 10 * mu + 50 * gamma)


def test_the_strength_is_bounded_below_only():
    model = likelihood(count(poisson_error("error", [5.0])))
    assert model.low[model.poi] == 0
    assert model.high[model.poi] >= 1e12


def test_a_relative_error_of_a_tenth_has_a_hundred_events_beside():
    model = likelihood(count(poisson_error("error", [5.0])))
    assert model.factor.max() == pytest.approx(100)
    assert model.precision.max() == 0


def test_pseudo_data_have_the_mean_of_the_model():
    model = likelihood(count(poisson_error("error", [5.0])))
    observed, auxiliary = model.throw(model.start, 20_000, np.random.default_rng(2))
    assert observed.mean() == pytest.approx(60, abs=4 * np.sqrt(60 / 20_000))
    assert auxiliary.max(axis=1).mean() == pytest.approx(100, abs=4 * np.sqrt(100 / 20_000))


def test_asimov_data_are_the_expectation():
    model = likelihood(count(poisson_error("error", [5.0])))
    observed, auxiliary = model.asimov(model.start)
    assert observed.tolist() == [[60.0]]
    assert auxiliary.max() == pytest.approx(100)


def test_a_workspace_that_pyhf_refuses_is_refused():
    with pytest.raises(InputError, match="pyhf refuses this workspace"):
        likelihood({"channels": []})
