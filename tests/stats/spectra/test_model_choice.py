"""The F-test: as many parameters as needed, no bad fit without a word."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import binom, kstest
from scipy.stats import f as f_distribution

from overdensity.core import ConfigError, FitError, InputError
from overdensity.core.windows import log_edges
from overdensity.stats.spectra.functions import basis
from overdensity.stats.spectra.model_choice import TESTS, FunctionChoice, choose_function

EDGES = log_edges(2632, 6000, 24)


def shape(bend):
    """A dijet shape with p1 = 6, p2 = 5, its logarithm bent by orthonormal columns of dijet5."""
    model = basis("dijet5", EDGES)
    theta = np.linalg.solve(model.transform, [0.0, 6.0, 5.0, 0.0, 0.0]) + bend
    content = model.expected(theta)
    return content / content.sum()


THREE = shape([0, 0, 0, 0, 0])
FOUR = shape([0, 0, 0, 0.05, 0])
FIVE = shape([0, 0, 0, 0, 0.05])


def test_the_function_that_made_the_spectrum_is_chosen():
    rng = np.random.default_rng(0)
    assert choose_function(EDGES, rng.poisson(1e5 * THREE)).function == "dijet3"
    assert choose_function(EDGES, rng.poisson(1e6 * FOUR)).function == "dijet4"
    assert choose_function(EDGES, rng.poisson(1e6 * FIVE)).function == "dijet5"


@pytest.mark.slow(seconds=5)
@pytest.mark.parametrize("n_events", [200, 30_000])
def test_a_larger_function_is_preferred_by_chance_as_often_as_the_threshold_says(n_events):
    rng = np.random.default_rng(n_events)
    counts = rng.poisson(n_events * THREE, (100, 24))
    steps = [
        choose_function(EDGES, one, functions=("dijet3", "dijet4"), n_toys=100).tests[0]
        for one in counts
    ]
    assert kstest([one.p_toys for one in steps], "uniform").pvalue > 0.01
    taken = sum(one.p_toys < 0.05 for one in steps)
    assert binom.cdf(taken, 100, 0.05) > 0.005
    assert binom.sf(taken - 1, 100, 0.05) > 0.005
    if n_events > 1000:
        assert kstest([one.p_ratio for one in steps], "uniform").pvalue > 0.01
        assert kstest([one.p_f for one in steps], "uniform").pvalue > 0.01


def test_the_f_statistic_is_that_of_its_definition():
    counts = np.random.default_rng(1).poisson(1e6 * FOUR)
    step = choose_function(EDGES, counts, test="f").tests[0]
    assert (step.ndf_smaller, step.ndf_larger) == (21, 20)
    f = (step.chi2_smaller - step.chi2_larger) / (step.chi2_larger / 20)
    assert step.f == pytest.approx(f)
    assert step.p_f == pytest.approx(f_distribution.sf(f, 1, 20))
    assert step.ratio == pytest.approx(step.chi2_smaller - step.chi2_larger)


@pytest.mark.parametrize("test", TESTS)
def test_a_bad_fit_is_never_returned_without_a_word(test):
    counts = np.random.default_rng(2).poisson(1e5 * THREE)
    counts[12:] *= 2  # a step that no dijet function has
    one = choose_function(EDGES, counts, test=test)
    assert one.function == "dijet5"
    assert not one.good
    assert any("does not describe" in sentence for sentence in one.flags)


def test_a_bad_function_is_left_even_if_the_next_one_is_hardly_better():
    counts = np.random.default_rng(3).poisson(1e5 * THREE)
    counts[::2] += 6 * np.sqrt(counts[::2]).astype(int)  # teeth
    one = choose_function(EDGES, counts)
    assert [step.preferred for step in one.tests] == ["dijet4", "dijet5"]
    assert "badly" in one.tests[0].reason
    assert one.flags


def test_a_resonance_that_is_masked_asks_for_no_parameters():
    counts = np.random.default_rng(4).poisson(1e5 * THREE)
    counts[9:12] += 1500
    mask = (np.arange(24) >= 9) & (np.arange(24) < 12)
    assert choose_function(EDGES, counts, masked=mask).function == "dijet3"
    assert choose_function(EDGES, counts).function != "dijet3"


def test_a_function_with_too_many_parameters_is_not_tried_and_said_so():
    counts = np.zeros(24, int)
    counts[[0, 1, 2, 3]] = 50, 30, 20, 10
    one = choose_function(EDGES, counts)
    assert one.function == "dijet3"
    assert "dijet4 was not tried" in one.flags[0]


def test_same_seed_same_choice_and_it_survives_json():
    counts = np.random.default_rng(5).poisson(1e5 * FOUR)
    one = choose_function(EDGES, counts, seed=7)
    assert choose_function(EDGES, counts, seed=7) == one
    assert FunctionChoice.from_dict(one.to_dict()) == one


def test_what_cannot_be_chosen_from_is_refused():
    counts = np.random.default_rng(6).poisson(1e5 * THREE)
    with pytest.raises(ConfigError, match="few to many"):
        choose_function(EDGES, counts, functions=("dijet4", "dijet3"))
    with pytest.raises(ConfigError, match="few to many"):
        choose_function(EDGES, counts, functions=())
    with pytest.raises(ConfigError, match="dijet5"):
        choose_function(EDGES, counts, functions=("dijet3", "dijet6"))
    with pytest.raises(ConfigError, match="ratio"):
        choose_function(EDGES, counts, test="ratios")
    with pytest.raises(FitError, match="only 0 of 24"):
        choose_function(EDGES, np.zeros(24))
    with pytest.raises(FitError, match="only 1 of 1"):
        choose_function([2000, 3000], [100])
    with pytest.raises(InputError, match="bin 0"):
        choose_function(EDGES, -np.ones(24))


@given(arrays(np.int64, 24, elements=st.integers(0, 300)))
def test_any_counts_give_a_choice_with_its_goodness_or_a_clear_error(counts):
    try:
        one = choose_function(EDGES, counts, n_toys=100)
    except FitError as error:
        assert "dijet3" in str(error)  # noqa: PT017
        return
    assert one.good == (one.p_value >= 0.01)
    assert one.good or one.flags
