"""The Minuit fit of one spectrum: gradient, covariance, goodness of fit, and refusals."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pyhf
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.integrate import quad
from scipy.special import ndtr

from overdensity.core import FitError, InputError
from overdensity.stats import fit, log_edges
from overdensity.stats.spectra.functions import basis
from overdensity.stats.spectra.poisson import Constraint, seed_theta
from overdensity.stats.spectra.spectrum import SpectrumFit

EDGES = log_edges(2632, 6000, 16)
SHAPE = np.array(
    [quad(lambda m: (1 - m / 13e3) ** 4 / (m / 13e3) ** 3, a, b)[0] for a, b in pairwise(EDGES)]
)
SHAPE /= SHAPE.sum()
MASK = (np.arange(16) >= 4) & (np.arange(16) < 7)


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
    center = seed_theta(model, 1e6 * SHAPE) - np.log(1e6 / 40) * np.eye(4)[0]
    constraint = Constraint(center, np.array([0.01, 1, 4, 16]))
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


PEAK = np.diff(ndtr((EDGES - 3500) / 150)) * 100  # 100 events of a resonance at 3.5 TeV


@pytest.mark.parametrize("strength", [0.0, 3.0])
def test_the_strength_of_a_signal_is_unbiased_and_covered(strength):
    rng = np.random.default_rng(11)
    fits = [
        fit(EDGES, rng.poisson(3e4 * SHAPE + strength * PEAK), signal=PEAK, function="dijet4")
        for _ in range(100)
    ]
    pulls = np.array([(one.strength - strength) / one.strength_error for one in fits])
    assert abs(pulls.mean()) < 0.35
    assert 0.8 < pulls.std() < 1.2
    ratio = np.mean([one.strength / one.strength_error for one in fits])
    assert np.mean([one.z for one in fits]) == pytest.approx(ratio, abs=0.15)


def test_the_strength_is_that_of_pyhf():
    """The same likelihood in pyhf: the background of the fit known, the strength free."""
    rng = np.random.default_rng(12)
    counts = rng.poisson(3e4 * SHAPE + PEAK)
    tight = Constraint(seed_theta(basis("dijet4", EDGES), 3e4 * SHAPE), np.full(4, 1e12))
    one = fit(EDGES, counts, signal=PEAK, function="dijet4", constraint=tight)
    model = pyhf.Model(
        {
            "channels": [
                {
                    "name": "mjj",
                    "samples": [
                        {"name": "b", "data": list(one.expected), "modifiers": []},
                        {
                            "name": "s",
                            "data": PEAK.tolist(),
                            "modifiers": [{"name": "mu", "type": "normfactor", "data": None}],
                        },
                    ],
                }
            ]
        },
        poi_name="mu",
        validate=False,  # its schema check warns of its own age
    )
    best = pyhf.infer.mle.fit(counts.tolist(), model, par_bounds=[(-10, 10)])
    assert one.strength == pytest.approx(float(best[0]), abs=0.01 * one.strength_error)


def test_a_deficit_has_a_negative_strength():
    counts = np.round(3e4 * SHAPE - PEAK)
    one = fit(EDGES, counts, signal=PEAK)
    assert one.strength == pytest.approx(-1, abs=0.05)
    assert one.z < 0


def test_the_background_under_a_fitted_signal_is_not_pulled_up():
    counts = np.round(3e4 * SHAPE + 10 * PEAK)
    with_signal, without = fit(EDGES, counts, signal=PEAK), fit(EDGES, counts)
    assert sum(with_signal.expected) == pytest.approx(3e4, rel=0.002)
    assert with_signal.p_value > 0.5
    assert without.p_value < 0.01
    assert with_signal.ndf == without.ndf - 1
    assert with_signal.z == pytest.approx(np.sqrt(without.chi2 - with_signal.chi2))


def test_no_events_where_the_signal_is_leave_the_strength_at_its_limit():
    counts = np.round(300 * SHAPE)
    counts[PEAK > 0.5] = 0
    one = fit(EDGES, counts, signal=PEAK * (PEAK > 0.5), function="dijet3")
    assert one.strength < 0
    assert one.strength_error is None
    assert SpectrumFit.from_dict(one.to_dict()) == one


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (np.ones(15), "one per bin"),
        (-PEAK, "must be finite and not negative"),
        (np.full(16, np.nan), "must be finite and not negative"),
        (np.zeros(16), "no events in the fitted bins"),
        (np.where(MASK, 1.0, 0.0), "no events in the fitted bins"),
    ],
)
def test_templates_that_are_none_are_refused(bad, words):
    with pytest.raises(InputError, match=words):
        fit(EDGES, 100 * np.ones(16), masked=MASK, signal=bad)


@given(arrays(np.int64, 16, elements=st.integers(0, 300)))
def test_any_counts_give_a_finite_strength_or_a_clear_error(counts):
    try:
        one = fit(EDGES, counts, signal=PEAK, function="dijet3")
    except FitError as error:
        assert "fewer parameters" in str(error)  # noqa: PT017
        return
    assert np.isfinite(one.strength)
    assert np.isfinite(one.z)
    assert 0 < one.p_value <= 1


def test_an_empty_spectrum_under_a_constraint_has_no_events_and_a_good_fit():
    model = basis("dijet3", EDGES)
    one = fit(
        EDGES,
        np.zeros(16),
        function="dijet3",
        constraint=Constraint(seed_theta(model, 1e4 * SHAPE), np.full(3, 1.0)),
    )
    assert sum(one.expected) < 10
    assert one.observed == 0
    assert one.p_value > 0.05
