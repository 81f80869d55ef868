"""The most anomalous fraction of every fold."""

from __future__ import annotations

import numpy as np
import pytest

from overdensity.core import ConfigError
from overdensity.ml import select


def test_each_fold_keeps_its_own_fraction():
    rng = np.random.default_rng(0)
    fold = rng.integers(0, 5, 10_000)
    scores = (rng.normal(size=10_000) + fold).astype(np.float32)  # folds on different scales
    kept = select(scores, fold, 0.01)
    for k in range(5):
        assert kept[fold == k].sum() == round(0.01 * (fold == k).sum())
        assert scores[kept & (fold == k)].min() > scores[~kept & (fold == k)].max()


def test_events_outside_neither_count_nor_are_kept():
    scores, fold = np.arange(100, dtype=np.float32), np.zeros(100, np.int64)
    kept = select(scores, fold, 0.1, inside=np.arange(100) < 50)
    np.testing.assert_array_equal(np.flatnonzero(kept), np.arange(45, 50))


@pytest.mark.parametrize("efficiency", [0.0, 1.5, -0.1])
def test_impossible_efficiency_is_refused(efficiency):
    with pytest.raises(ConfigError, match=r"\(0, 1\]"):
        select(np.zeros(3, np.float32), np.zeros(3, np.int64), efficiency)
