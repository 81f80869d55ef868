"""Mahalanobis distance against scipy, its invariance, and an example that it finds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from overdensity.core import InputError
from overdensity.ml import Sample, make_method


@pytest.fixture(scope="module")
def events():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(500, 4)) @ rng.normal(size=(4, 4)) + [100.0, 0.0, 3.0, 1.0]
    names = ["j1_mass", "j2_mass", "j1_tau21", "j2_tau21"]
    return Sample.from_arrays(rng.uniform(2900, 4200, 500), x, names)


def fitted(events, window, **hyper):
    return make_method("mahalanobis", **hyper).fit(events, window, seed=1)


def test_score_is_the_squared_distance_of_scipy_for_each_feature(events, window):
    x = events.features.astype(float)
    inverse = np.linalg.inv(np.cov(x.T))
    expected = cdist(x, x.mean(axis=0, keepdims=True), "mahalanobis", VI=inverse)[:, 0] ** 2 / 4
    np.testing.assert_allclose(fitted(events, window).score(events), expected, rtol=1e-3)


def test_linear_map_of_the_features_changes_nothing(events, window):
    mixed = np.array([[2.0, 1, 0, 0], [0, 3, 1, 0], [0, 0, 1, 1], [1, 0, 0, 5]])
    other = replace(events, features=(events.features @ mixed).astype(np.float32))
    np.testing.assert_allclose(
        fitted(events, window).score(events), fitted(other, window).score(other), rtol=2e-3
    )


def test_jets_by_themselves_do_not_know_of_each_other(events, window):
    method = fitted(events, window, per_jet=True)
    assert method.errors(events).shape == (500, 2)
    moved = events.features.copy()
    moved[:, [1, 3]] += 1
    other = method.errors(replace(events, features=moved))
    np.testing.assert_array_equal(other[:, 0], method.errors(events)[:, 0])


def test_events_without_weight_are_not_learnt(events, window):
    far = replace(events, features=events.features + 50, event=events.event + np.uint64(10**6))
    both = Sample.concatenated(events, far)
    weighted = replace(both, weight=np.repeat([1.0, 1e-9], 500))
    scores = fitted(weighted, window).score(both)
    np.testing.assert_allclose(scores[:500], fitted(events, window).score(events), rtol=2e-2)


def test_columns_that_follow_from_others_are_refused(events, window):
    x = events.features.copy()
    x[:, 3] = x[:, 0] - x[:, 1]
    with pytest.raises(InputError, match=r"j1_mass, .*, j2_tau21 are a linear combination"):
        fitted(replace(events, features=x), window)
