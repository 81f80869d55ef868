"""How far selections bend the spectrum, measured on the scan."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from overdensity.stats import FitModel, count_patterns, subdivide
from overdensity.stats.search.odds_prior import measured_precision
from overdensity.stats.search.scanning import scan

FREE = FitModel(efficiency_prior=1.0)
STEPS = np.array([0.1, 0.01, 0.002])


def wide_scan(made, windows=slice(None)):
    patterns = count_patterns(made.mass, made.levels[:, windows], subdivide(made.edges, 2))
    return scan(patterns, made.windows[windows], made.efficiencies, model=FREE)


def widths(fits):
    return measured_precision(fits.problem, fits.fits, fits.counts, STEPS) ** -0.5


@pytest.fixture(scope="module")
def plain(box):
    return wide_scan(box(31))


def test_scores_that_know_nothing_of_the_mass_leave_little_freedom(plain):
    found = widths(plain)
    assert np.all(found[:, 1:] < 0.15)
    assert np.all(found[0, 1:] < 0.06)
    assert np.all(np.diff(found[:, 1]) >= 0)  # a tail moves farther with a shift than the bulk
    np.testing.assert_allclose(found[:, 0], 10.0)


def test_it_never_falls_below_what_the_data_can_tell(plain):
    """A curvature that happens to be measured as zero is known to its error only."""
    still = replace(plain.fits, odds=np.tile(plain.problem.center, (1, 10, 1, 1)))
    found = measured_precision(plain.problem, still, plain.counts, STEPS) ** -0.5
    loosest = 1 / np.sqrt(0.1 * 0.9 * 30_000)
    assert np.all(found[0, 1:] > loosest)


def test_scores_that_follow_the_mass_keep_the_freedom_they_need(box):
    found = widths(wide_scan(box(32, sculpting=2.0)))
    assert np.all(found[:, 1] > 0.3)


def test_one_window_is_enough(plain, box):
    alone = widths(wide_scan(box(31), slice(3, 4)))
    assert alone.shape == (3, 3)
    assert np.all(alone[:, 1:] < 0.4)


def test_no_width_exceeds_the_wide_one(box):
    found = widths(wide_scan(box(33, 600)))
    assert np.all(found[:, 1:] <= 1.0)


def test_a_given_width_is_not_measured(box):
    made = box(34, 5000)
    patterns = count_patterns(made.mass, made.levels, subdivide(made.edges, 2))
    given = scan(patterns, made.windows, made.efficiencies, model=FitModel(efficiency_prior=0.2))
    np.testing.assert_allclose(given.problem.precision[:, 1:], 25.0)
