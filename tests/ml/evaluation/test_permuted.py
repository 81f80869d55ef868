"""Permuted labels: differences of means, ranks, and p-values that are uniform."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.stats import kstest, ttest_ind

from overdensity.ml.evaluation.permuted import linearised, p_values, permuted_differences


def test_means_of_linearised_scores_differ_as_weighted_means_do() -> None:
    rng = np.random.default_rng(1)
    score, weight, is_data = rng.random(50), rng.normal(1, 1, 50), np.arange(50) < 20
    found = linearised(score, is_data, weight)
    expected = score[is_data].mean() - np.average(score[~is_data], weights=weight[~is_data])
    assert found[is_data].mean() - found[~is_data].mean() == pytest.approx(expected)


def test_equal_weights_say_nothing_of_the_labels() -> None:
    score, weight = np.random.default_rng(1).random(9), np.full(9, 0.3)
    one, other = (linearised(score, np.arange(9) < n, weight) for n in (3, 6))
    assert np.allclose(one, other)


@pytest.mark.parametrize("n_data", [8, 30])
def test_the_observed_statistic_is_that_of_welch(n_data: int) -> None:
    rng = np.random.default_rng(2)
    values, is_data = rng.normal(size=(40, 2)), np.arange(40) < n_data
    difference, variance = permuted_differences(values, is_data, 500, rng)
    test: Any = ttest_ind(values[is_data], values[~is_data], equal_var=False)
    assert np.allclose((difference / np.sqrt(variance))[0], test.statistic)
    assert np.abs(difference[1:].mean(axis=0)).max() < 0.1
    assert not np.allclose(difference[1], difference[2])


def test_p_values_of_exchangeable_statistics_are_uniform_with_ties_too() -> None:
    rng = np.random.default_rng(3)
    found = [p_values(rng.normal(size=(3, 2, 100)).round(), rng) for _ in range(200)]
    assert kstest([of_all for _, of_all in found], "uniform").pvalue > 0.01
    assert kstest(np.concatenate([local for local, _ in found]), "uniform").pvalue > 0.01


def test_regions_that_are_the_same_cost_nothing() -> None:
    rng = np.random.default_rng(4)
    same = np.repeat(rng.normal(size=(1, 3, 2000)), 5, axis=0)
    apart = rng.normal(size=(5, 3, 2000))
    same[..., 0] = apart[..., 0] = 1.2
    for statistic, effective in ((same, 1), (apart, 5)):
        local, of_all = p_values(statistic, rng)
        assert of_all == pytest.approx(1 - (1 - local.min()) ** effective, rel=0.25)
