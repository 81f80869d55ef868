"""Features made independent of the mass jointly, by a conditional flow."""

from __future__ import annotations

import numpy as np
import pytest

from overdensity.ml import scan_windows
from overdensity.ml.decorrelation.flow_map import FlowMap

WINDOW = scan_windows()[3]


@pytest.fixture(scope="module")
def events() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Two features whose correlation grows with the mass, beside their scales."""
    rng = np.random.default_rng(1)
    mass = 2632 * (1 - 0.99 * rng.random(4000)) ** (-1 / 7)
    first = rng.normal(size=4000)
    second = (mass / 3000) ** 2 * first + rng.normal(size=4000)
    return np.stack([first * mass, second], axis=1), mass, rng.random((4000, 2))


def test_both_and_their_correlation_are_free_of_the_mass(events):
    x, mass, ties = events
    inside = WINDOW.signal(mass)
    learnt = FlowMap.learn(x[~inside], mass[~inside], ties[~inside], WINDOW, 1)
    u = learnt.quantiles(x, mass, ties)
    assert u.shape == x.shape
    for region in (inside, WINDOW.lower(mass), WINDOW.upper(mass)):
        n = region.sum()
        assert u[region].mean(axis=0) == pytest.approx([0.5, 0.5], abs=0.03 + 4 * 0.29 / np.sqrt(n))
        assert abs(np.corrcoef(u[region].T)[0, 1]) < 0.06 + 4 / np.sqrt(n)
    assert np.corrcoef(x[WINDOW.upper(mass)].T)[0, 1] > 0.7
    again = FlowMap.from_arrays(learnt.arrays())
    np.testing.assert_allclose(again.quantiles(x[:100], mass[:100], ties[:100]), u[:100], atol=1e-6)
