"""Transfer factor and shaping function: right where the ratio is smooth, honest where it is not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.optimize import minimize

from overdensity.core import FitError, InputError
from overdensity.stats.spectra.binning import dijet_edges
from overdensity.stats.spectra.ratio_fit import bernstein
from overdensity.stats.spectra.transfer import RatioPrediction, shaping_function, transfer_factor

EDGES = dijet_edges(2659, 6099)  # LHCO §3.7
CENTER = (EDGES[1:] + EDGES[:-1]) / 2
MASK = (CENTER > 3400) & (CENTER < 4000)
SHAPE = np.diff(EDGES) * (1 - CENTER / 13e3) ** 6 / (CENTER / 13e3) ** 5
SHAPE /= SHAPE.sum()
BEND = 1 + 0.5 * (CENTER - 4000) / 1500 - 0.3 * ((CENTER - 4000) / 1500) ** 2


def thrown(n, efficiency, seed=0):
    """Events that pass a cut of a mass-dependent efficiency, and those that do not."""
    rng = np.random.default_rng(seed)
    share = efficiency * BEND
    return rng.poisson(n * SHAPE * share), rng.poisson(n * SHAPE * (1 - share))


def test_the_fit_is_the_maximum_that_scipy_finds():
    passed, rest = thrown(3e4, 0.1)
    one = transfer_factor(EDGES, passed, rest, masked=MASK)
    design = bernstein(EDGES, 4)[~MASK]

    def loss(c):
        ratio = design @ c
        return ((passed + rest)[~MASK] * np.log1p(ratio) - passed[~MASK] * np.log(ratio)).sum()

    other = minimize(loss, np.full(5, 0.1), bounds=[(1e-9, None)] * 5, method="L-BFGS-B", tol=1e-14)
    assert loss(np.array(one.fit.coefficients)) <= other.fun + 1e-6
    np.testing.assert_allclose(one.fit.coefficients, other.x, rtol=0.02, atol=1e-3)


def test_the_conditional_likelihood_is_that_of_two_poisson_spectra():
    """With the mean of the rest free in every bin, both give the same ratio."""
    passed, rest = thrown(3e4, 0.1, seed=1)
    one = transfer_factor(EDGES, passed, rest, degree=2)
    design = bernstein(EDGES, 2)

    def loss(values):
        mean, ratio = np.exp(values[3:]), design @ np.exp(values[:3])
        both = mean * (1 + ratio) - rest * values[3:] - passed * np.log(ratio * mean)
        return both.sum()

    start = np.r_[np.log(one.fit.coefficients) + 0.01, np.log(rest)]
    other = minimize(loss, start, method="L-BFGS-B", tol=1e-14)
    np.testing.assert_allclose(one.fit.coefficients, np.exp(other.x[:3]), rtol=2e-3)


@pytest.mark.parametrize(("n", "efficiency"), [(1e6, 0.1), (3e4, 0.1)])
def test_a_transfer_factor_predicts_the_window(n, efficiency):
    pulls, p = [], []
    for seed in range(60):
        passed, rest = thrown(n, efficiency, seed)
        one = transfer_factor(EDGES, passed, rest, masked=MASK, seed=seed)
        pulls.append((one.total - n * efficiency * (SHAPE * BEND)[MASK].sum()) / one.total_error)
        p.append(one.fit.p_value)
    assert abs(np.mean(pulls)) < 0.45
    assert 0.75 < np.std(pulls) < 1.25
    assert 0.35 < np.mean(p) < 0.65


def test_a_shaping_function_predicts_another_sample():
    rng = np.random.default_rng(2)
    pulls = []
    for seed in range(60):
        total = rng.poisson(1e5 * SHAPE)  # the part that shapes, as the 100k events of LHCO §3.4
        passed = rng.binomial(total, 0.1 * BEND)
        spectrum = rng.poisson(9e5 * SHAPE)
        one = shaping_function(EDGES, passed, total, spectrum, masked=MASK, seed=seed)
        truth = 9e5 * 0.1 * (SHAPE * BEND)[MASK].sum()
        pulls.append((one.total - truth) / one.total_error)
    assert abs(np.mean(pulls)) < 0.45
    assert 0.75 < np.std(pulls) < 1.25


def test_with_few_events_the_error_covers():
    pulls = []
    for seed in range(60):
        passed, rest = thrown(3e3, 0.01, seed)
        one = transfer_factor(EDGES, passed, rest, masked=MASK, degree=2, seed=seed)
        pulls.append((one.total - 30 * (SHAPE * BEND)[MASK].sum()) / one.total_error)
    assert abs(np.mean(pulls)) < 0.3
    assert np.std(pulls) < 1.1


def test_a_signal_in_the_window_does_not_move_the_prediction():
    passed, rest = thrown(1e6, 0.01)
    clean = transfer_factor(EDGES, passed, rest, masked=MASK)
    found = transfer_factor(EDGES, passed + 300 * MASK, rest, masked=MASK)
    assert found.expected == clean.expected
    excess = (passed + 300 * MASK)[MASK].sum() - found.total
    assert excess / np.hypot(found.total_error, np.sqrt(found.total)) > 10


def test_a_step_in_the_ratio_is_a_bad_fit():
    passed, rest = thrown(1e6, 0.1)
    passed = np.where(CENTER > 4500, passed, passed * 3 // 4)
    assert transfer_factor(EDGES, passed, rest).fit.p_value < 0.003


def test_no_selected_events_in_the_tail_is_not_a_background_known_to_be_zero():
    passed, rest = thrown(1e5, 0.01)
    tail = CENTER > 5000
    passed[tail] = 0
    one = transfer_factor(EDGES, passed, rest, masked=CENTER > 5600)
    assert one.total < 1
    assert one.total_error > 0.05
    rest[tail] = 0
    assert transfer_factor(EDGES, passed, rest, masked=CENTER > 5600).total_error > 1e-4


def test_coefficients_are_never_negative_and_an_efficiency_at_most_one():
    total = np.full(21, 50)
    for passed in (np.arange(21) * 50 // 20, 50 * (CENTER > 4000), total):
        one = shaping_function(EDGES, passed, total, total)
        assert min(one.fit.coefficients) >= 0
        assert max(one.fit.coefficients) <= 1


def test_the_errors_are_those_of_the_covariance():
    passed, rest = thrown(3e4, 0.1)
    one = transfer_factor(EDGES, passed, rest, masked=MASK)
    covariance = np.array(one.covariance)
    assert one.total_error**2 == pytest.approx(covariance[np.ix_(MASK, MASK)].sum())
    np.testing.assert_allclose(np.square(one.expected_error), np.diag(covariance))
    assert one.total == pytest.approx(np.array(one.expected)[MASK].sum())
    poisson = np.array(one.fit.ratio) ** 2 * rest
    np.testing.assert_allclose(
        np.diag(covariance), poisson + (rest * np.array(one.fit.ratio_error)) ** 2
    )


def test_same_seed_same_prediction_and_it_survives_json():
    passed, rest = thrown(3e4, 0.1)
    one = transfer_factor(EDGES, passed, rest, masked=MASK, seed=3)
    assert transfer_factor(EDGES, passed, rest, masked=MASK, seed=3) == one
    assert RatioPrediction.from_dict(one.to_dict()) == one


def test_ratios_that_cannot_be_known_are_refused():
    none, some = np.zeros(21), np.full(21, 100)
    with pytest.raises(FitError, match="only 0 fitted bins"):
        transfer_factor(EDGES, none, none)
    with pytest.raises(FitError, match="no events are selected"):
        transfer_factor(EDGES, none, some)
    with pytest.raises(FitError, match="left after the selection"):
        transfer_factor(EDGES, some, none)
    with pytest.raises(FitError, match="only 1 fitted bins"):
        transfer_factor(EDGES, 100 * np.eye(21)[3], 100 * np.eye(21)[3])
    with pytest.raises(FitError, match="only 1 fitted bins"):
        transfer_factor([2000, 3000], [10], [100])
    with pytest.raises(InputError, match="bin 0"):
        transfer_factor(EDGES, -some, some)
    with pytest.raises(InputError, match="bin 0"):
        transfer_factor(EDGES, some, some * np.nan)
    with pytest.raises(InputError, match="one per bin"):
        transfer_factor(EDGES, some, some, masked=np.zeros(20, bool))
    with pytest.raises(InputError, match="at least 0"):
        transfer_factor(EDGES, some, some, degree=-1)
    with pytest.raises(InputError, match="101 events after the cut, 100 before"):
        shaping_function(EDGES, some + 1, some, some)


@given(
    arrays(np.int64, 21, elements=st.integers(0, 100)),
    arrays(np.int64, 21, elements=st.integers(0, 1000)),
)
def test_any_counts_give_a_finite_prediction_or_a_clear_error(passed, rest):
    try:
        one = transfer_factor(EDGES, passed, rest, masked=MASK)
    except FitError as error:
        assert "ratio" in str(error)  # noqa: PT017
        return
    assert np.isfinite(one.expected).all()
    assert np.isfinite(one.total_error)
    assert one.total_error > 0
    assert 0 < one.fit.p_value <= 1
