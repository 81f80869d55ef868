"""Axes along which events differ most from a Gaussian."""

from __future__ import annotations

import numpy as np
from scipy.stats import special_ortho_group

from overdensity.ml.flows.slice_axes import fit_axes


def test_axes_find_the_one_direction_that_is_not_gaussian():
    rng = np.random.default_rng(11)
    z = rng.normal(size=(2, 4000, 5))
    z[..., 2] = np.sign(z[..., 2]) * (1 + 0.1 * np.abs(z[..., 2]))
    rotation = special_ortho_group.rvs(5, random_state=12)
    axes = fit_axes(z @ rotation, 1, rng, steps=200)
    assert abs(axes[:, 0] @ rotation[2]) > 0.95


def test_axes_are_orthonormal():
    rng = np.random.default_rng(13)
    axes = fit_axes(rng.exponential(size=(3, 500, 6)), 4, rng, steps=20)
    np.testing.assert_allclose(axes.T @ axes, np.eye(4), atol=1e-10)


def test_without_steps_axes_are_drawn_at_random_and_do_not_look_at_events():
    one, two = (
        fit_axes(np.full((1, 10, 4), value), 2, np.random.default_rng(1), steps=0)
        for value in (0.0, 5.0)
    )
    np.testing.assert_array_equal(one, two)
    assert one.shape == (4, 2)
