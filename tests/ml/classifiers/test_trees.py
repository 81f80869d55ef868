"""Boosted trees are those of scikit-learn, and are scored as its are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier

from overdensity.ml import ClassifierHyper, reliability, watch
from overdensity.ml.classifiers import trees
from overdensity.ml.classifiers.quantile_bins import OrderedFeatures
from overdensity.ml.classifiers.trees import BoostedTrees, BoostingHyper, TreeEnsemble

HYPER = BoostingHyper(iterations=30, leaves=15, events_per_leaf=20, bins=63)


def events(seed: int, n: int = 3000):
    """Return features, one of few values and one of many equal ones, with class and weight."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 5)).astype(np.float32)
    x[:, 1] = np.where(x[:, 1] < 0, 0.0, x[:, 1])  # most events in one bin
    x[:, 2] = x[:, 2].round()  # few values
    y = x[:, 0] + x[:, 1] * x[:, 2] + rng.normal(size=n) > 0
    return x, y, np.where(y, 0.3, 1.7), np.arange(n) % 4 == 0


def fit_trees(x, y, weight, validation, *, seed, hyper):
    binned = OrderedFeatures.of(x).binned(np.where(validation, 0.0, weight), hyper.bins)
    return trees.fit_trees(binned, y, weight, validation, seed=seed, hyper=hyper)


@pytest.fixture(scope="module")
def members():
    return [fit_trees(*events(1), seed=seed, hyper=HYPER) for seed in (1, 2, 3)]


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize(
    "hyper", [HYPER, BoostingHyper(), BoostingHyper(features_per_split=1.0, bins=20, leaves=5)]
)
def test_trees_are_those_of_scikit_learn_to_the_last_digit(seed, hyper):
    pytest.importorskip("sklearn", minversion="1.8")  # older ones do not weight events in bins
    x, y, weight, validation = events(seed)
    expected = HistGradientBoostingClassifier(
        max_iter=hyper.iterations,
        max_leaf_nodes=hyper.leaves,
        min_samples_leaf=hyper.events_per_leaf,
        max_features=hyper.features_per_split,
        max_bins=hyper.bins,
        early_stopping=True,
        n_iter_no_change=hyper.patience,
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
    found = fit_trees(x, y, weight, validation, seed=seed, hyper=hyper)
    assert len(found.root) == expected.n_iter_
    other = events(seed + 10)[0]
    odds = expected.decision_function(other)
    np.testing.assert_array_equal(found.score(other), (1 / (1 + np.exp(-odds))).astype(np.float32))


def test_events_on_a_threshold_go_left():
    x, y, weight, validation = events(2)
    found = fit_trees(x, y, weight, validation, seed=1, hyper=replace(HYPER, iterations=1))
    for node in np.flatnonzero(found.left >= 0):
        assert found.left[node] < found.right[node]
    cut, at = float(found.threshold[0]), int(found.feature[0])
    on = np.tile(x.mean(axis=0), (2, 1)).astype(np.float32)
    on[:, at] = np.float32(cut), np.nextafter(np.float32(cut), np.float32(np.inf))
    if float(on[0, at]) > cut:
        on[0, at] = np.nextafter(on[0, at], np.float32(-np.inf))
    left = TreeEnsemble(**{**found.arrays(), "root": found.left[:1]})
    assert found.score(on)[0] == left.score(on)[0]
    assert found.score(on)[1] != left.score(on)[1]


def test_score_is_the_mean_of_the_members(members):
    x = events(4)[0][:1001]  # no multiple of the events that go down a tree at once
    joined = TreeEnsemble.joined(members)
    expected = np.mean([member.score(x) for member in members], axis=0)
    np.testing.assert_allclose(joined.score(x), expected, rtol=1e-6)
    alone = np.concatenate([joined.score(x[i : i + 1]) for i in range(5)])
    np.testing.assert_array_equal(alone, joined.score(x)[:5])


def test_members_of_some_features_read_their_own(members):
    x, y, weight, validation = events(1)
    some = np.array([4, 0, 2])
    alone = fit_trees(x[:, some], y, weight, validation, seed=1, hyper=HYPER)
    joined = TreeEnsemble.joined([members[0], alone], [np.arange(5), some])
    expected = (members[0].score(x) + alone.score(x[:, some])) / 2
    np.testing.assert_allclose(joined.score(x), expected, rtol=1e-6)


def test_ensemble_survives_its_arrays(members):
    ensemble, x = TreeEnsemble.joined(members), events(5)[0]
    again = TreeEnsemble.from_arrays(ensemble.arrays())
    np.testing.assert_array_equal(again.score(x), ensemble.score(x))


def test_trees_learn_and_stop(members):
    rng = np.random.default_rng(3)
    x = events(6)[0]
    score = TreeEnsemble.joined(members).score(x)
    assert np.corrcoef(score, x[:, 0] + x[:, 1] * x[:, 2])[0, 1] > 0.7
    x = rng.normal(size=(4000, 4)).astype(np.float32)
    noise = fit_trees(
        x, rng.random(4000) > 0.5, np.ones(4000), np.arange(4000) % 4 == 0, seed=0, hyper=HYPER
    )
    assert len(noise.root) < HYPER.iterations


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

    # only where trainings are recorded
    monkeypatch.setattr("overdensity.ml.classifiers.members.reliability", pytest.fail)
    BoostedTrees().fit(*data, hyper=hyper, seed=1)
