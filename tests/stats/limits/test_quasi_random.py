from __future__ import annotations

import numpy as np

from overdensity.stats.limits.quasi_random import DRAWS, evenly


def test_points_are_the_middles_of_strata_and_do_not_follow_one_another() -> None:
    points = evenly(3)
    middles = (np.arange(DRAWS) + 0.5) / DRAWS
    np.testing.assert_array_equal(np.sort(points, axis=0), np.tile(middles[:, None], 3))
    assert np.abs(np.corrcoef(points.T) - np.eye(3)).max() < 0.01
    np.testing.assert_array_equal(points, evenly(3))
