"""Taggers as kinds of classifiers: what they learn by the truth, and inside CWoLa."""

from __future__ import annotations

import numpy as np
import pytest

from overdensity.core import ConfigError
from overdensity.ml import Folding, cross_fit, make_method, performance
from overdensity.ml.classifiers.ensemble import (
    ClassifierHyper,
    classifier_from_arrays,
    fit_classifier,
    inputs_for,
)
from overdensity.ml.classifiers.kinds import CLASSIFIERS, Inputs
from overdensity.ml.contract import TOY_WINDOW, toy_sample
from overdensity.ml.hyperparameters import replaced
from overdensity.ml.toy_events import toy_blocks

SHAPES = {
    "particlenet": {"edges": [8, 16], "neighbors": 3, "dense": 16},
    "part": {"embedding": [16], "pairs": [8], "heads": 2, "layers": 1, "class_layers": 1},
    "lorentznet": {"hidden": 12, "layers": 2},
    "pcnn": {"first": 8, "stages": [8, 16], "dense": 16, "dropout": 0.1},
}
SEARCHED = {"epochs": 4, "batch": 128, "learning_rate": 1e-2}


def settings(kind, **training):
    return SHAPES[kind] | {
        "particles": 12,
        "device": "cpu",
        "training": {"weight_decay": 0.0, "schedule": "constant", **training},
    }


@pytest.fixture(scope="module", params=SHAPES)
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def problem():
    y = np.arange(500) % 2 == 0
    return Inputs(np.empty((500, 0), np.float32), toy_blocks(y, np.full(500, 1500.0))), y


def test_two_prongs_are_told_from_one_by_the_truth(kind, problem):
    x, y = problem
    default = CLASSIFIERS.find(kind).Hyper()
    small = replaced(default, settings(kind, epochs=6, batch=50, learning_rate=1e-2), of=kind)
    hyper = ClassifierHyper(kind=kind, inner_folds=2, members=1, settings=small)
    learnt = np.arange(len(y)) < 350
    fitted = fit_classifier(x[learnt], y[learnt], weight=np.ones(350), hyper=hyper, seed=1)
    assert performance(fitted.score(x[~learnt]), y[~learnt], eps_b=(0.5,)).auc > 0.85
    again = classifier_from_arrays(fitted.arrays(), hyper)
    np.testing.assert_array_equal(again.score(x), fitted.score(x))


def test_events_without_constituents_are_refused(kind):
    with pytest.raises(ConfigError, match=f"classifier '{kind}' needs constituents"):
        inputs_for(ClassifierHyper(kind=kind), np.empty((3, 1), np.float32), {})


def cwola(kind):
    classifier = {"kind": kind, "inner_folds": 2, "members": 1, kind: settings(kind, **SEARCHED)}
    return make_method("cwola", classifier=classifier)


@pytest.fixture(scope="module")
def sample():
    made = toy_sample()
    return type(made).from_arrays(
        made.mass, made.features[:, :0], (), label=made.label, blocks=made.blocks
    )


@pytest.mark.slow(seconds=30)
def test_cwola_finds_two_prongs_without_labels(kind, sample):
    scores = cross_fit(cwola(kind), sample, TOY_WINDOW, Folding(seed=5, folds=2, scheme="all"))
    inside = TOY_WINDOW.signal(sample.mass)
    assert performance(scores[inside], sample.label[inside], eps_b=(0.01,)).auc > 0.85


@pytest.mark.slow(seconds=30)
def test_cwola_is_quiet_without_signal(kind, sample):
    background = sample.take(sample.label == 0)
    scores = cross_fit(cwola(kind), background, TOY_WINDOW, Folding(seed=5, folds=2, scheme="all"))
    inside = TOY_WINDOW.signal(background.mass)
    around = TOY_WINDOW.lower(background.mass) | TOY_WINDOW.upper(background.mass)
    which = inside | around
    found = performance(scores[which], inside[which].astype(np.int8), eps_b=(0.1,))
    assert found.auc == pytest.approx(0.5, abs=0.04)
