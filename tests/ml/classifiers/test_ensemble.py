"""Both kinds of classifier behind one interface: what they learn, and what they refuse."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from overdensity.core import ConfigError, InputError
from overdensity.ml.classifiers.ensemble import (
    ClassifierHyper,
    balance_classes,
    classifier_from_arrays,
    fit_classifier,
)
from overdensity.ml.classifiers.network_kind import NetworkHyper
from overdensity.ml.classifiers.trees import BoostingHyper

HYPER = {
    "trees": ClassifierHyper(
        inner_folds=2, members=2, settings=BoostingHyper(events_per_leaf=200, leaves=8)
    ),
    "networks": ClassifierHyper(
        kind="networks",
        inner_folds=2,
        members=1,
        settings=NetworkHyper(width=16, epochs=20, average=3, batch=200, device="cpu"),
    ),
}
KINDS = list(HYPER)


@pytest.fixture(scope="module")
def problem():
    """Two Gaussians a distance of (1, 0) apart: the log-ratio of their densities is x - 1/2."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(8000, 3)).astype(np.float32), np.arange(8000) % 4 == 0
    x[y, 0] += 1
    return x, y, np.arange(8000, dtype=np.uint64)


@pytest.fixture(scope="module")
def fitted(problem):
    x, y, event = problem
    return {
        kind: fit_classifier(x, y, weight=balance_classes(y), hyper=hyper, seed=3, event=event)
        for kind, hyper in HYPER.items()
    }


@pytest.mark.parametrize("kind", KINDS)
def test_log_odds_of_balanced_classes_are_the_log_ratio_of_densities(fitted, kind):
    x = np.random.default_rng(1).normal(size=(5000, 3)).astype(np.float32)
    error = fitted[kind].log_odds(x) - (x[:, 0] - 0.5)
    assert abs(error.mean()) < 0.1
    assert error.std() < 0.35  # that of the log-ratio itself is 1


@pytest.mark.parametrize("kind", KINDS)
def test_log_odds_are_those_of_the_mean_probability(fitted, problem, kind):
    x = problem[0][:100]
    odds = fitted[kind].log_odds(x)
    assert odds.dtype == np.float32
    np.testing.assert_allclose(1 / (1 + np.exp(-odds)), fitted[kind].score(x), rtol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_weights_move_the_log_odds_by_their_logarithm(problem, fitted, kind):
    x, y, event = problem
    weight = np.where(y, 4.0, 1.0) * balance_classes(y)
    heavier = fit_classifier(x, y, weight=weight, hyper=HYPER[kind], seed=3, event=event)
    shift = heavier.log_odds(x) - fitted[kind].log_odds(x)
    assert np.mean(shift) == pytest.approx(np.log(4), abs=0.15)


@pytest.mark.parametrize("kind", KINDS)
def test_ensemble_survives_its_arrays(fitted, problem, kind):
    again = classifier_from_arrays(fitted[kind].arrays(), HYPER[kind])
    x = problem[0][:100]
    np.testing.assert_array_equal(again.log_odds(x), fitted[kind].log_odds(x))


@pytest.mark.parametrize("kind", KINDS)
def test_member_sees_its_fraction_of_the_features_only(problem, kind):
    x, y, _ = problem
    hyper = replace(HYPER[kind], feature_fraction=0.34, inner_folds=3)
    few = fit_classifier(x, y, weight=balance_classes(y), hyper=hyper, seed=3)
    alone = np.zeros((4, 3), np.float32)
    alone[1:] = 3 * np.eye(3)
    moved = few.log_odds(alone)[1:] != few.log_odds(alone)[0]
    arrays = few.arrays()
    if kind == "trees":
        inner = arrays["left"] >= 0
        of_tree = np.searchsorted(arrays["root"], np.flatnonzero(inner), side="right") - 1
        of_member = np.searchsorted(arrays["first_tree"], of_tree, side="right") - 1
        seen = [set(arrays["feature"][inner][of_member == i]) for i in range(6)]
        assert all(len(each) == 1 for each in seen if each)
        assert moved.tolist() == [i in set.union(*seen) for i in range(3)]
    else:
        used = np.any(arrays["weights.0"] != 0, axis=2)
        assert used.sum(axis=1).tolist() == [1] * 9  # three members, three epochs each
        assert moved.tolist() == used.any(axis=0).tolist()


def test_inner_folds_of_events_do_not_depend_on_their_order(problem, fitted):
    x, y, event = problem
    order = np.random.default_rng(1).permutation(len(x))
    weight = balance_classes(y)
    shuffled = fit_classifier(
        x[order],
        y[order],
        weight=weight[order],
        hyper=HYPER["trees"],
        seed=3,
        event=event[order],
    )
    np.testing.assert_allclose(shuffled.score(x), fitted["trees"].score(x), rtol=1e-4)


def test_networks_average_as_many_epochs_as_asked(fitted):
    assert len(fitted["networks"].arrays()["weights.0"]) == 2 * 3


def test_classes_balance_with_the_weights_within_them_kept():
    y = np.array([True, True, False, False, False])
    weight = balance_classes(y, np.array([1.0, 3.0, 1.0, 1.0, 2.0]))
    np.testing.assert_allclose(weight, [0.625, 1.875, 0.625, 0.625, 1.25])


@pytest.mark.parametrize(
    ("key", "value"),
    [("inner_folds", 1), ("members", 0), ("feature_fraction", 0.0)],
)
def test_value_that_cannot_be_used_is_refused(key, value):
    with pytest.raises(ConfigError, match=f"{key} = {value!r} cannot be used"):
        ClassifierHyper(**{key: value})


@pytest.mark.parametrize("kind", ["lstm", "pfn", "cnn"])
def test_a_fraction_of_the_features_is_refused_where_members_see_all(kind):
    with pytest.raises(ConfigError, match=f"feature_fraction = 0.5 is not for the kind '{kind}'"):
        ClassifierHyper(kind=kind, feature_fraction=0.5)


def test_more_epochs_averaged_than_trained_are_refused():
    with pytest.raises(ConfigError, match="average = 10 cannot be used"):
        NetworkHyper(epochs=5)


def test_negative_weight_constant_feature_and_missing_class_are_refused(problem):
    x, y, _ = problem
    hyper, weight = HYPER["trees"], balance_classes(y)
    with pytest.raises(InputError, match="1 of 8000 events have a negative weight"):
        fit_classifier(x, y, weight=np.r_[-1.0, weight[1:]], hyper=hyper, seed=1)
    constant = x.copy()
    constant[:, 1] = 2
    with pytest.raises(InputError, match="feature 1 is always 2"):
        fit_classifier(constant, y, weight=weight, hyper=hyper, seed=1)
    with pytest.raises(InputError, match="0 events of the first class"):
        fit_classifier(x, y & False, weight=weight, hyper=hyper, seed=1)
    weightless = balance_classes(y, np.where(y, 0.0, 1.0))
    with pytest.raises(InputError, match="2000 events of the first class"):
        fit_classifier(x, y, weight=weightless, hyper=hyper, seed=1)
