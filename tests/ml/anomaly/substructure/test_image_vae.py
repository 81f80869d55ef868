"""The image VAE as a method: its scores, and that two prongs among one prong are outliers."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from overdensity.core import ConfigError
from overdensity.ml import make_method, performance
from overdensity.ml.anomaly.substructure.image_vae import ImageVae
from overdensity.ml.contract import TOY_WINDOW, toy_sample
from overdensity.ml.losses.transport import lit_pixels, transport_distances


@pytest.fixture(scope="module")
def sample():
    return toy_sample().take(np.arange(1500))


@pytest.fixture(scope="module")
def fitted(sample):
    method = make_method("image_vae", **ImageVae.fast)
    return method.fit(method.shown(sample), TOY_WINDOW, seed=1)


def scored(fitted, **hyper):
    other = make_method("image_vae", **ImageVae.fast | hyper)
    other.restore(fitted.arrays())
    return other


@pytest.mark.parametrize(
    ("score", "power"), [("mae", 1.0), ("emd", 0.5), ("emd", 1.0), ("emd", 2.0)]
)
def test_both_jets_tell_two_prongs_from_one(fitted, sample, score, power):
    some = sample.take(np.flatnonzero(np.arange(1500) % 4 == 0))
    for error in scored(fitted, score=score, power=power, pixels=8).errors(some).T:
        assert performance(error, some.label, eps_b=(0.1,)).auc > 0.7


def test_scores_are_what_they_are_called(fitted, sample):
    some = fitted.shown(sample.take(np.arange(6)))
    images = fitted._jets(some)["j1_image"][:]
    with torch.no_grad():
        rebuilt, divergence = fitted._models["j1_image"](torch.from_numpy(images))
    apart = rebuilt.numpy() - images
    lit = (lit_pixels(each, 50) for each in (images, rebuilt.numpy()))
    expected = {
        "mse": np.square(apart).sum(axis=(1, 2)),
        "mae": np.abs(apart).sum(axis=(1, 2)),
        "emd": transport_distances(*lit, power=1.0),
        "loss": 0.9 * 144 * np.square(apart).sum(axis=(1, 2)) + 0.1 * divergence.numpy(),
    }
    for score, values in expected.items():
        found = scored(fitted, score=score, beta=0.1).errors(some)[:, 0]
        np.testing.assert_allclose(found, values, rtol=1e-4)


def test_score_without_signal_does_not_know_the_mass(sample):
    background = sample.take(sample.label == 0)
    method = make_method("image_vae", **ImageVae.fast)
    scores = method.fit(method.shown(background), TOY_WINDOW, seed=1).score(background)
    assert abs(np.corrcoef(scores, background.mass)[0, 1]) < 0.08


def test_sizes_that_cannot_be_halved_and_values_that_cannot_be_used_are_refused(sample):
    with pytest.raises(ConfigError, match="12 x 12 pixels do not divide by 8"):
        make_method("image_vae", **ImageVae.fast | {"blocks": 3}).fit(sample, TOY_WINDOW, seed=1)
    for bad in ({"beta": 1.0}, {"score": "rmse"}, {"power": 0.0}):
        with pytest.raises(ConfigError, match=f"{next(iter(bad))} = .* cannot be used"):
            make_method("image_vae", **bad)
