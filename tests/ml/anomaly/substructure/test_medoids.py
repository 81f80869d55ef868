"""Distances from medoids as a method: two prongs are far from the jets that stand for all."""

from __future__ import annotations

import numpy as np
import pytest

from overdensity.core import ConfigError, InputError
from overdensity.ml import make_method, performance
from overdensity.ml.contract import TOY_WINDOW, toy_sample
from overdensity.ml.losses.transport import lit_pixels, transport_matrix

SMALL = {"medoids": 2, "jets": 30, "pixels": 8}


@pytest.fixture(scope="module")
def sample():
    return toy_sample().take(np.arange(500))


def fitted(sample, **hyper):
    method = make_method("medoids", **SMALL | hyper)
    return method.fit(method.shown(sample), TOY_WINDOW, seed=1)


@pytest.mark.parametrize(
    "hyper", [{}, {"power": 0.5}, {"together": "sum"}, {"medoids": 0}, {"metric": "mse"}]
)
def test_both_jets_tell_two_prongs_from_one(sample, hyper):
    for error in fitted(sample, **hyper).errors(sample).T:
        assert performance(error, sample.label, eps_b=(0.1,)).auc > 0.75


def test_score_without_signal_does_not_know_the_mass(sample):
    background = sample.take(sample.label == 0)
    scores = fitted(background).score(background)
    assert abs(np.corrcoef(scores, background.mass)[0, 1]) < 0.12


def test_medoids_are_the_jets_from_which_all_are_nearest_in_sum(sample):
    method = fitted(sample, jets=500, metric="mse", medoids=1)
    images = method._jets(method.shown(sample))["j1_image"][:].reshape(500, -1)
    apart = np.square(images[:, None] - images).sum(axis=2).sum(axis=1)
    np.testing.assert_array_equal(method._models["j1_image"].reshape(-1), images[apart.argmin()])


def test_error_is_the_distance_from_the_nearest(sample):
    method = fitted(sample)
    some = method.shown(sample.take(np.arange(20)))
    lit, medoids = (
        lit_pixels(each, 8)
        for each in (method._jets(some)["j1_image"][:], method._models["j1_image"])
    )
    expected = transport_matrix(lit, medoids, power=1.0)
    np.testing.assert_allclose(method.errors(some)[:, 0], expected.min(axis=1), rtol=1e-5)


def test_fewer_jets_than_medoids_are_refused(sample):
    few = sample.take(np.flatnonzero(TOY_WINDOW.signal(sample.mass))[:12])
    with pytest.raises(InputError, match="12 jets have no 20 medoids"):
        fitted(few, medoids=20, min_events=2)


def test_values_that_cannot_be_used_are_refused():
    for bad in ({"jets": 5}, {"metric": "mae"}, {"together": "max"}):
        with pytest.raises(ConfigError, match=f"{next(iter(bad))} = .* cannot be used"):
            make_method("medoids", **bad)
