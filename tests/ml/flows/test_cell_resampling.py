"""Negative weights: gone, with the same sums everywhere but on the scale of a few events."""

from __future__ import annotations

import numpy as np
import pytest

from overdensity.core import InputError
from overdensity.ml.flows.cell_resampling import resample_cells


def test_sums_are_kept_in_all_regions_of_the_features() -> None:
    rng = np.random.default_rng(1)
    z = rng.normal(size=(3000, 2))
    weight = np.where(rng.random(3000) < 0.2, -1.0, 1.0)
    found = resample_cells(z, weight)
    assert (found >= 0).all()
    assert found.sum() == pytest.approx(weight.sum())
    bins = [np.array([-9, -1, -0.3, 0.3, 1, 9])] * 2
    before, after = (np.histogram2d(*z.T, bins, weights=each)[0] for each in (weight, found))
    assert np.abs(after - before).max() < 0.15 * before.max()


def test_positive_weights_stay_as_they_are() -> None:
    weight = np.array([1.0, 2.0, 0.5])
    np.testing.assert_array_equal(resample_cells(np.zeros((3, 1)), weight), weight)


def test_a_total_below_zero_is_refused() -> None:
    with pytest.raises(InputError, match="weights of 2 simulated events sum to -1"):
        resample_cells(np.zeros((2, 1)), np.array([1.0, -2.0]))
