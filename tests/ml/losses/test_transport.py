"""Optimal transport of images, against linear programming and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import wasserstein_distance_nd

from overdensity.ml.losses.transport import lit_pixels, transport_distances, transport_matrix


@pytest.fixture(scope="module")
def images():
    rng = np.random.default_rng(0)
    return rng.random((4, 5, 5)) * (rng.random((4, 5, 5)) < 0.4)


def test_power_one_is_the_wasserstein_distance_of_scipy(images):
    lit = lit_pixels(images, most=25)
    found = transport_distances(lit[:2], lit[2:], power=1.0)
    expected = [
        wasserstein_distance_nd(a.places, b.places, a.shares, b.shares)
        for a, b in zip(lit[:2], lit[2:], strict=True)
    ]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.parametrize("power", [0.5, 1.0, 2.0, 5.0])
def test_one_pixel_moves_by_the_power_of_the_angle(power):
    apart = lit_pixels(np.eye(16).reshape(16, 4, 4)[[0, 11]], most=1)
    # from row 0, column 0 to row 2, column 3, in units of two pixels
    expected = (np.hypot(2, 3) / 2) ** power
    assert transport_distances(apart[:1], apart[1:], power=power) == pytest.approx(expected)


def test_a_matrix_holds_the_distances_of_all_pairs(images):
    lit = lit_pixels(images, most=25)
    square = transport_matrix(lit, lit, power=1.0)
    np.testing.assert_allclose(square, transport_matrix(lit, list(lit), power=1.0), atol=1e-12)
    assert (square >= 0).all()


def test_the_brightest_pixels_are_kept_and_dark_images_lie_in_the_middle():
    image = np.array([[[4.0, 3.0], [1.0, 2.0]], np.zeros((2, 2))])
    bright, dark = lit_pixels(image, most=2)
    assert bright.shares.tolist() == pytest.approx([4 / 7, 3 / 7])
    assert bright.places.tolist() == [[0, 0], [0, 1]]
    assert (dark.places.tolist(), dark.shares.tolist()) == ([[0.5, 0.5]], [1])
