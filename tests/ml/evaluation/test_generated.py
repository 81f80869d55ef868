"""The classifier two-sample test: no difference, a known one, and its errors."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from overdensity.core import ConfigError, InputError
from overdensity.ml import Closure, closure
from overdensity.ml.evaluation.generated import auc_with_error
from overdensity.ml.evaluation.metrics import auc


def gaussian(n: int, seed: int, shift: float = 0.0) -> np.ndarray:
    x = np.random.default_rng(seed).normal(size=(n, 3))
    x[:, 0] += shift
    return x


def test_events_of_one_distribution_close():
    pulls = []
    for seed in range(4):
        found = closure(gaussian(1500, seed), gaussian(1500, 100 + seed), seed=seed)
        pulls.append((found.auc - 0.5) / found.error)
    assert np.abs(pulls).max() < 4
    assert abs(np.mean(pulls)) < 4 / np.sqrt(4)


def test_shifted_gaussian_is_found_with_nearly_its_ideal_auc():
    found = closure(gaussian(6000, 1), gaussian(4000, 2, shift=0.5), seed=1)
    ideal = norm.cdf(0.5 / np.sqrt(2))
    assert ideal - 0.03 < found.auc < ideal + 3 * found.error
    assert found.auc == pytest.approx(np.mean(found.folds))


def test_same_seed_same_result(tmp_path):
    found = closure(gaussian(1000, 1), gaussian(1000, 2), seed=3)
    assert closure(gaussian(1000, 1), gaussian(1000, 2), seed=3) == found
    assert Closure.from_json(found.to_json(tmp_path / "c.json")) == found


def test_error_of_the_auc_is_the_spread_over_samples():
    rng = np.random.default_rng(4)
    label = np.repeat([0, 1], [900, 300])
    found = np.array([auc_with_error(rng.normal(label * 1.0), label) for _ in range(400)])
    assert found[:, 1].mean() == pytest.approx(found[:, 0].std(), rel=0.15)


def test_auc_with_error_counts_ties_as_the_roc_does():
    rng = np.random.default_rng(5)
    label = rng.integers(0, 2, 500)
    score = (rng.normal(label * 1.0) * 2).round()
    assert auc_with_error(score, label)[0] == pytest.approx(auc(score, label))


def test_too_few_events_are_refused():
    with pytest.raises(InputError, match="100 events are too few"):
        closure(gaussian(100, 1), gaussian(3000, 2), seed=1)


def test_other_features_are_refused():
    with pytest.raises(InputError, match="n_features"):
        closure(gaussian(1000, 1), gaussian(1000, 2)[:, :2], seed=1)


def test_values_that_are_not_finite_are_refused():
    bad = gaussian(1000, 1)
    bad[3, 1] = np.nan
    with pytest.raises(InputError, match="1 values are NaN"):
        closure(bad, gaussian(1000, 2), seed=1)


def test_two_folds_are_refused():
    with pytest.raises(ConfigError, match="at least 3 folds"):
        closure(gaussian(1000, 1), gaussian(1000, 2), folds=2, seed=1)
