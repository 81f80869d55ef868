"""The Minuit fit of one spectrum: gradient, covariance, goodness of fit, and refusals."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.integrate import quad
from scipy.optimize import approx_fprime

from overdensity.core import FitError, InputError
from overdensity.stats import fit, log_edges
from overdensity.stats.functions import basis
from overdensity.stats.spectrum import Constraint, SpectrumFit, likelihood, seed_theta

EDGES = log_edges(2632, 6000, 16)
SHAPE = np.array(
    [quad(lambda m: (1 - m / 13e3) ** 4 / (m / 13e3) ** 3, a, b)[0] for a, b in pairwise(EDGES)]
)
SHAPE /= SHAPE.sum()
MASK = (np.arange(16) >= 4) & (np.arange(16) < 7)


def test_the_gradient_is_the_numerical_one():
    model = basis("dijet5", EDGES)
    counts = np.random.default_rng(0).poisson(3e4 * SHAPE).astype(float)
    constraint = Constraint(np.ones(5), np.arange(5.0))
    loss, gradient = likelihood(model, counts, MASK, constraint)
    theta = seed_theta(model, counts) + 0.01
    numerical = approx_fprime(theta, loss, 1e-6)
    np.testing.assert_allclose(gradient(theta), numerical, rtol=1e-3, atol=0.5)


def test_the_prediction_covers_the_truth():
    rng = np.random.default_rng(1)
    pulls = []
    for _ in range(100):
        one = fit(EDGES, rng.poisson(3e4 * SHAPE), masked=MASK, function="dijet4")
        pulls.append((one.total - 3e4 * SHAPE[MASK].sum()) / one.total_error)
    assert abs(np.mean(pulls)) < 0.4
    assert 0.75 < np.std(pulls) < 1.25


def test_the_error_is_that_of_the_covariance():
    one = fit(EDGES, np.random.default_rng(2).poisson(3e4 * SHAPE), masked=MASK)
    assert one.total_error**2 == pytest.approx(np.array(one.covariance)[np.ix_(MASK, MASK)].sum())
    assert np.array(one.expected)[MASK].sum() == pytest.approx(one.total)


def test_a_step_in_the_spectrum_is_a_bad_fit_and_a_smooth_one_is_not():
    counts = np.random.default_rng(3).poisson(3e4 * SHAPE)
    assert fit(EDGES, counts).p_value > 0.01
    counts[10] *= 2
    assert fit(EDGES, counts).p_value < 0.003


def test_goodness_of_fit_is_uniform_with_few_events():
    rng = np.random.default_rng(4)
    model = basis("dijet4", EDGES)
    centre = seed_theta(model, 1e6 * SHAPE) - np.log(1e6 / 40) * np.eye(4)[0]
    constraint = Constraint(centre, np.array([0.01, 1, 4, 16]))
    p = [
        fit(EDGES, rng.poisson(40 * SHAPE), function="dijet4", constraint=constraint).p_value
        for _ in range(60)
    ]
    assert 0.3 < np.mean(p) < 0.7
    assert min(p) > 1e-3


def test_a_fit_survives_json():
    one = fit(EDGES, np.random.default_rng(5).poisson(3e4 * SHAPE), masked=MASK)
    assert SpectrumFit.from_dict(one.to_dict()) == one


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        (np.zeros(16), "only 0 of 16"),
        (5000 * np.eye(16)[3], "only 1 of 16"),
    ],
)
def test_too_few_filled_bins_are_refused(counts, words):
    with pytest.raises(FitError, match=words):
        fit(EDGES, counts)


@pytest.mark.parametrize("bad", [-1.0, np.nan, np.inf])
def test_counts_that_are_none_are_refused(bad):
    counts = 100 * np.ones(16)
    counts[7] = bad
    with pytest.raises(InputError, match="bin 7"):
        fit(EDGES, counts)


def test_one_bin_is_refused():
    with pytest.raises(FitError, match="only 1 of 1"):
        fit([2000.0, 3000.0], [100])


def test_shapes_must_agree():
    with pytest.raises(InputError, match="16 bins"):
        fit(EDGES, np.ones(15))
    with pytest.raises(InputError, match="masked"):
        fit(EDGES, np.ones(16), masked=np.zeros(15, bool))


@settings(max_examples=40, deadline=None)
@given(arrays(np.int64, 16, elements=st.integers(0, 2000)))
def test_any_counts_give_a_finite_fit_or_a_clear_error(counts):
    if ((counts > 0) & ~MASK).sum() <= 3:
        with pytest.raises(FitError, match="fitted bins have events"):
            fit(EDGES, counts, masked=MASK, function="dijet3")
        return
    one = fit(EDGES, counts, masked=MASK, function="dijet3")
    assert np.isfinite(one.total)
    assert np.isfinite(one.total_error)
    assert 0 < one.p_value <= 1
