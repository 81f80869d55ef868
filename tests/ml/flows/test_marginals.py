"""Marginals: standard normal z of continuous, whole and spiky features, and their densities."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import kstest, poisson

from overdensity.ml.flows.marginals import Marginals, effective_number

N = 20_000


@pytest.fixture(scope="module")
def events() -> np.ndarray:
    """Lepton pT with a threshold, number of jets, and a mass that is zero where there is no pair."""
    rng = np.random.default_rng(1)
    pair = np.where(rng.random(N) < 0.3, 0.0, 12 + rng.exponential(40, N))
    return np.column_stack([10 + rng.exponential(25, N), rng.poisson(1.2, N), pair])


@pytest.fixture(scope="module")
def learnt(events: np.ndarray) -> Marginals:
    return Marginals.fit(events, np.ones(N))


def test_z_is_standard_normal_for_all_kinds_of_features(
    events: np.ndarray, learnt: Marginals
) -> None:
    z, _ = learnt.forward(events, np.random.default_rng(2).random(events.shape))
    for column in z.T:
        assert kstest(column, "norm").pvalue > 0.01


def test_the_inverse_gives_the_features_back(events: np.ndarray, learnt: Marginals) -> None:
    u = np.random.default_rng(3).random(events.shape)
    again = learnt.inverse(learnt.forward(events, u)[0])
    np.testing.assert_allclose(again, events, rtol=1e-6, atol=1e-6)


def test_densities_are_those_of_the_distributions(learnt: Marginals) -> None:
    x = np.array([[20.0, 0.0, 0.0], [80.0, 2.0, 30.0]])
    _, found = learnt.forward(x, np.array(0.5))
    np.testing.assert_allclose(np.exp(found[:, 0]), np.exp(-(x[:, 0] - 10) / 25) / 25, rtol=0.2)
    np.testing.assert_allclose(np.exp(found[:, 1]), poisson.pmf(x[:, 1], 1.2), rtol=0.05)
    scale = 40 * np.log(3)  # interquartile range of the events with a pair
    assert np.exp(found[0, 2]) == pytest.approx(0.3 / scale, rel=0.05)


def test_the_density_falls_on_beyond_all_events(learnt: Marginals) -> None:
    far = np.array([[200.0, 1.0, 30.0], [2000.0, 1.0, 30.0], [20_000.0, 40.0, 3000.0]])
    z, found = learnt.forward(far, np.array(0.5))
    assert np.isfinite(z).all()
    assert np.isfinite(found).all()
    assert (np.diff(found[:, 0]) < -10).all()


def test_weights_move_the_distribution(events: np.ndarray) -> None:
    weight = np.where(events[:, 1] == 2, 3.0, 1.0)
    _, found = Marginals.fit(events, weight).forward(np.array([[20.0, 2.0, 0.0]]), np.array(0.5))
    p = poisson.pmf(2, 1.2)
    assert np.exp(found[0, 1]) == pytest.approx(3 * p / (1 + 2 * p), rel=0.05)


def test_it_is_the_same_from_its_arrays(events: np.ndarray, learnt: Marginals) -> None:
    again = Marginals.from_arrays(learnt.arrays())
    for one, other in zip(
        again.forward(events, np.array(0.3)), learnt.forward(events, np.array(0.3)), strict=True
    ):
        np.testing.assert_array_equal(one, other)


def test_many_whole_numbers_have_cells_of_whole_numbers() -> None:
    rng = np.random.default_rng(4)
    x = np.round(10 + rng.exponential(12, N))[:, None]
    z, _ = Marginals.fit(x, np.ones(N)).forward(x, rng.random(x.shape))
    assert kstest(z[:, 0], "norm").pvalue > 0.01


@pytest.mark.parametrize("others", [80, 3])
def test_whole_numbers_that_are_rare_beside_one_have_a_density(others: int) -> None:
    x = np.r_[np.zeros(N), 1000.0 * np.arange(1, others + 1)][:, None]
    marginals = Marginals.fit(x, np.ones(len(x)))
    z, found = marginals.forward(x, np.array(0.5))
    assert np.isfinite(z).all()
    assert np.exp(found[0, 0]) == pytest.approx(N / len(x), rel=0.02)  # a probability
    assert (found[N:, 0] < found[0, 0] - 5).all()


def test_effective_number_of_negative_weights_is_smaller() -> None:
    assert effective_number(np.array([1.0, 1.0, 1.0, -1.0])) == 1.0
    assert effective_number(np.array([1.0, 1.0, 1e300])) == pytest.approx(1.0)
