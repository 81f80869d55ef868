"""Likelihood of a spectrum: its gradient, its first guess and its deviance."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import approx_fprime
from scipy.special import ndtr
from scipy.stats import poisson

from overdensity.core import InputError
from overdensity.core.windows import log_edges
from overdensity.stats.spectra.functions import basis
from overdensity.stats.spectra.poisson import (
    Constraint,
    checked_counts,
    deviance,
    likelihood,
    seed_theta,
)

EDGES = log_edges(2632, 6000, 16)
MIDDLE = (EDGES[1:] + EDGES[:-1]) / 26e3
SHAPE = np.diff(EDGES) * (1 - MIDDLE) ** 4 / MIDDLE**3
SHAPE /= SHAPE.sum()
MASK = (np.arange(16) >= 4) & (np.arange(16) < 7)
PEAK = np.diff(ndtr((EDGES - 3500) / 150)) * 100  # 100 events of a resonance at 3.5 TeV


def test_the_gradient_is_the_numerical_one():
    model = basis("dijet5", EDGES)
    counts = np.random.default_rng(0).poisson(3e4 * SHAPE).astype(float)
    constraint = Constraint(np.ones(5), np.arange(5.0))
    loss, gradient = likelihood(model, counts, MASK, constraint)
    theta = seed_theta(model, counts) + 0.01
    numerical = approx_fprime(theta, loss, 1e-6)
    np.testing.assert_allclose(gradient(theta), numerical, rtol=1e-3, atol=0.5)


def test_the_gradient_with_a_signal_is_the_numerical_one():
    model = basis("dijet4", EDGES)
    counts = np.random.default_rng(0).poisson(3e4 * SHAPE + PEAK).astype(float)
    free = Constraint(np.zeros(4), np.zeros(4))
    loss, gradient = likelihood(model, counts, np.zeros(16, bool), free, PEAK)
    values = np.r_[seed_theta(model, counts) + 0.01, 1.5]
    numerical = approx_fprime(values, loss, 1e-6)
    np.testing.assert_allclose(gradient(values), numerical, rtol=1e-3, atol=0.5)


@pytest.mark.parametrize("function", ["dijet3", "dijet4", "dijet5"])
def test_the_first_guess_is_near_the_spectrum(function):
    model = basis(function, EDGES)
    counts = 3e4 * SHAPE
    np.testing.assert_allclose(model.expected(seed_theta(model, counts)), counts, rtol=0.1)


def test_the_deviance_is_that_of_poisson_probabilities():
    counts, mean = np.array([0.0, 1.0, 7.0]), np.array([2.5, 1.0, 4.0])
    ratio = poisson.logpmf(counts, np.maximum(counts, 1e-300)) - poisson.logpmf(counts, mean)
    np.testing.assert_allclose(deviance(counts, mean), 2 * ratio, atol=1e-12)


@pytest.mark.parametrize("bad", [-1.0, np.nan, np.inf])
def test_counts_that_are_no_numbers_of_events_are_refused(bad):
    with pytest.raises(InputError, match="bin 1 holds"):
        checked_counts([3.0, bad], [1000, 2000, 3000])
