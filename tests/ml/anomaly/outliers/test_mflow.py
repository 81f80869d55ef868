from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.stats import gaussian_kde, multivariate_normal

from overdensity.core import ConfigError, InputError
from overdensity.ml import Sample, make_method
from overdensity.ml.anomaly.outliers.mflow import _Manifold, manifold_dimension, mass_density
from overdensity.ml.flows.conditional import FlowHyper

FLOW = {
    "family": "maf",
    "layers": 2,
    "width": 24,
    "depth": 1,
    "epochs": 15,
    "batch": 100,
    "learning_rate": 1e-2,
    "average": 1,
    "keep": "last",
}


def plane(n=3000, noise=0.02, seed=0):
    """Three features near a bent surface, x3 = x1 x2, and how far each event is moved off it."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 2))
    off = noise * rng.normal(size=n)
    features = np.c_[x, x[:, 0] * x[:, 1] + off]
    return Sample.from_arrays(rng.uniform(2800, 4400, n), features, ("a", "b", "c"))


@pytest.fixture(scope="module")
def fitted(window):
    method = make_method("mflow", flow=FLOW, device="cpu")
    return method.fit(plane(), window, seed=1)


def test_dimension_is_8_of_12_features_and_two_thirds_of_fewer():
    assert [manifold_dimension(n) for n in (2, 3, 4, 6, 12, 13, 56)] == [1, 2, 3, 4, 8, 8, 8]
    assert manifold_dimension(12, 5) == 5
    assert all(manifold_dimension(n) < n for n in range(2, 100))


def test_distance_grows_off_the_surface(fitted):
    near, far = plane(seed=1), plane(seed=1)
    features = far.features.copy()
    features[:, 2] += 3.0
    distance = [fitted.parts(sample)[0] for sample in (near, replace(far, features=features))]
    assert np.median(distance[1]) > 20 * np.median(distance[0])
    # a plane of two of the features would leave the third: a median of 0.2 or so, standardised
    assert np.median(distance[0]) < 0.02


def test_density_on_the_manifold_falls_away_from_the_bulk(fitted):
    sample = plane(seed=2)
    log_density = fitted.parts(sample)[1]
    radius = np.hypot(*sample.features[:, :2].T)
    assert log_density[radius < 0.5].mean() > log_density[radius > 2].mean() + 1


def test_score_is_equation_3_15_and_without_the_mass_3_14(fitted, window):
    sample = plane(200, seed=3)
    distance, log_density = fitted.parts(sample)
    p_mass = np.interp(sample.mass, *mass_density(plane().mass))
    expected = distance / (1 + np.exp(log_density) / p_mass)
    np.testing.assert_allclose(np.exp(fitted.score(sample)), expected, rtol=1e-4)
    plain = make_method("mflow", flow=FLOW, device="cpu", decorrelate=False)
    plain.restore(fitted.arrays())
    expected = distance / (1 + np.exp(log_density))
    np.testing.assert_allclose(np.exp(plain.score(sample)), expected, rtol=1e-4)


def test_mass_outside_of_the_learnt_range_has_a_finite_score(fitted):
    sample = plane(50, seed=4)
    assert np.isfinite(fitted.score(replace(sample, mass=sample.mass + 1e4))).all()


def test_untrained_manifold_is_the_first_features_and_its_density_normal():
    hyper = make_method("mflow", dimension=1, flow=FLOW).hyper
    module = _Manifold(3, hyper)  # two reversals: the order of the features is kept
    x = torch.randn(50, 3, generator=torch.Generator().manual_seed(1))
    distance, log_density = module(x)
    torch.testing.assert_close(distance, x[:, 1:].square().sum(dim=1), atol=1e-3, rtol=1e-3)
    expected = multivariate_normal([0], [[1]]).logpdf(x[:, :1].numpy())
    np.testing.assert_allclose(log_density.detach(), expected, atol=1e-2)


def test_density_does_not_shape_the_manifold():
    module = _Manifold(3, make_method("mflow", flow=FLOW).hyper)
    module(torch.randn(20, 3))[1].sum().backward()
    assert all(parameter.grad is None for parameter in module.f.parameters())
    assert any(parameter.grad is not None for parameter in module.h.parameters())


def test_mass_density_is_that_of_scipy_and_integrates_to_one():
    rng = np.random.default_rng(0)
    mass, weight = 2600 + rng.exponential(700, 3000), rng.uniform(0.5, 2, 3000)
    for w in (None, weight):
        grid, density = mass_density(mass, w)
        std = np.sqrt(np.cov(mass, aweights=w, bias=True))
        assert density.sum() * (grid[1] - grid[0]) / std == pytest.approx(1, abs=1e-3)
        at = np.array([2700.0, 3500.0, 4500.0])
        expected = gaussian_kde(mass, weights=w)(at) * std
        np.testing.assert_allclose(np.interp(at, grid, density), expected, rtol=5e-3)


def test_bad_input_is_one_clear_sentence(window):
    with pytest.raises(ConfigError, match="dimension must be at least 1, not 0"):
        make_method("mflow", dimension=0)
    with pytest.raises(ConfigError, match="use keep: last"):
        make_method("mflow", flow=FLOW | {"keep": "best"})
    one = replace(plane(), features=plane().features[:, :1], names=("a",))
    with pytest.raises(InputError, match="needs two features or more, found a"):
        make_method("mflow").fit(one, window, seed=1)


def test_defaults_are_masked_autoregressive_flows_of_dimension_8():
    hyper = make_method("mflow").hyper
    assert isinstance(hyper.flow, FlowHyper)
    assert (hyper.dimension, hyper.flow.family) == (8, "maf")
