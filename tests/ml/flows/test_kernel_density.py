"""Densities in one dimension by Gaussian kernels."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import gaussian_kde

from overdensity.ml.flows.kernel_density import kernel_density


def test_density_is_that_of_scipy_with_weights():
    rng = np.random.default_rng(1)
    values, weights = rng.normal(size=300), rng.uniform(0.5, 2, 300)
    theirs = gaussian_kde(values, weights=weights)
    width = float(np.sqrt(theirs.covariance[0, 0]))
    grid, density, _ = kernel_density(values, weights, width)
    at = np.linspace(-2, 2, 9)
    assert np.interp(at, grid, density) == pytest.approx(theirs(at), rel=1e-3)


def test_integral_from_the_left_ends_at_one():
    grid, _, cumulative = kernel_density(np.array([1.0, 3.0]), np.array([3.0, 1.0]), 0.2)
    assert cumulative[-1] == pytest.approx(1.0, abs=1e-6)
    assert np.interp(2.0, grid, cumulative) == pytest.approx(0.75, abs=1e-4)
