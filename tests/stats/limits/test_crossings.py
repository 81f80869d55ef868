"""Where functions of the strength cross a level, against formulae."""

from __future__ import annotations

import numpy as np
import pytest

from overdensity.core import FitError
from overdensity.stats.limits.crossings import crossings, noisy_crossings


def test_each_component_is_found():
    target = np.array([1e-3, 1.0, 50.0])
    found = crossings(lambda mu: np.expm1(mu) - target, -target, 1.0)
    np.testing.assert_allclose(found, np.log1p(target), rtol=1e-5)


def test_a_function_that_never_rises_is_refused():
    with pytest.raises(FitError, match="no strength up to"):
        crossings(lambda mu: -np.ones_like(mu), -np.ones(1), 1.0)


def test_a_straight_line_is_interpolated_exactly():
    slope = np.array([1.0, 3.0])
    np.testing.assert_allclose(noisy_crossings(lambda mu: -mu * slope, -3.0, 1.0), 3 / slope)


def test_of_several_crossings_the_last_counts():
    found = noisy_crossings(lambda mu: np.array([-mu + (0.2 if 0.9 < mu < 1.1 else 0)]), -1.0, 1.0)
    assert found[0] >= 1.0


def test_a_level_that_is_never_reached_is_refused():
    with pytest.raises(FitError, match="no strength up to"):
        noisy_crossings(lambda _: np.zeros(1), -3.0, 1.0)
