"""Trees that are told what networks say of images."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from overdensity.core import InputError
from overdensity.ml.blocks.images import Images
from overdensity.ml.classifiers.ensemble import (
    ClassifierHyper,
    classifier_from_arrays,
    fit_classifier,
)
from overdensity.ml.classifiers.images.deep_ensemble import DeepEnsembleHyper
from overdensity.ml.classifiers.kinds import Inputs
from overdensity.ml.classifiers.trees import BoostingHyper
from overdensity.ml.training.training_hyper import TrainingHyper

HYPER = ClassifierHyper(
    kind="deep_ensemble",
    inner_folds=2,
    members=1,
    settings=DeepEnsembleHyper(
        widths=(4,),
        blocks=(1,),
        dense=8,
        training=TrainingHyper(epochs=6, batch=50, learning_rate=1e-2, keep="last"),
        trees=BoostingHyper(events_per_leaf=20, leaves=4),
        device="cpu",
    ),
)
N = 600


def events(seed, y):
    """Two columns, one that tells a little, and an image with two lit corners in the first class."""
    rng = np.random.default_rng(seed)
    image = rng.random((N, 8, 8)) ** 4
    image[:, 1, 1] += 2
    image[y, 6, 6] += 2
    x = rng.normal(size=(N, 2)).astype(np.float32)
    x[:, 0] += y
    return Inputs(x, {"event_image": Images.from_array(image)})


def trained(x, y):
    event = np.arange(N, dtype=np.uint64)
    return fit_classifier(x, y, weight=np.ones(N), hyper=HYPER, seed=1, event=event)


@pytest.fixture(scope="module")
def problem():
    y = np.arange(N) % 2 == 0
    x = events(0, y)
    return x, y, trained(x, y)


def test_what_the_image_says_adds_to_the_columns(problem):
    _, y, fitted = problem
    scores = fitted.score(events(1, y))
    assert np.mean(scores[y][:, None] > scores[~y]) > 0.95  # 0.76 by the column alone


def test_trees_do_not_trust_a_network_that_remembers_its_events():
    y = np.random.default_rng(3).random(N) < 0.5  # says nothing
    x = events(2, np.zeros(N, bool))
    scores = trained(x, y).score(events(4, np.zeros(N, bool)))
    assert np.abs(scores - 0.5).mean() < 0.06


def test_classifier_survives_its_arrays(problem):
    x, _, fitted = problem
    again = classifier_from_arrays(fitted.arrays(), HYPER)
    np.testing.assert_array_equal(again.score(x), fitted.score(x))
    np.testing.assert_allclose(1 / (1 + np.exp(-again.log_odds(x))), fitted.score(x), rtol=1e-5)


def test_images_of_two_sizes_and_missing_ones_are_refused(problem):
    x, y, fitted = problem
    small = {"j1_image": Images.from_array(np.ones((N, 4, 4)))}
    with pytest.raises(InputError, match="event_image 8 x 8, j1_image 4 x 4"):
        trained(replace(x, blocks={**x.blocks, **small}), y)
    with pytest.raises(InputError, match="trained on event_image, which these events lack"):
        fitted.score(replace(x, blocks=small))
