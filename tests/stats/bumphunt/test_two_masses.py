"""The bump hunt in two masses."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import dblquad
from scipy.stats import ks_2samp

from overdensity.core import FitError, InputError
from overdensity.core.windows import log_edges
from overdensity.stats.bumphunt.engine import _Refit
from overdensity.stats.bumphunt.regions import grid
from overdensity.stats.bumphunt.two_masses import (
    bump_hunt_2d,
    bump_hunt_2d_given_reference,
    plane_basis,
)
from overdensity.stats.spectra.poisson import Constraint

X, Y = log_edges(2600, 6000, 12), log_edges(100, 900, 10)
WIDTHS = ((2, 3), (2, 3))


def truth(theta_y: float = 1.5) -> np.ndarray:
    """Mean counts: falling in both masses, the second harder at large first."""
    x, y = (X[1:] + X[:-1]) / 2, (Y[1:] + Y[:-1]) / 2
    log_y = np.log(y / 300)
    density = np.exp(-4 * np.log(x / 3000)[:, None] - theta_y * log_y - 0.4 * log_y**2)
    density *= np.exp(0.5 * np.log(x / 3000)[:, None] * log_y)
    mean = density * np.diff(X)[:, None] * np.diff(Y)
    return 20_000 * mean / mean.sum()


def with_bump(events: float) -> np.ndarray:
    mean = truth()
    mean[5:7, 4:6] += events / 4
    return mean


def test_the_density_is_integrated_over_bins():
    model = plane_basis((X, Y), degree=2)
    theta = np.array([-7.0, -1.0, -0.5, 0.2, 0.1, -0.3])
    expected = model.expected(theta).reshape(12, 10)
    for i, j in ((0, 0), (5, 7), (11, 9)):
        exact, _ = dblquad(
            lambda y, x: np.exp(model.log_density(theta, np.array([x, y]))),
            X[i], X[i + 1], Y[j], Y[j + 1],
        )  # fmt: skip
        assert expected[i, j] == pytest.approx(exact, rel=1e-3)


def test_columns_are_orthonormal_over_the_bins():
    design = plane_basis((X, Y), degree=3).design.reshape(-1, 10)
    np.testing.assert_allclose(design.T @ design / len(design), np.eye(10), atol=1e-9)


def test_an_injected_bump_is_found_in_its_place():
    counts = np.random.default_rng(1).poisson(with_bump(250))
    result = bump_hunt_2d((X, Y), counts, widths=WIDTHS, pseudo_experiments=250)
    (x0, x1), (y0, y1) = result.bins
    assert x0 <= 5
    assert x1 >= 7
    assert y0 <= 4
    assert y1 >= 6
    assert result.global_p.p_global < 0.01
    assert result.interval == ((X[x0], X[x1]), (Y[y0], Y[y1]))
    assert 150 < result.excess < 350


def test_a_given_reference_finds_it_too():
    counts = np.random.default_rng(2).poisson(with_bump(250))
    result = bump_hunt_2d_given_reference(
        (X, Y), counts, truth(), widths=WIDTHS, pseudo_experiments=1000
    )
    assert result.bins == ((5, 7), (4, 6))
    assert result.global_p.is_limit


def test_pseudo_experiments_about_a_fit_are_like_those_about_the_truth():
    model, free = plane_basis((X, Y), degree=2), Constraint(np.zeros(6), np.zeros(6))
    scan = _Refit(model, grid((X, Y), WIDTHS, None).boxes, 10, 1, free)
    start, _ = scan.everywhere(truth().reshape(1, -1), np.r_[-5.0, np.zeros(5)], None)
    data = np.random.default_rng(3).poisson(truth().ravel(), (250, 120)).astype(float)
    theta, converged = scan.everywhere(data, start[0], None)
    toys = np.random.default_rng(4).poisson(model.expected(theta[0]), (250, 120)).astype(float)
    again, _ = scan.everywhere(toys, start[0], None)
    assert converged.all()
    assert ks_2samp(scan.scan(data, theta)[0], scan.scan(toys, again)[0]).pvalue > 0.01


def test_one_mass_at_a_time_sees_less_than_both():
    """What is spread over one mass hides in it: the reason to look at both."""
    counts = np.random.default_rng(5).poisson(with_bump(160))
    both = bump_hunt_2d_given_reference(
        (X, Y), counts, truth(), widths=WIDTHS, pseudo_experiments=250
    )
    first = bump_hunt_2d_given_reference(
        (X, Y[[0, -1]]), counts.sum(axis=1, keepdims=True), truth().sum(axis=1, keepdims=True),
        widths=((2, 3), (1, 1)), pseudo_experiments=250,
    )  # fmt: skip
    assert both.z_local > first.z_local + 1


def test_unusable_input_is_refused():
    counts = truth().round()
    with pytest.raises(InputError, match="12 × 10"):
        bump_hunt_2d((X, Y), counts.T)
    with pytest.raises(InputError, match="not negative"):
        bump_hunt_2d((X, Y), counts - 1e6)
    with pytest.raises(InputError, match="degree 12"):
        bump_hunt_2d((X, Y), counts, degree=12)
    with pytest.raises(InputError, match="above zero"):
        bump_hunt_2d((X, Y - 100), counts)
    with pytest.raises(FitError, match="bins have events"):
        bump_hunt_2d((X, Y), np.zeros((12, 10)))
