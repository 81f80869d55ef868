"""The convolutional autoencoder as a method: two prongs among one prong are outliers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from overdensity.core import ConfigError, InputError
from overdensity.ml import make_method, performance
from overdensity.ml.anomaly.substructure.image_autoencoder import ImageAutoencoder
from overdensity.ml.blocks.images import Images
from overdensity.ml.contract import TOY_WINDOW, toy_sample
from overdensity.ml.inputs.jet_columns import sort_jets


@pytest.fixture(scope="module")
def sample():
    return toy_sample().take(np.arange(3000))


@pytest.fixture(scope="module")
def fitted(sample):
    method = make_method("image_autoencoder", **ImageAutoencoder.fast)
    return method.fit(method.shown(sample), TOY_WINDOW, seed=1)


def test_both_jets_tell_two_prongs_from_one(fitted, sample):
    for error in fitted.errors(sample).T:
        assert performance(error, sample.label, eps_b=(0.1,)).auc > 0.8


def test_score_without_signal_does_not_know_the_mass(sample):
    background = sample.take(sample.label == 0)
    method = make_method("image_autoencoder", **ImageAutoencoder.fast)
    fitted = method.fit(method.shown(background), TOY_WINDOW, seed=1)
    scores = fitted.score(background)
    assert abs(np.corrcoef(scores, background.mass)[0, 1]) < 0.06


def test_score_is_the_mean_of_both_jets(fitted, sample):
    np.testing.assert_array_equal(fitted.score(sample), fitted.errors(sample).mean(axis=1))


def test_lighter_jets_have_their_own_model(fitted, sample):
    swapped = replace(
        sample,
        features=sample.features[:, [1, 0, 3, 2]],
        blocks={
            name: sample.blocks[f"{'j2' if name[1] == '1' else 'j1'}{name[2:]}"]
            for name in sample.blocks
        },
    )
    np.testing.assert_allclose(fitted.errors(swapped), fitted.errors(sample), rtol=1e-5)


def test_sorted_images_go_with_their_masses(sample):
    lighter = sort_jets(sample)
    swap = sample.features[:, 0] > sample.features[:, 1]
    expected = np.where(
        swap[:, None, None], sample.blocks["j2_image"][:], sample.blocks["j1_image"][:]
    )
    np.testing.assert_array_equal(lighter.blocks["j1_image"][:], expected)


def test_images_of_another_size_are_refused(fitted, sample):
    other = dict.fromkeys(("j1_image", "j2_image"), Images.from_array(np.ones((3000, 8, 8))))
    with pytest.raises(InputError, match="images of 12 x 12 pixels, and is to score 8 x 8"):
        fitted.score(replace(sample, blocks=other))


def test_sizes_that_cannot_be_halved_twice_are_refused(sample):
    method = make_method("image_autoencoder", **ImageAutoencoder.fast)
    blocks = {"j1_image": Images.from_array(np.ones((3000, 10, 10)))}
    with pytest.raises(ConfigError, match="10 x 10 pixels do not divide by 4"):
        method.fit(replace(sample, blocks=blocks), TOY_WINDOW, seed=1)
