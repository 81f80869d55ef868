"""Convolutional networks on images, as a kind of classifier."""

from __future__ import annotations

import numpy as np
import pytest

from overdensity.core import InputError
from overdensity.ml.blocks.images import Images
from overdensity.ml.classifiers.ensemble import (
    ClassifierHyper,
    classifier_from_arrays,
    fit_classifier,
)
from overdensity.ml.classifiers.images.convolutional import CnnHyper
from overdensity.ml.classifiers.kinds import Inputs
from overdensity.ml.training.training_hyper import TrainingHyper

TRAINING = TrainingHyper(epochs=8, batch=50, learning_rate=2e-2)
SETTINGS = CnnHyper(filters=(4, 4, 4, 4), dense=8, training=TRAINING, device="cpu")
HYPER = ClassifierHyper(kind="cnn", inner_folds=2, members=1, settings=SETTINGS)
N = 400


def test_a_lit_corner_is_found_and_the_classifier_survives_its_arrays():
    rng, y = np.random.default_rng(0), np.arange(N) % 2 == 0
    image = rng.random((N, 8, 8)) ** 4
    image[y, 6, 6] += 2
    x = Inputs(np.empty((N, 0), np.float32), {"j1_image": Images.from_array(image)})
    event = np.arange(N, dtype=np.uint64)
    fitted = fit_classifier(x, y, weight=np.ones(N), hyper=HYPER, seed=1, event=event)
    scores = fitted.score(x)
    assert np.mean(scores[y][:, None] > scores[~y]) > 0.9
    again = classifier_from_arrays(fitted.arrays(), HYPER)
    np.testing.assert_array_equal(again.score(x), scores)
    with pytest.raises(InputError, match="trained on j1_image, which these events lack"):
        fitted.score(Inputs(x.features))
