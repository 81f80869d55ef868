"""Edges and counts: published bins, no event lost, none weighted."""

from __future__ import annotations

import hist
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from overdensity.core import InputError
from overdensity.core.windows import log_edges
from overdensity.stats.spectra.binning import (
    DIJET_EDGES,
    Spectrum,
    dijet_edges,
    spectrum_of,
    spectrum_of_histogram,
    window_bins,
)


def test_the_dijet_bins_of_the_challenge_begin_and_end_as_published():
    edges = dijet_edges(2659, 6099)  # LHCO §3.7
    assert edges[[0, 1, -2, -1]].tolist() == [2659, 2775, 5877, 6099]
    assert edges.size == 22


def test_dijet_bins_widen_as_the_resolution_does():
    width, center = np.diff(DIJET_EDGES), np.add(DIJET_EDGES[1:], DIJET_EDGES[:-1]) / 2
    assert np.all(np.diff(width[:-1]) >= 0)  # the last bin is cut at the beam energy
    relative = (width / center)[(center > 1000) & (center < 13_500)]
    assert 0.03 < relative.min() < relative.max() < 0.06


def test_no_dijet_bin_in_the_range_is_refused():
    with pytest.raises(InputError, match="2660-2700 GeV"):
        dijet_edges(2660, 2700)


@given(arrays(float, st.integers(0, 50), elements=st.floats(0, 10_000)))
def test_no_event_is_lost(mass):
    one = spectrum_of(mass, dijet_edges(1000, 6000))
    assert one.below is not None
    assert one.above is not None
    assert sum(one.counts) + one.below + one.above == mass.size


def test_a_bin_holds_its_lower_edge_and_not_its_upper_one():
    one = spectrum_of([1.0, 1.0, 2.0, 3.0, 0.5], [1.0, 2.0, 3.0])
    assert (one.counts, one.below, one.above) == ((2, 1), 1, 1)


def test_no_events_are_an_empty_spectrum():
    one = spectrum_of([], [1.0, 2.0])
    assert (one.counts, one.below, one.above) == ((0,), 0, 0)


def test_counts_are_those_of_hist():
    mass = np.random.default_rng(0).exponential(1000, 5000) + 1500
    edges = dijet_edges(2659, 6099)
    filled = hist.Hist.new.Var(edges, name="mjj").Int64().fill(mass)
    assert spectrum_of_histogram(filled) == spectrum_of(mass, edges, np.ones(mass.size))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_masses_that_are_not_finite_are_refused(bad):
    with pytest.raises(InputError, match=r"1 of 3 masses .* event 1"):
        spectrum_of([2000.0, bad, 3000.0], [1000, 4000])


@pytest.mark.parametrize(
    ("bad", "kind"), [(-1.0, "negative"), (np.nan, "not a number"), (0.5, "not 1"), (0.0, "not 1")]
)
def test_weights_are_refused(bad, kind):
    with pytest.raises(InputError, match=rf"1 of 2 weights .*{kind}.* event 1"):
        spectrum_of([2000.0, 3000.0], [1000, 4000], [1.0, bad])


def test_shapes_must_agree():
    with pytest.raises(InputError, match="2 events"):
        spectrum_of([2000.0, 3000.0], [1000, 4000], [1.0])
    with pytest.raises(InputError, match="one per event"):
        spectrum_of([[2000.0, 3000.0]], [1000, 4000])


@pytest.mark.parametrize("edges", [[1000], [2000, 1000], [1000, np.nan], [1000, np.inf]])
def test_edges_that_cannot_be_used_are_refused(edges):
    with pytest.raises(InputError, match="edges"):
        spectrum_of([1500.0], edges)


@pytest.mark.parametrize(
    "filled",
    [
        hist.Hist.new.Reg(4, 0, 4).Weight().fill([1, 2], weight=[1, 2]),
        hist.Hist.new.Reg(4, 0, 4).Weight().fill([1, 1], weight=[1, -1]),
        hist.Hist.new.Reg(4, 0, 4).Double().fill([1, 2], weight=[2, 2]),
        hist.Hist.new.Reg(4, 0, 4).Double().fill([1, 2], weight=[0.5, np.nan]),
    ],
    ids=["weights", "cancelling", "scaled", "nan"],
)
def test_weighted_histograms_are_refused(filled):
    with pytest.raises(InputError, match="likelihood is of counts"):
        spectrum_of_histogram(filled)


def test_unweighted_histograms_of_every_storage_count():
    for storage in (hist.storage.Int64(), hist.storage.Double(), hist.storage.Weight()):
        filled = hist.Hist(hist.axis.Regular(2, 0, 2), storage=storage).fill([0.5, 0.5, 7, -1])
        assert spectrum_of_histogram(filled) == Spectrum((0.0, 1.0, 2.0), (2, 0), 1, 1)


def test_a_histogram_without_overflow_says_that_it_does_not_know():
    filled = hist.Hist.new.Reg(2, 0, 2, flow=False).Int64().fill([0.5, 7])
    one = spectrum_of_histogram(filled)
    assert (one.counts, one.below, one.above) == ((1, 0), None, None)
    assert Spectrum.from_dict(one.to_dict()) == one


def test_histograms_that_are_no_spectrum_are_refused():
    with pytest.raises(InputError, match="2 axes"):
        spectrum_of_histogram(hist.Hist.new.Reg(2, 0, 2).Reg(2, 0, 2).Int64())
    with pytest.raises(InputError, match="continuous"):
        spectrum_of_histogram(hist.Hist.new.StrCat(["a"]).Int64())


def test_window_bins_lie_between_its_edges():
    edges = log_edges(2632, 6000, 16)
    bins = window_bins(edges, [(edges[2], edges[5]), (edges[0], edges[16])])
    assert np.flatnonzero(bins[0]).tolist() == [2, 3, 4]
    assert bins[1].all()


@pytest.mark.parametrize("window", [(1000, 2500), (2000, 2000), (3000, 1000), (1000, np.nan)])
def test_windows_off_the_edges_are_refused(window):
    with pytest.raises(InputError, match="bin edges of the scan"):
        window_bins([1000, 2000, 3000], [window])
