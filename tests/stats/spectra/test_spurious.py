"""The spurious signal: small where the function is right, and covering where it is not."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.integrate import quad
from scipy.stats import kstest

from overdensity.core import ConfigError, FitError, InputError
from overdensity.core.windows import log_edges
from overdensity.stats.spectra.spectrum import fit
from overdensity.stats.spectra.spurious import SpuriousSignal, spurious_signal

EDGES = log_edges(2632, 6000, 32)
WINDOWS = np.array([(EDGES[2 * i], EDGES[2 * i + 6]) for i in range(2, 12)])


def shape(curvature):
    """A dijet3 shape times exp(curvature ln²(m / 4 TeV)), which dijet3 cannot follow."""
    density = lambda m: (  # noqa: E731
        np.exp(curvature * np.log(m / 4e3) ** 2) * (1 - m / 13e3) ** 6 / (m / 13e3) ** 5
    )
    content = np.array([quad(density, a, b)[0] for a, b in pairwise(EDGES)])
    return content / content.sum()


RIGHT, CURVED = shape(0.0), shape(-2.0)


def simulated(share, n, seed=1):
    return np.random.default_rng(seed).poisson(n * share)


def test_a_right_function_fabricates_what_statistics_allow():
    one = spurious_signal(EDGES, simulated(RIGHT, 4e5), WINDOWS, function="dijet3")
    assert np.all(np.array(one.fraction) < 3.5 * np.array(one.error).max())
    large = spurious_signal(EDGES, simulated(RIGHT, 4e7), WINDOWS, function="dijet3")
    assert max(large.fraction) < 2e-3


def test_mispredictions_of_a_right_function_are_normal_with_their_error():
    seeds = range(300)
    z = [
        spurious_signal(EDGES, simulated(RIGHT, 3e4, seed), WINDOWS[4:5], function="dijet3").z[0]
        for seed in seeds
    ]
    assert kstest(z, "norm").pvalue > 0.01


def test_the_misprediction_is_that_of_the_sideband_fit():
    counts = simulated(CURVED, 4e5)
    one = spurious_signal(EDGES, counts, WINDOWS, function="dijet4")
    masked = (EDGES[:-1] >= WINDOWS[3, 0] - 1) & (EDGES[1:] <= WINDOWS[3, 1] + 1)
    single = fit(EDGES, counts, masked=masked, function="dijet4")
    assert one.observed[3] == single.observed
    assert one.expected[3] == pytest.approx(single.total, rel=1e-4)
    assert one.expected_error[3] == pytest.approx(single.total_error, rel=0.01)
    assert one.misprediction[3] == pytest.approx(single.observed / single.total - 1, abs=1e-4)


def test_it_covers_what_a_wrong_function_fabricates():
    measured = spurious_signal(EDGES, simulated(CURVED, 4e6), WINDOWS, function="dijet3")
    without, covered = [], []
    for seed in range(2, 42):
        data = spurious_signal(EDGES, simulated(CURVED, 1e6, seed), WINDOWS, function="dijet3")
        error, wrong = np.array(data.error), np.array(data.misprediction)
        without.append(wrong / error)
        covered.append(wrong / np.hypot(error, measured.fraction))
    assert np.mean(np.abs(without), axis=0).max() > 3  # what would be claimed
    assert np.mean(np.abs(covered), axis=0).max() < 1.1  # of a right function: 0.8
    assert np.max(covered) < 3


def test_a_window_where_the_misprediction_vanishes_takes_that_of_its_neighbours():
    one = spurious_signal(EDGES, simulated(CURVED, 1e8), WINDOWS, function="dijet3")
    size = np.sqrt(np.maximum(np.square(one.misprediction) - 4 * np.square(one.error), 0))
    alone = spurious_signal(EDGES, simulated(CURVED, 1e8), WINDOWS, function="dijet3", neighbours=0)
    np.testing.assert_allclose(alone.fraction, size)
    padded = np.r_[0, size, 0]
    expected = np.max([padded[:-2], padded[1:-1], padded[2:]], axis=0)
    np.testing.assert_allclose(one.fraction, expected)
    assert np.any(np.sign(one.misprediction)[1:] != np.sign(one.misprediction)[:-1])


def test_the_order_of_the_windows_does_not_matter():
    counts = simulated(CURVED, 4e5)
    shuffled = np.random.default_rng(0).permutation(len(WINDOWS))
    one = spurious_signal(EDGES, counts, WINDOWS, function="dijet3")
    other = spurious_signal(EDGES, counts, WINDOWS[shuffled], function="dijet3")
    np.testing.assert_allclose(np.array(one.fraction)[shuffled], other.fraction)


def test_the_guard_counts_in_the_fit_and_not_in_the_deviance():
    counts = simulated(RIGHT, 4e5)
    bare = spurious_signal(EDGES, counts, WINDOWS, function="dijet3", guard=0)
    guarded = spurious_signal(EDGES, counts, WINDOWS, function="dijet3", guard=2)
    assert bare.expected == guarded.expected
    assert bare.ndf[4] - guarded.ndf[4] == 4
    assert guarded.ndf[4] == 32 - 6 - 4 - 3


def test_it_survives_json():
    one = spurious_signal(EDGES, simulated(RIGHT, 4e5), WINDOWS)
    assert SpuriousSignal.from_dict(one.to_dict()) == one


@pytest.mark.parametrize("counts", [np.zeros(32), 5000 * np.eye(32)[3]], ids=["none", "one bin"])
def test_too_few_filled_bins_are_refused(counts):
    with pytest.raises(FitError, match="bins outside the window"):
        spurious_signal(EDGES, counts, WINDOWS)


@pytest.mark.parametrize("bad", [-1.0, np.nan, np.inf])
def test_counts_that_are_none_are_refused(bad):
    counts = 100 * np.ones(32)
    counts[7] = bad
    with pytest.raises(InputError, match="bin 7"):
        spurious_signal(EDGES, counts, WINDOWS)


def test_input_that_cannot_be_used_is_refused():
    with pytest.raises(InputError, match="bin edges of the scan"):
        spurious_signal(EDGES, np.ones(32), [(3000, 3500)])
    with pytest.raises(InputError, match="0 windows"):
        spurious_signal(EDGES, np.ones(32), [])
    with pytest.raises(InputError, match="cannot fix"):
        spurious_signal([2000.0, 3000.0], [5], [(2000, 3000)])
    with pytest.raises(ConfigError, match="dijet3"):
        spurious_signal(EDGES, np.ones(32), WINDOWS, function="dijt3")


@given(arrays(np.int64, 32, elements=st.integers(0, 1000)))
def test_any_counts_give_finite_fractions_or_a_clear_error(counts):
    try:
        one = spurious_signal(EDGES, counts, WINDOWS, function="dijet3")
    except FitError as error:
        assert "GeV" in str(error)  # noqa: PT017
        return
    assert np.isfinite(one.fraction).all()
    assert min(one.fraction) >= 0
    assert np.isfinite(one.error).all()
