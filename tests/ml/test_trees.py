"""The flat ensemble scores as scikit-learn does."""

from __future__ import annotations

import numpy as np
import pytest

from overdensity.ml.trees import BoostingHyper, TreeEnsemble, fit_trees

HYPER = BoostingHyper(iterations=30, leaves=15, events_per_leaf=20, bins=63)


@pytest.fixture(scope="module")
def classifiers():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(4000, 4)).astype(np.float32)
    y = x[:, 0] * x[:, 1] + rng.normal(size=4000) > 0
    weight = rng.uniform(0.5, 1.5, 4000)
    validation = np.arange(4000) % 4 == 0
    return [fit_trees(x, y, weight, validation, seed=seed, hyper=HYPER) for seed in (1, 2, 3)]


def test_score_is_the_mean_of_scikit_learn_probabilities(classifiers):
    x = np.random.default_rng(1).normal(size=(1000, 4)).astype(np.float32)
    expected = np.mean([c.predict_proba(x)[:, 1] for c in classifiers], axis=0)
    found = TreeEnsemble.from_classifiers(classifiers).score(x)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_events_on_a_threshold_go_where_scikit_learn_sends_them(classifiers):
    ensemble = TreeEnsemble.from_classifiers(classifiers)
    on = ensemble.threshold[ensemble.left >= 0].astype(np.float32)
    x = np.random.default_rng(2).choice(on, (500, 4)).astype(np.float32)
    expected = np.mean([c.predict_proba(x)[:, 1] for c in classifiers], axis=0)
    np.testing.assert_allclose(ensemble.score(x), expected, rtol=1e-6)


def test_ensemble_survives_its_arrays(classifiers):
    ensemble = TreeEnsemble.from_classifiers(classifiers)
    x = np.random.default_rng(1).normal(size=(100, 4)).astype(np.float32)
    again = TreeEnsemble.from_arrays(ensemble.arrays())
    np.testing.assert_array_equal(again.score(x), ensemble.score(x))


def test_trees_learn_and_stop(classifiers):
    rng = np.random.default_rng(3)
    x = rng.normal(size=(4000, 4)).astype(np.float32)
    score = TreeEnsemble.from_classifiers(classifiers).score(x)
    assert np.corrcoef(score, x[:, 0] * x[:, 1])[0, 1] > 0.7
    noise = fit_trees(
        x, rng.random(4000) > 0.5, np.ones(4000), np.arange(4000) % 4 == 0, seed=0, hyper=HYPER
    )
    assert noise.n_iter_ < HYPER.iterations
