"""The conditional quantile of a feature: uniform at every mass, also where it was not learnt."""

from __future__ import annotations

import numpy as np
import pytest

from overdensity.ml import scan_windows
from overdensity.ml.decorrelation.quantile_map import QuantileMap, spread_ties

WINDOW = scan_windows()[3]


def masses(n: int, rng: np.random.Generator) -> np.ndarray:
    low, high = 2632.0**-7, 6000.0**-7
    return (low + rng.random(n) * (high - low)) ** (-1 / 7)


def rapidity(mass: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """As |Δη| behind a trigger on pT: there is a largest one at each mass."""
    return np.arccosh(mass / 2400) * rng.random(len(mass)) ** 0.8


def number(mass: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return rng.poisson(mass / 800)


def jet_mass(mass: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """As a jet mass: its scale and its tail grow with the mass."""
    return mass / 3000 * rng.gamma(3, 60, len(mass)) ** (mass / 3000) ** 0.2


def sometimes(mass: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """As what a third jet has: zero where there is none, which depends on the mass."""
    return np.where(rng.random(len(mass)) < mass / 8000, rng.exponential(mass), 0.0)


@pytest.mark.parametrize("feature", [rapidity, number, jet_mass, sometimes])
def test_quantiles_are_uniform_in_the_signal_region_and_outside(feature):
    """Interpolated without a bias: on average over samples, to a small part of what one can see."""
    shifts, tails = [], []
    for seed in range(4):
        rng = np.random.default_rng(seed)
        mass = masses(20_000, rng)
        x, ties, inside = feature(mass, rng).astype(float), rng.random(20_000), WINDOW.signal(mass)
        learnt = QuantileMap.learn(x[~inside], mass[~inside], ties[~inside], WINDOW)
        u = learnt.quantile(x, mass, ties)
        for region in (WINDOW.lower(mass), WINDOW.upper(mass)):
            assert u[region].mean() == pytest.approx(0.5, abs=4 * 0.29 / np.sqrt(region.sum()))
        shifts.append((u[inside].mean() - 0.5) * np.sqrt(12))
        tails.append([(u[inside] < 0.1).mean(), (u[inside] > 0.9).mean()])
    assert np.mean(shifts) == pytest.approx(0.0, abs=0.06)  # the mean of four has an error of 0.02
    assert np.mean(tails, axis=0) == pytest.approx([0.1, 0.1], abs=0.02)


def test_a_signal_stays_where_it_is_among_background_of_its_mass():
    rng = np.random.default_rng(1)
    mass = masses(20_000, rng)
    x, ties, inside = rapidity(mass, rng), rng.random(20_000), WINDOW.signal(mass)
    learnt = QuantileMap.learn(x[~inside], mass[~inside], ties[~inside], WINDOW)
    center = np.full(50, WINDOW.center)
    quantiles = learnt.quantile(np.linspace(0, x.max(), 50), center, np.zeros(50))
    assert (np.diff(quantiles) >= 0).all()
    largest = np.arccosh(WINDOW.center / 2400)
    for share in (0.1, 0.5, 0.9):
        here = learnt.quantile(np.array([share * largest]), center[:1], np.zeros(1))
        assert here[0] == pytest.approx(share**1.25, abs=0.06)


def test_order_of_the_events_does_not_matter():
    rng = np.random.default_rng(2)
    mass = masses(2000, rng)
    x, ties, other = number(mass, rng).astype(float), rng.random(2000), rng.permutation(2000)
    one = QuantileMap.learn(x, mass, ties, WINDOW)
    two = QuantileMap.learn(x[other], mass[other], ties[other], WINDOW)
    np.testing.assert_allclose(one.quantile(x, mass, ties), two.quantile(x, mass, ties), atol=1e-9)


def test_events_of_one_value_are_spread_up_to_the_next():
    values = np.array([1.0, 2.0, 4.0])
    spread = spread_ties(values, np.array([1.0, 2.0, 4.0, 3.0]), np.full(4, 0.5))
    assert spread.tolist() == [1.5, 3.0, 4.0, 3.5]


def test_what_was_learnt_can_be_stored():
    rng = np.random.default_rng(3)
    mass = masses(2000, rng)
    x, ties = jet_mass(mass, rng), rng.random(2000)
    learnt = QuantileMap.learn(x, mass, ties, WINDOW)
    again = QuantileMap.from_arrays(learnt.arrays())
    np.testing.assert_array_equal(learnt.quantile(x, mass, ties), again.quantile(x, mass, ties))
