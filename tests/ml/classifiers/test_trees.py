"""The flat ensemble scores as scikit-learn does."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier

from overdensity.ml import ClassifierHyper, reliability, watch
from overdensity.ml.classifiers import trees
from overdensity.ml.classifiers.quantile_bins import OrderedFeatures
from overdensity.ml.classifiers.trees import BoostedTrees, BoostingHyper, TreeEnsemble

HYPER = BoostingHyper(iterations=30, leaves=15, events_per_leaf=20, bins=63)


def fit_trees(x, y, weight, validation, *, seed):
    binned = OrderedFeatures.of(x).binned(np.where(validation, 0.0, weight), HYPER.bins)
    return trees.fit_trees(binned, y, weight, validation, seed=seed, hyper=HYPER)


@pytest.fixture(scope="module")
def classifiers():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(4000, 4)).astype(np.float32)
    y = x[:, 0] * x[:, 1] + rng.normal(size=4000) > 0
    weight = rng.uniform(0.5, 1.5, 4000)
    validation = np.arange(4000) % 4 == 0
    return [fit_trees(x, y, weight, validation, seed=seed) for seed in (1, 2, 3)]


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


@pytest.mark.parametrize("seed", [1, 2])
def test_trees_are_those_of_scikit_learn_with_its_own_bins(seed):
    pytest.importorskip("sklearn", minversion="1.8")  # older ones do not weight events in bins
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(3000, 5)).astype(np.float32)
    x[:, 1] = np.where(x[:, 1] < 0, 0.0, x[:, 1])  # most events in one bin
    x[:, 2] = x[:, 2].round()  # few values
    y = x[:, 0] + x[:, 1] * x[:, 2] + rng.normal(size=3000) > 0
    weight = np.where(y, 0.3, 1.7)
    validation = np.arange(3000) % 4 == 0
    expected = HistGradientBoostingClassifier(
        max_iter=HYPER.iterations,
        max_leaf_nodes=HYPER.leaves,
        min_samples_leaf=HYPER.events_per_leaf,
        max_features=HYPER.features_per_split,
        max_bins=HYPER.bins,
        early_stopping=True,
        n_iter_no_change=HYPER.patience,
        tol=0.0,
        random_state=seed,
    ).fit(
        x[~validation],
        y[~validation],
        sample_weight=weight[~validation],
        X_val=x[validation],
        y_val=y[validation],
        sample_weight_val=weight[validation],
    )
    found = fit_trees(x, y, weight, validation, seed=seed)
    other = rng.normal(size=(1000, 5)).astype(np.float32)
    np.testing.assert_array_equal(found.predict_proba(other), expected.predict_proba(other))


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
    noise = fit_trees(x, rng.random(4000) > 0.5, np.ones(4000), np.arange(4000) % 4 == 0, seed=0)
    assert noise.n_iter_ < HYPER.iterations


def test_events_are_judged_by_the_trees_that_their_inner_fold_stopped(monkeypatch):
    rng = np.random.default_rng(3)
    x = rng.normal(size=(1000, 3)).astype(np.float32)
    y, inner = x[:, 0] + rng.normal(size=1000) > 0, np.arange(1000) % 2
    hyper = ClassifierHyper(inner_folds=2, members=1, settings=HYPER)
    data = (x, y, np.ones(1000), inner)
    with watch() as seen:
        fitted = BoostedTrees().fit(*data, hyper=hyper, seed=1)
    first = fitted.first_tree
    alone = [
        TreeEnsemble(
            first[i : i + 2], fitted.baseline[i : i + 1], *list(fitted.arrays().values())[2:]
        )
        for i in range(2)
    ]
    held_out = np.where(inner == 0, alone[0].score(x), alone[1].score(x))
    assert seen.reliability == [reliability(held_out, y, np.ones(1000))]

    monkeypatch.setattr(trees, "note_reliability", pytest.fail)  # only where trainings are recorded
    BoostedTrees().fit(*data, hyper=hyper, seed=1)
