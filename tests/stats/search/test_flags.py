"""What is said of a search that is not well, and what is left unsaid."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from overdensity.stats import count_patterns, subdivide
from overdensity.stats.search.flags import flag_sentences, inclusive_p
from overdensity.stats.search.null import null_hypothesis
from overdensity.stats.search.pseudo_experiments import throw_toys
from overdensity.stats.search.scanning import scan

WINDOWS = slice(3, 5)  # of the box
EFFICIENCIES = (0.1,)


@pytest.fixture(scope="module")
def search(box):
    made = box(3)
    patterns = count_patterns(
        made.mass, np.minimum(made.levels[:, WINDOWS], 1), subdivide(made.edges, 2)
    )
    fits = scan(patterns, made.windows[WINDOWS], EFFICIENCIES)
    null = null_hypothesis(patterns, fits)
    return fits, null, throw_toys(fits, null, n=250, seed=1)


def sentences(search, *, flagged=(), refused=(), contradicted=(), **options):
    fits, null, toys = search
    k = np.arange(fits.observed.size)
    options = {"threshold": 0.01, "best": 1, "z_best": 1.0, "seed": 1} | options
    return flag_sentences(
        *(fits, null, toys),
        flagged=np.isin(k, flagged),
        refused=np.isin(k, refused),
        contradicted=np.isin(k, contradicted),
        **options,
    )


def test_nothing_is_said_when_all_is_well(search):
    assert sentences(search) == ()


def test_a_fit_that_is_not_counted_is_named_by_window_and_efficiency(search):
    fits, _, toys = search
    p = toys.goodness(fits.fits.deviance[0])[3]
    (said,) = sentences(search, flagged=[3], threshold=p * 1.01)
    low, high = fits.windows[1]
    start = (
        f"window {low:.0f}-{high:.0f} GeV, efficiency 0.1: the fit does not describe its sidebands"
    )
    assert said.startswith(f"{start} (p = {p:.2g}); it is not counted")


def test_a_fit_that_is_good_in_the_partition_that_is_shown_is_not_told_to_be_bad(search):
    (said,) = sentences(search, flagged=[3])
    assert "the fit may not be quoted in most partitions into folds; it is not counted" in said


def test_a_refused_selection_is_said_once_and_not_as_a_bad_fit(search):
    (said,) = sentences(search, flagged=[3], refused=[3])
    assert "fabricates an excess (efficiency 0.1); it is refused" in said
    assert "name them under 'decorrelate'" in said


def test_a_contradicted_selection_is_said_once_and_not_as_a_bad_fit(search):
    (said,) = sentences(search, flagged=[3], contradicted=[3])
    assert "an excess (efficiency 0.1) that the spectrum of all events cannot hide" in said


@pytest.mark.parametrize("why", ["flagged", "refused", "contradicted"])
def test_no_flag_tells_a_strong_signal_away(search, why):
    (said,) = sentences(search, flagged=[3], **({} if why == "flagged" else {why: [3]}))
    assert said.endswith("(a strong signal in or near the window can be the cause)")


def test_a_strong_excess_explains_a_fit_that_is_good_without_it(search):
    weak = sentences(search, flagged=[3], best=1, z_best=2.9)
    strong = sentences(search, flagged=[3], best=1, z_best=3.1)
    assert len(weak) == 1
    assert strong == ()  # the spectra are background: hidden or not, the fit is good


def test_no_result_and_too_few_pseudo_experiments_are_said(search):
    assert "there is no result" in sentences(search, best=None, z_best=0.0)[0]
    (said,) = sentences(search, threshold=0.001)
    assert "250 pseudo-experiments cannot resolve a goodness of fit of 0.001" in said


def test_a_null_hypothesis_that_cannot_be_thrown_is_said(search):
    fits, null, toys = search
    (said,) = sentences((fits, replace(null, mismatch=0.25), toys))
    assert "differ by up to 0.25 of a Poisson error" in said


def test_a_spectrum_of_another_shape_doubts_the_function(box):
    made = box(3)
    step = np.r_[made.mass, np.random.default_rng(1).uniform(3000, 3100, 1500)]
    patterns = count_patterns(step, np.ones((len(step), 2), int), subdivide(made.edges, 2))
    fits = scan(patterns, made.windows[WINDOWS], EFFICIENCIES)
    null = null_hypothesis(patterns, fits)
    said = sentences((fits, null, throw_toys(fits, null, n=250, seed=1)))
    assert "does not describe the unselected spectrum" in said[0]
    assert inclusive_p(fits) < 1e-6


def test_the_inclusive_p_value_is_that_of_a_good_fit_for_background(search):
    assert 0.001 < inclusive_p(search[0]) < 0.999
