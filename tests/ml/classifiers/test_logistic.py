"""The loss and its derivatives agree with their formulas, far from zero too."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit

from overdensity.ml.classifiers.logistic import derive, mean_loss, pairwise_sum

ODDS = np.array([-700.0, -40.0, -36.0, -3.0, -0.1, 0.0, 1.0, 17.0, 25.0, 40.0])


@pytest.mark.parametrize("y", [0.0, 1.0])
def test_derivatives_and_loss_are_those_of_the_logistic_function(y: float) -> None:
    n, weight = len(ODDS), np.linspace(0.5, 2, len(ODDS))
    first, second = np.empty(n, np.float32), np.empty(n, np.float32)
    derive(ODDS, np.full(n, y), weight, np.arange(n), first, second)
    p = expit(ODDS)
    expected = weight * (p if y == 0 else -expit(-ODDS))
    np.testing.assert_allclose(first, expected.astype(np.float32), rtol=1e-6)
    np.testing.assert_allclose(second, (weight * p * expit(-ODDS)).astype(np.float32), rtol=1e-6)
    expected = np.average(np.logaddexp(0, ODDS) - y * ODDS, weights=weight)
    assert mean_loss(ODDS, np.full(n, y), weight, np.arange(n)) == pytest.approx(expected)


@pytest.mark.parametrize("n", [0, 5, 8, 127, 128, 129, 1000, 5003])
def test_sums_are_those_of_numpy_to_the_last_digit(n: int) -> None:
    values = np.random.default_rng(n).normal(size=n)
    assert pairwise_sum(values) == values.sum()
    two = np.random.default_rng(n).normal(size=(n, 2))
    assert pairwise_sum(two[:, 0]) == two[:, 0].sum()
