"""Flat arrays over a batch of events."""

from __future__ import annotations

import numpy as np
import pytest

from overdensity.simulation.particles import Objects, Particles


def particles(n: int) -> Particles:
    numbers = {name: np.arange(n) for name in ("event", "pdg_id")}
    values = ("charge", "px", "py", "pz", "energy", "x", "y", "z")
    return Particles(**numbers, **{name: np.arange(n) + 0.5 for name in values})


@pytest.mark.parametrize("rows", [np.array([2, 0]), np.array([True, False, True])])
def test_taking_rows_takes_them_of_all_arrays(rows) -> None:
    taken = particles(3).take(rows)
    assert len(taken) == 2
    np.testing.assert_array_equal(taken.event, np.arange(3)[rows])
    np.testing.assert_array_equal(taken.z, (np.arange(3) + 0.5)[rows])


def test_objects_are_massless() -> None:
    objects = Objects(
        np.array([0]), np.array([50.0]), np.array([1.5]), np.array([0.0]), np.array([22])
    )
    pz = 50.0 * np.sinh(1.5)
    np.testing.assert_allclose(objects.energy, np.hypot(50.0, pz))


def test_merging_keeps_the_order_of_the_parts() -> None:
    one, two = (
        Objects(np.array([k]), np.array([1.0 * k]), np.zeros(1), np.zeros(1), np.ones(1))
        for k in (1, 2)
    )
    merged = Objects.merge(two, one)
    assert merged.event.tolist() == [2, 1]
    assert merged.pt.tolist() == [2.0, 1.0]
