"""Maps of slices and knots, against what smoothing and weights must do to them."""

from __future__ import annotations

import numpy as np
import pytest

from overdensity.core import ConfigError
from overdensity.ml.flows.gaussianisation_fit import SlicingHyper, fit_maps, knot_levels


def test_weights_shift_the_knots_as_they_shift_the_distribution():
    u = np.random.default_rng(10).random((20_000, 1))
    edges, level, hyper = np.array([0, len(u)]), knot_levels(1000, 31), SlicingHyper()
    maps = fit_maps(u, edges, 2 * u[:, 0], level, hyper=hyper)
    assert maps[0, 15, 0, 0] == pytest.approx(np.sqrt(0.5), abs=0.01)  # F(u) = u^2
    alike = fit_maps(u, edges, np.full(len(u), 3.0), level, hyper=hyper)
    np.testing.assert_allclose(
        alike, fit_maps(u, edges, np.ones(len(u)), level, hyper=hyper), rtol=1e-6
    )


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
