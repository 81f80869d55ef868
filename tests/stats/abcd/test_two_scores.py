"""Counts of two scores, and what is estimated of them."""

from __future__ import annotations

import numpy as np
import pytest

from overdensity.core import InputError
from overdensity.stats.abcd.two_scores import (
    count_cells,
    estimates,
    independent_means,
    regions_of,
)
from overdensity.stats.spectra.binning import spectrum_of
from overdensity.stats.workspaces.abcd import abcd_counts, abcd_estimate


def test_regions_are_those_of_cuts_on_both() -> None:
    rng = np.random.default_rng(1)
    one, two = rng.integers(0, 4, (2, 500))
    mass = rng.uniform(1000, 2000, 500)
    regions = regions_of(count_cells(mass, one, two, [1000.0, 1500.0, 2000.0], 3))
    assert regions.shape == (2, 3, 4)
    for k in (1, 2, 3):
        assert regions[:, k - 1].sum(axis=0).tolist() == list(abcd_counts(one, two, (k, k)))


def test_bins_hold_the_events_that_a_spectrum_counts() -> None:
    edges, level = [1000.0, 1500.0, 2000.0], np.zeros(5, int)
    mass = [999.0, 1000.0, 1500.0, 1999.0, 2000.0]
    cells = count_cells(mass, level, level, edges, 1)
    assert cells.sum(axis=(1, 2)).tolist() == list(spectrum_of(mass, edges).counts) == [1, 2]


def test_one_bin_is_the_estimate_of_the_workspaces() -> None:
    counts = (60.0, 300.0, 250.0, 2000.0)
    bins = np.array([[counts], [(4000.0, 4000.0, 4000.0, 4000.0)]])
    found = estimates(bins, np.array([[True, False]]))
    expected = abcd_estimate(counts, closure=float(found.closure_error[0, 0]))
    assert found.closure[0, 0] == 1
    assert found.expected[0, 0] == pytest.approx(expected.expected)
    assert found.error[0, 0] == pytest.approx(expected.error, rel=0.01)
    assert np.exp(found.log_p[0, 0]) == pytest.approx(expected.p_local, rel=0.1)


def test_scores_that_both_follow_the_mass_close_bin_by_bin() -> None:
    rng = np.random.default_rng(2)
    mass = rng.uniform(1000, 3000, 40_000)
    passed = [(rng.random(mass.size) < mass / 10_000).astype(int) for _ in range(2)]
    edges = np.linspace(1000, 3000, 17)
    inside = (edges[:-1] >= 1500) & (edges[1:] <= 1875)
    bins = regions_of(count_cells(mass, *passed, edges, 1))
    assert estimates(bins, inside[None]).closure_z[0, 0] < 3
    everything = bins.sum(axis=0)[:, [0, 1, 2, 3]]
    a, b, c, d = everything[0]
    assert a * d / (b * c) - 1 > 3 * np.sqrt(1 / a + 1 / b + 1 / c)  # in one bin they do not


def test_errors_are_the_spread_of_datasets_thrown_anew() -> None:
    mean = np.tile([[15.0, 150.0, 100.0, 1000.0]], (8, 1))[:, None]
    thrown = np.random.default_rng(5).poisson(mean, (4000, *mean.shape)).astype(float)
    found = estimates(thrown, np.arange(8)[None] == 3)
    assert found.closure.mean() == pytest.approx(1, abs=0.02)
    assert found.closure_error.mean() == pytest.approx(found.closure.std(), rel=0.05)
    assert found.expected.mean() == pytest.approx(15, rel=0.02)
    assert found.error.mean() == pytest.approx(found.expected.std(), rel=0.05)


def test_without_events_beside_the_window_there_is_no_p_value() -> None:
    bins = np.array([[[5.0, 50.0, 50.0, 500.0]], [[0.0, 9.0, 0.0, 90.0]]])
    found = estimates(bins, np.array([[True, False]]))
    assert np.isnan(found.closure[0, 0])
    assert found.log_p[0, 0] == 0


def test_a_closure_that_is_the_same_at_all_masses_is_corrected() -> None:
    bins = np.tile(np.array([140.0, 1000, 1000, 10_000]), (6, 1, 1))
    found = estimates(bins, np.arange(6)[None] == 2, abs(np.arange(6)[None] - 2) <= 1)
    assert found.closure[0, 0] == pytest.approx(1.4)
    assert found.expected[0, 0] == pytest.approx(140)
    assert found.deviance[0, 0] == pytest.approx(0, abs=1e-9)
    bins[4, 0, 0] *= 2  # a signal elsewhere
    assert estimates(bins, np.arange(6)[None] == 2).deviance[0, 0] > 20


def test_means_keep_the_closure_that_they_are_given() -> None:
    cells = np.random.default_rng(4).poisson(200, (4, 3, 3)).astype(float)
    means = independent_means(cells, np.array([1.3, 2.0]))
    passing, plain = (
        regions_of(each)[..., 0].sum(axis=0) for each in (means, independent_means(cells))
    )
    np.testing.assert_allclose(passing / plain, [1.3, 2.0])


def test_means_of_independent_scores_keep_both_spectra() -> None:
    cells = np.random.default_rng(3).poisson(20, (4, 3, 3)).astype(float)
    means = independent_means(cells)
    for axis in (1, 2):
        np.testing.assert_allclose(means.sum(axis=axis), cells.sum(axis=axis))


def test_levels_of_other_events_are_refused() -> None:
    with pytest.raises(InputError, match="two levels for each event"):
        count_cells([1500.0], [1, 0], [1, 1], [1000.0, 2000.0], 1)
