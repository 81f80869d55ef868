"""Selections per fold."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from overdensity.core import ConfigError, InputError
from overdensity.stats import selection_levels

STEPS = (0.1, 0.01)


def test_each_fold_keeps_its_own_fraction():
    rng = np.random.default_rng(0)
    folds = rng.integers(0, 5, 20_000)
    scores = rng.normal(size=folds.size) + 100 * folds  # folds are not comparable
    levels = selection_levels(scores, folds, STEPS)
    for fold in range(5):
        members = folds == fold
        for level, efficiency in enumerate(STEPS, start=1):
            assert (levels[members] >= level).sum() == int(efficiency * members.sum() + 0.5)
            kept, lost = scores[members & (levels >= level)], scores[members & (levels < level)]
            assert kept.min() > lost.max()


def test_events_outside_the_scan_neither_count_nor_pass():
    scores = np.arange(1000.0)
    within = scores < 500
    scores[700] = np.nan  # not looked at
    levels = selection_levels(scores, np.zeros(1000, int), STEPS, within=within)
    assert (levels > 0).sum() == 50
    assert not levels[~within].any()


@given(st.integers(0, 2**32 - 1))
def test_the_selection_does_not_depend_on_the_order_of_events(seed):
    rng = np.random.default_rng(seed)
    scores, folds = rng.integers(0, 4, 300).astype(float), rng.integers(0, 3, 300)  # many ties
    events = rng.choice(2**62, 300, replace=False).astype(np.uint64)
    order = rng.permutation(300)
    first = selection_levels(scores, folds, STEPS, events=events)
    second = selection_levels(scores[order], folds[order], STEPS, events=events[order])
    np.testing.assert_array_equal(first[order], second)


def test_a_score_that_is_not_finite_is_refused():
    with pytest.raises(InputError, match="event 3"):
        selection_levels([1, 2, 3, np.nan], [0, 0, 0, 0], STEPS)


def test_lengths_must_agree():
    with pytest.raises(InputError, match="folds"):
        selection_levels([1.0, 2.0], [0], STEPS)


@pytest.mark.parametrize("steps", [(), (0.01, 0.1), (0.1, 0.1), (1.0,), (0.1, 0.0), (np.nan,)])
def test_efficiencies_that_cannot_be_used_are_refused(steps):
    with pytest.raises(ConfigError, match="decreasing fractions"):
        selection_levels([1.0, 2.0], [0, 0], steps)


def test_no_selection_is_no_level():
    scores, folds = np.arange(100.0), np.zeros(100, int)
    np.testing.assert_array_equal(
        selection_levels(scores, folds, (1.0, *STEPS)), selection_levels(scores, folds, STEPS)
    )
