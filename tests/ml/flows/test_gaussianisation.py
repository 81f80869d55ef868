"""Conditional densities by sliced iterative Gaussianisation, against densities known exactly."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import kstest, multivariate_normal, norm

from overdensity.core import InputError
from overdensity.ml.flows.gaussianisation import SlicedFlow, place
from overdensity.ml.flows.gaussianisation_fit import (
    SlicingHyper,
    fit_sliced,
)

QUICK = SlicingHyper(bin_width=250.0, layers=40, step=0.08, axis_events=2000, axis_steps=10)


def bent(n, seed):
    """Return features, masses and the exact log density: a mixture, bent, that grows with m."""
    rng = np.random.default_rng(seed)
    m = rng.uniform(3000.0, 4000.0, n)
    scale = 1 + 0.5 * (m - 3000) / 1000
    u = rng.normal(size=(n, 2))
    second = rng.random(n) < 0.3
    u[second, 0] += 3.0
    u[:, 1] += 0.4 * u[:, 0] ** 2
    x = u * scale[:, None]

    def log_density(x, m):
        scale = 1 + 0.5 * (m - 3000) / 1000
        a, b = (x / scale[:, None]).T
        mixture = 0.7 * norm.pdf(a) + 0.3 * norm.pdf(a - 3.0)
        return np.log(mixture) + norm.logpdf(b - 0.4 * a**2) - 2 * np.log(scale)

    return x, m, log_density


@pytest.fixture(scope="module")
def fitted():
    x, m, _ = bent(20_000, 1)
    return fit_sliced(x, m, np.arange(len(m)) % 10 == 0, hyper=QUICK, seed=1)


def test_density_of_a_bent_mixture_is_the_exact_one(fitted):
    x, m, exact = bent(5000, 2)
    found, true = fitted.log_density(x, m), exact(x, m)
    gaussian = multivariate_normal(x.mean(axis=0), np.cov(x.T)).logpdf(x)
    lost = (true - found).mean()  # the Kullback-Leibler divergence, in nats
    assert lost < 0.05
    assert lost < 0.15 * (true - gaussian).mean()


def test_correlated_gaussian_needs_no_layer_of_its_own_shape():
    rng = np.random.default_rng(3)
    covariance = [[1.0, 0.8, 0.0], [0.8, 2.0, -0.5], [0.0, -0.5, 1.5]]
    true = multivariate_normal([5.0, -2.0, 100.0], covariance)
    x, m = true.rvs(20_000, random_state=rng), rng.uniform(3000.0, 4000.0, 20_000)
    flow = fit_sliced(x, m, np.arange(len(m)) % 10 == 0, hyper=QUICK, seed=1)
    new = true.rvs(3000, random_state=rng)
    lost = true.logpdf(new) - flow.log_density(new, np.full(3000, 3500.0))
    assert abs(lost.mean()) < 0.02


def test_density_integrates_to_one_at_every_mass(fitted):
    a, b = np.linspace(-10, 20, 251), np.linspace(-15, 60, 501)
    grid = np.stack(np.meshgrid(a, b, indexing="ij"), axis=-1).reshape(-1, 2)
    for mass in (2000.0, 3333.0, 4500.0):  # outside the training range and inside
        density = np.exp(fitted.log_density(grid, np.full(len(grid), mass)))
        assert density.sum() * (a[1] - a[0]) * (b[1] - b[0]) == pytest.approx(1, abs=5e-3)


def test_inverse_undoes_the_flow_far_from_the_training_events_too(fitted):
    x, m, _ = bent(500, 4)
    for scale in (1.0, 30.0):
        z, _ = fitted.latent(scale * x, m)
        np.testing.assert_allclose(fitted.inverse(z, m), scale * x, rtol=1e-5, atol=1e-5)


def test_jacobian_is_the_derivative_of_the_latent_features(fitted):
    x, m, _ = bent(200, 5)
    _, log_jacobian = fitted.latent(x, m)
    step = 1e-6
    columns = []
    for i in range(2):
        shift = step * (np.arange(2) == i)
        columns.append((fitted.latent(x + shift, m)[0] - fitted.latent(x - shift, m)[0]) / 2 / step)
    determinant = np.linalg.det(np.stack(columns, axis=2))
    np.testing.assert_allclose(np.log(determinant), log_jacobian, atol=1e-4)


def test_samples_follow_the_training_events(fitted):
    true, m, _ = bent(4000, 6)
    _, other_m, _ = bent(4000, 8)
    made = fitted.sample(other_m, seed=7)
    assert made.dtype == np.float32
    for low in (3000.0, 3500.0):
        mine, theirs = ((k >= low) & (k < low + 500) for k in (other_m, m))
        for i in range(2):
            assert kstest(made[mine, i], true[theirs, i]).statistic < 0.06
    np.testing.assert_array_equal(made, fitted.sample(other_m, seed=7))


def test_flow_survives_its_arrays(fitted):
    x, m, _ = bent(100, 9)
    again = SlicedFlow.from_arrays(fitted.arrays())
    np.testing.assert_array_equal(again.log_density(x, m), fitted.log_density(x, m))


def test_masses_beyond_the_centers_take_the_nearest():
    left, fraction = place(np.array([1.0, 2.0, 2.5, 9.0]), np.array([2.0, 3.0, 5.0]))
    np.testing.assert_array_equal(left, [0, 0, 0, 1])
    np.testing.assert_array_equal(fraction, [0.0, 0.0, 0.5, 1.0])


def test_events_of_another_width_are_refused(fitted):
    with pytest.raises(InputError, match="fitted on 2 features"):
        fitted.log_density(np.zeros((3, 4)), np.full(3, 3500.0))
