"""Counts of the mass of a stream."""

from __future__ import annotations

import numpy as np
import pytest

from overdensity.core import InputError
from overdensity.ml.streams.mass_counts import MassCounts


def counted(mass: np.ndarray) -> MassCounts:
    counts = MassCounts()
    counts.add(mass)
    return counts


def test_as_many_as_came_have_the_counts_that_came() -> None:
    mass = np.random.default_rng(1).uniform(2000, 5000, 3000)
    drawn = counted(mass).draw(None, np.random.default_rng(2))
    np.testing.assert_array_equal(counted(drawn).counts, counted(mass).counts)
    np.testing.assert_allclose(np.sort(drawn), np.sort(mass), rtol=1.1e-3)


def test_another_number_is_drawn_at_random() -> None:
    drawn = counted(np.repeat([2000.0, 4000.0], [300, 100])).draw(1000, np.random.default_rng(3))
    assert len(drawn) == 1000
    assert np.count_nonzero(drawn < 3000) == pytest.approx(750, abs=60)  # 4.4 standard deviations


def test_filled_bins_are_all_that_is_stored() -> None:
    counts = counted(np.array([3000.0, 3100.0, 3000.0]))
    assert len(counts.filled()) < 50
    np.testing.assert_array_equal(MassCounts.from_filled(counts.filled()).counts, counts.counts)
    assert len(MassCounts.from_filled(MassCounts().filled())) == 0


@pytest.mark.parametrize("mass", [0.35, -1.0, 3.5e6])
def test_a_mass_in_other_units_is_refused(mass: float) -> None:
    with pytest.raises(InputError, match=r"1 of 2 events is not between 1 and 1e\+06 GeV"):
        counted(np.array([3000.0, mass]))


def test_nothing_is_drawn_of_nothing() -> None:
    with pytest.raises(InputError, match="no event was counted"):
        MassCounts().draw(None, np.random.default_rng(1))


@pytest.mark.parametrize("factor", [1e-3, 1e3])
def test_masses_in_other_units_than_before_are_refused(factor: float) -> None:
    mass = np.random.default_rng(1).uniform(2000, 4000, 100)
    counts = counted(mass if factor < 1 else mass / 1e3 * 2)
    before = counts.counts.copy()
    with pytest.raises(InputError, match="give all in GeV"):
        counts.add(mass * factor if factor < 1 else mass)
    np.testing.assert_array_equal(counts.counts, before)
    counts.add(np.full(3, 2.5))  # a few may be anything
