"""Trees grow from bins alone, and stop where the validation events say so."""

from __future__ import annotations

import numpy as np

from overdensity.ml.classifiers.boosting import Growth, boost

GROWTH = Growth(0.1, 50, 5, 4, 20, 2, 11)


def grown(growth: Growth = GROWTH, *, signal: float = 0.3):
    rng = np.random.default_rng(1)
    bins = rng.integers(0, 10, (2000, 2)).astype(np.uint8)
    y = rng.random(2000) < np.where(bins[:, 0] >= 6, 0.5 + signal, 0.5 - signal)
    options = {"baseline": 0.0, "growth": growth, "rng": np.random.default_rng(1)}
    validation = np.arange(2000) % 4 == 0
    return bins, boost(bins, np.array([10, 10]), y, np.ones(2000), validation, **options)


def test_the_first_split_is_where_the_classes_part() -> None:
    _, trees = grown()
    assert (trees.feature[0], trees.cut[0]) == (0, 5)


def test_a_tree_has_no_more_leaves_than_it_may_and_none_of_few_events() -> None:
    bins, trees = grown()
    ends = np.append(trees.root, len(trees.value))[1:]
    for first, end in zip(trees.root, ends, strict=True):
        leaves = np.flatnonzero(trees.left[first:end] < 0)
        assert len(leaves) <= GROWTH.leaves
        assert end - first == 2 * len(leaves) - 1
    at = np.zeros(1500, np.int64)
    training = bins[np.arange(2000) % 4 != 0]
    while (trees.left[at] >= 0).any():
        low = training[np.arange(1500), np.maximum(trees.feature[at], 0)] <= trees.cut[at]
        on = np.where(low, trees.left[at], trees.right[at])
        at = np.where(trees.left[at] >= 0, on, at)
    assert np.unique(at, return_counts=True)[1].min() >= GROWTH.events_per_leaf


def test_trees_end_where_validation_events_gain_no_more() -> None:
    assert len(grown(signal=0.0)[1].root) < len(grown()[1].root) <= GROWTH.iterations


def test_too_few_events_grow_one_leaf() -> None:
    _, trees = grown(GROWTH._replace(events_per_leaf=800))
    assert (trees.left < 0).all()
    assert (trees.value == 0).all()
