"""The bulk of the scores: location, kept fractions, contrasts."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from overdensity.stats.sculpting.bulk import bulk_location, common_shift, contrasts, kept_fractions


def test_the_location_is_that_of_a_truncated_normal_distribution():
    rng = np.random.default_rng(1)
    truth = np.array([-0.4, 0.0, 0.7])
    bins = np.repeat(np.arange(3), 40_000)
    location, error = bulk_location(rng.normal(truth[bins]), bins, 3, 0.9)
    assert np.all(np.abs(location - truth) < 4 * error)


def test_events_above_the_cut_do_not_move_the_location():
    z = norm.ppf((np.arange(1000) + 0.5) / 1000)
    bins = np.zeros(1000, dtype=int)
    more, more_bins = np.r_[z, np.full(300, 3.0)], np.zeros(1300, dtype=int)
    one, other = bulk_location(z, bins, 1, 0.9)[0], bulk_location(more, more_bins, 1, 0.9)[0]
    assert one[0] == other[0]


def test_a_bin_without_events_has_a_large_error():
    location, error = bulk_location(np.zeros(10), np.zeros(10, dtype=int), 2, 0.9)
    assert location[1] == 0
    assert error[1] > 1


def test_the_selections_keep_what_is_asked():
    location, total = np.array([[0.0, 0.3, -0.2], [1.0, 0.0, 0.0]]), np.array([500, 300, 200])
    steps = np.array([0.1, 0.01])
    kept = kept_fractions(location, total, steps)
    np.testing.assert_allclose(kept @ total / 1000, np.tile(steps, (2, 1)), rtol=1e-12)


def test_a_shift_that_the_columns_can_follow_is_none():
    columns = np.stack([np.ones(8), np.arange(8.0)], axis=1)
    signal = (np.arange(8) // 2 == 1)[None]
    weights = contrasts(columns, signal, np.random.default_rng(1).uniform(0.1, 0.3, (1, 8)))
    np.testing.assert_allclose(weights @ columns, 0, atol=1e-12)


def test_windows_that_share_nothing_add_up_as_independent_ones():
    weights, error = np.eye(4), np.full((4, 4), 0.5)
    assert common_shift(weights, np.full((4, 4), 0.5), error) == pytest.approx(2.0)
