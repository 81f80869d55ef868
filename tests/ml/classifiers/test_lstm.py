"""The classifier kind on sequences of jets."""

from __future__ import annotations

import numpy as np
import pytest

from overdensity.core import ConfigError, InputError
from overdensity.ml.classifiers.ensemble import (
    ClassifierHyper,
    classifier_from_arrays,
    fit_classifier,
)
from overdensity.ml.classifiers.lstm import LstmHyper
from overdensity.ml.training.training_hyper import TrainingHyper

HYPER = ClassifierHyper(
    kind="lstm",
    inner_folds=2,
    members=1,
    settings=LstmHyper(
        memory=(4, 4),
        dense=(8,),
        training=TrainingHyper(epochs=6, batch=100, learning_rate=2e-2),
        device="cpu",
    ),
)


@pytest.fixture(scope="module")
def problem():
    """Events of two or three jets; in those of the first class the second jet is heavier."""
    rng = np.random.default_rng(0)
    n, y = 800, np.arange(800) % 2 == 0
    pt = np.sort(rng.uniform(200, 1500, (n, 3)), axis=1)[:, ::-1]
    mass = pt * rng.uniform(0.05, 0.2, (n, 3))
    mass[y, 1] *= 2
    jets = np.stack([pt, rng.normal(size=(n, 3)), rng.uniform(-3, 3, (n, 3)), mass], axis=2)
    jets[: n // 2, 2] = 0.0
    return jets.reshape(n, 12).astype(np.float32), y


@pytest.fixture(scope="module")
def fitted(problem):
    x, y = problem
    event = np.arange(len(y), dtype=np.uint64)
    return fit_classifier(x, y, weight=np.ones(len(y)), hyper=HYPER, seed=1, event=event)


def test_the_heavier_second_jet_is_found(fitted, problem):
    x, y = problem
    scores = fitted.score(x)
    assert np.mean(scores[y][:, None] > scores[~y]) > 0.8


def test_classifier_survives_its_arrays(fitted, problem):
    again = classifier_from_arrays(fitted.arrays(), HYPER)
    np.testing.assert_array_equal(again.score(problem[0]), fitted.score(problem[0]))


def test_columns_that_are_not_four_a_jet_are_refused(problem):
    x, y = problem
    event = np.arange(len(y), dtype=np.uint64)
    with pytest.raises(InputError, match=r"reads pt, eta, phi and mass of each jet.*finds 11 col"):
        fit_classifier(x[:, :11], y, weight=np.ones(len(y)), hyper=HYPER, seed=1, event=event)


@pytest.mark.parametrize("bad", [{"memory": (4,)}, {"memory": (4, 0)}, {"dense": ()}])
def test_widths_that_cannot_be_used_are_refused(bad):
    with pytest.raises(ConfigError, match=f"{next(iter(bad))} = .* cannot be used"):
        LstmHyper(**bad)
