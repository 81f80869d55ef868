"""Normalised autoencoders on images: two prongs among one are found, and no image is the one that was learnt."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from overdensity.core import ConfigError, InputError
from overdensity.ml import make_method, performance
from overdensity.ml.anomaly.substructure.normalised_image_autoencoder import (
    NormalisedImageAutoencoder,
    NormalisedImageAutoencoderHyper,
)
from overdensity.ml.blocks.images import Images
from overdensity.ml.contract import TOY_WINDOW, toy_sample


@pytest.fixture(scope="module")
def sample():
    return toy_sample().take(np.arange(1500))


@pytest.fixture(scope="module")
def fitted(sample):
    both = {"normalise": True, "first": {"epochs": 3, "batch": 100, "learning_rate": 2e-2}}
    method = make_method("normalised_image_autoencoder", **NormalisedImageAutoencoder.fast | both)
    return method.fit(method.shown(sample), TOY_WINDOW, seed=1)


def test_both_jets_tell_two_prongs_from_one(fitted, sample):
    for error in fitted.errors(sample).T:
        assert performance(error, sample.label, eps_b=(0.1,)).auc > 0.8


def test_score_without_signal_does_not_know_the_mass(fitted, sample):
    background = sample.take(sample.label == 0)
    assert abs(np.corrcoef(fitted.score(background), background.mass)[0, 1]) < 0.1


def test_one_lit_pixel_has_one_at_its_peak_when_it_is_smoothed(fitted):
    pixel = np.zeros((1, 12, 12), np.float32)
    pixel[0, 6, 6] = 1
    smooth = fitted._smoothed(pixel)
    assert smooth.max() == pytest.approx(1, rel=0.02)
    assert smooth.sum() == pytest.approx(2 * np.pi, rel=0.02)


def test_images_of_another_size_are_refused(fitted, sample):
    blocks = {name: Images.from_array(np.ones((len(sample), 8, 8))) for name in fitted._blocks}
    with pytest.raises(InputError, match="12 x 12 pixels, and is to score 8 x 8"):
        fitted.score(replace(sample, blocks=blocks))


def test_odd_images_are_refused(sample):
    blocks = {name: Images.from_array(np.ones((len(sample), 7, 7))) for name in sample.blocks}
    method = make_method("normalised_image_autoencoder", **NormalisedImageAutoencoder.fast)
    with pytest.raises(ConfigError, match="7 x 7 pixels do not divide by 2"):
        method.fit(replace(sample, blocks=blocks), TOY_WINDOW, seed=1)


def test_defaults_are_published():
    hyper = NormalisedImageAutoencoderHyper()
    assert (hyper.smoothing, hyper.filters, hyper.dense, hyper.latent, hyper.output) == (
        *(2.0, 8, 100, 3, "sigmoid"),
    )
    assert (hyper.training.learning_rate, hyper.chains.step, hyper.chains.noise) == (1e-5, 50, 1e-4)


@pytest.mark.parametrize(
    ("name", "value"), [("smoothing", 0.0), ("output", "softmax"), ("filters", 0)]
)
def test_values_that_cannot_be_used_are_refused(name, value):
    with pytest.raises(ConfigError, match=f"{name} = .*cannot be used"):
        make_method("normalised_image_autoencoder", **{name: value})
