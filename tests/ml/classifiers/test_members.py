"""Which features members see, and how probabilities are noted."""

from __future__ import annotations

import numpy as np

from overdensity.ml import watch
from overdensity.ml.classifiers.members import features_of_members, note_reliability


def test_each_member_sees_its_share_of_the_features_and_not_all_see_the_same() -> None:
    seen = features_of_members(20, 10, 0.3, seed=1)
    assert seen is not None
    assert seen.shape == (20, 10)
    assert set(seen.sum(axis=1)) == {3}
    assert seen.any(axis=0).all()


def test_the_features_are_decided_by_the_seed() -> None:
    first, again, other = (features_of_members(5, 10, 0.5, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_member_sees_one_feature_at_least_and_all_without_a_mask() -> None:
    few = features_of_members(3, 4, 0.01, seed=1)
    assert few is not None
    assert few.sum(axis=1).tolist() == [1, 1, 1]
    assert features_of_members(3, 4, 1.0, seed=1) is None


def test_probabilities_are_of_the_members_that_an_inner_fold_stopped() -> None:
    held_out = {fold: np.full(50, each, np.float32) for fold, each in enumerate((0.2, 0.6))}
    with watch() as seen:
        note_reliability(held_out, np.arange(100) < 40, np.ones(100), np.arange(100) % 2)
    (found,) = seen.reliability
    np.testing.assert_allclose(found.predicted, [0.2, 0.6], rtol=1e-6)
    np.testing.assert_allclose(found.observed, [0.4, 0.4])
