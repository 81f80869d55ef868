"""Fitting sliced iterative Gaussianisation: its axes, maps and bins, and what it refuses."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from overdensity.core import ConfigError, InputError
from overdensity.ml.flows.gaussianisation_fit import (
    SlicingHyper,
    fit_maps,
    fit_sliced,
    knot_levels,
)

QUICK = SlicingHyper(bin_width=250.0, layers=40, step=0.08, axis_events=2000, axis_steps=10)


def events(n, seed):
    """Return two normal features and masses."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, 2)), rng.uniform(3000.0, 4000.0, n)


def test_weights_shift_the_knots_as_they_shift_the_distribution():
    u = np.random.default_rng(10).random((20_000, 1))
    edges, level, hyper = np.array([0, len(u)]), knot_levels(1000, 31), SlicingHyper()
    maps = fit_maps(u, edges, 2 * u[:, 0], level, hyper=hyper)
    assert maps[0, 15, 0, 0] == pytest.approx(np.sqrt(0.5), abs=0.01)  # F(u) = u^2
    alike = fit_maps(u, edges, np.full(len(u), 3.0), level, hyper=hyper)
    np.testing.assert_allclose(
        alike, fit_maps(u, edges, np.ones(len(u)), level, hyper=hyper), rtol=1e-6
    )


def test_negative_weights_are_refused():
    x, m = events(4000, 14)
    with pytest.raises(InputError, match="weight: 1 of 4000 are negative"):
        fit_sliced(x, m, m < 3100, hyper=QUICK, seed=1, weight=np.r_[-1.0, np.ones(3999)])


def centers_of(m, **hyper):
    x = np.random.default_rng(16).normal(size=(len(m), 1))
    last = np.arange(len(m)) == 0
    return fit_sliced(x, m, last, hyper=replace(QUICK, layers=1, **hyper), seed=1).centers


def test_few_events_at_high_mass_join_the_bin_below():
    m = np.r_[np.linspace(3000.0, 4000.0, 5001), np.linspace(4001.0, 5000.0, 300)]
    np.testing.assert_allclose(
        centers_of(m, bin_width=250.0, bin_events=400)[:3], [3125.0, 3375.0, 3625.0], atol=1
    )
    assert len(centers_of(m, bin_width=250.0, bin_events=400)) == 4
    assert len(centers_of(m, bin_width=250.0, bin_events=200)) == 5


def test_rare_events_make_wider_bins():
    m = np.linspace(3000.0, 4000.0, 2001)
    np.testing.assert_allclose(
        centers_of(m, bin_width=100.0, bin_events=1000), [3250.0, 3750.0], atol=1
    )


def test_too_few_events_for_two_bins_are_refused():
    x, m = events(1000, 15)
    with pytest.raises(InputError, match="too few for 2 bins"):
        fit_sliced(x, m, m < 3100, hyper=QUICK, seed=1)


def test_feature_that_is_constant_at_some_masses_is_refused():
    x, m = events(8000, 17)
    x[m > 3600, 1] = 7.0
    with pytest.raises(InputError, match=r"feature 2 has the same value .* around 3[78]"):
        fit_sliced(x, m, np.arange(8000) % 10 == 0, hyper=QUICK, seed=1)


def test_outlier_does_not_blur_the_other_events():
    x = np.random.default_rng(18).normal(size=(5000, 1))
    edges, level = np.array([0, 5000]), knot_levels(5000)
    far = np.r_[x[:-1], [[300.0]]]
    found = fit_maps(far, edges, np.ones(5000), level, hyper=SlicingHyper(bandwidth=0.2))
    plain = fit_maps(x, edges, np.ones(5000), level, hyper=SlicingHyper(bandwidth=0.2 * far.std()))
    np.testing.assert_allclose(found[0, 4:-4, 0, 0], plain[0, 4:-4, 0, 0], atol=0.01)


def test_step_of_nothing_is_refused():
    with pytest.raises(ConfigError, match="step = 0"):
        SlicingHyper(step=0.0)
