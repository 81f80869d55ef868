"""The background-only hypothesis: each spectrum as fitted, overlaps as observed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import kstest, poisson

from overdensity.stats import count_patterns, log_edges, subdivide
from overdensity.stats.search.null import null_hypothesis
from overdensity.stats.search.scanning import scan


@pytest.fixture(scope="module", params=[0.0, 0.8], ids=["independent", "correlated"])
def made(request, box):
    return box(21, correlation=request.param)


@pytest.fixture(scope="module")
def patterns(made):
    return count_patterns(made.mass, made.levels, subdivide(made.edges, 2))


@pytest.fixture(scope="module")
def scanned(made, patterns):
    return scan(patterns, made.windows, made.efficiencies)


@pytest.fixture(scope="module")
def null(patterns, scanned):
    return null_hypothesis(patterns, scanned)


@pytest.fixture(scope="module")
def thrown(null):
    return null.throw(4000, np.random.default_rng(1))


def test_every_spectrum_has_its_fit_as_expectation(null, scanned):
    difference = np.abs(null.expected() - scanned.null) / np.sqrt(scanned.null + 1)
    assert difference.max() < 0.03
    assert null.mismatch < 0.03


def test_the_means_of_what_is_thrown_are_the_expectations(null, thrown):
    error = np.sqrt(null.expected() / len(thrown) + 1e-6)
    pull = (thrown.mean(axis=0) - null.expected()) / error
    assert np.abs(pull).max() < 5.5
    assert pull[0].std() < 1.4


def test_every_bin_is_poisson(null, thrown):
    # variance over mean, exactly one for Poisson
    mean = null.expected()
    filled = mean > 0.5
    ratio = thrown.var(axis=0)[filled] / mean[filled]
    assert ratio.mean() == pytest.approx(1.0, abs=0.01)
    k = thrown[:, 3, 10]
    expected = poisson.pmf(np.arange(30), mean[3, 10])
    seen = np.bincount(k.astype(int), minlength=30)[:30] / len(k)
    assert np.abs(seen - expected).max() < 0.03


def test_selections_are_nested(thrown):
    spectra = thrown.reshape(-1, 10, 4, 32)
    assert np.all(np.diff(spectra, axis=2) <= 0)


def test_the_unselected_spectrum_is_the_same_in_all_windows(thrown):
    spectra = thrown.reshape(-1, 10, 4, 32)
    assert np.all(spectra[:, :, 0] == spectra[:, :1, 0])


def test_windows_are_correlated_as_their_events_overlap(made, thrown):
    """For Poisson samples that share events, correlation = shared / sqrt(first × second).

    Where the fits of two windows differ from the counts in a bin, events must be un-shared, so
    that the overlap comes out up to a tenth smaller (p_global a little larger).
    """
    totals = thrown.reshape(-1, 10, 4, 32).sum(axis=3)
    inside = (made.mass >= made.edges[0]) & (made.mass < made.edges[-1])
    levels = made.levels[inside]
    for level in (1, 2):
        passed = levels >= level
        shared = passed.T.astype(float) @ passed
        overlap = shared / np.sqrt(np.outer(np.diag(shared), np.diag(shared)))
        correlation = np.corrcoef(totals[:, :, level].T)
        off = ~np.eye(10, dtype=bool)
        assert correlation[off].mean() == pytest.approx(overlap[off].mean(), abs=0.07)
        assert np.abs(correlation - overlap)[off].max() < 0.15


def test_a_seed_gives_the_same_spectra(null):
    one, two = (null.throw(3, np.random.default_rng(5)) for _ in range(2))
    np.testing.assert_array_equal(one, two)


def test_thrown_totals_are_poisson(null, thrown):
    total = thrown[:, 0].sum(axis=1)
    mean = null.expected()[0].sum()
    assert kstest((total - mean) / np.sqrt(mean), "norm").pvalue > 1e-3


@pytest.mark.parametrize("n", [2000, 5000])
@pytest.mark.parametrize("correlation", [0.0, 0.5, 0.9])
def test_sparse_bins_reach_their_expectations_too(box, n, correlation):
    made = box(905, n, correlation=correlation)
    patterns = count_patterns(made.mass, made.levels, subdivide(made.edges, 2))
    fits = scan(patterns, made.windows, made.efficiencies)
    assert null_hypothesis(patterns, fits).mismatch < 0.05


def test_forty_windows_find_room_side_by_side(box):
    """Iterative proportional fitting was up to two Poisson errors off after 500 cycles."""
    made = box(906, 5000)
    rng, edges = np.random.default_rng(7), log_edges(2632, 6000, 46)
    windows = [(edges[i], edges[i + 3]) for i in range(2, 42)]
    scores = rng.normal(size=(made.mass.size, 1)) + rng.normal(size=(made.mass.size, 40))
    ranks = scores.argsort(axis=0).argsort(axis=0) / len(scores)
    levels = sum((ranks >= 1 - each).astype(int) for each in made.efficiencies)
    patterns = count_patterns(made.mass, levels, subdivide(edges, 2))
    fits = scan(patterns, windows, made.efficiencies)
    found = null_hypothesis(patterns, fits)
    difference = np.abs(found.expected() - fits.null) / np.sqrt(fits.null + 1)
    assert max(difference.max(), found.mismatch) < 0.03
    assert found.reason is None


def test_what_is_thrown_is_doubted_for_a_reason(null, patterns, scanned):
    assert "1.2 of a Poisson error" in (replace(null, mismatch=1.2).reason or "")
    failed = replace(scanned, null_converged=np.zeros(40, dtype=bool))
    assert "did not converge" in (null_hypothesis(patterns, failed).reason or "")
