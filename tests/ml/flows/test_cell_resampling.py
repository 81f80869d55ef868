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


def test_cells_grow_from_the_most_negative_weight_until_they_sum_to_zero_or_more() -> None:
    """A loop over events, with weights of any size."""
    rng = np.random.default_rng(2)
    z, weight = rng.normal(size=(400, 2)), rng.normal(0.4, 1.0, 400)
    expected = weight.copy()
    for seed in np.argsort(weight):
        if expected[seed] >= 0:
            continue
        cell = []
        for near in np.argsort(np.linalg.norm(z - z[seed], axis=1)):
            cell.append(near)
            if expected[cell].sum() >= 0:
                break
        size = np.abs(expected[cell])
        expected[cell] = size / size.sum() * expected[cell].sum()
    np.testing.assert_allclose(resample_cells(z, weight), expected, atol=1e-12)


def test_events_in_one_place_share_their_weights_too() -> None:
    rng = np.random.default_rng(3)
    z = rng.integers(0, 5, (2000, 2)).astype(float)
    weight = np.where(rng.random(2000) < 0.2, -1.0, 1.0)
    found = resample_cells(z, weight)
    assert (found >= 0).all()
    assert found.sum() == pytest.approx(weight.sum())


def test_positive_weights_stay_as_they_are() -> None:
    weight = np.array([1.0, 2.0, 0.5])
    np.testing.assert_array_equal(resample_cells(np.zeros((3, 1)), weight), weight)


def test_a_total_below_zero_is_refused() -> None:
    with pytest.raises(InputError, match="weights of 2 simulated events sum to -1"):
        resample_cells(np.zeros((2, 1)), np.array([1.0, -2.0]))
    with pytest.raises(InputError, match="sum to 0"):
        resample_cells(np.zeros((2, 1)), np.array([1.0, -1.0]))
