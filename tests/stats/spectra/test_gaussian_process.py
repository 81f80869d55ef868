"""The Gaussian process: as good as the function where that is right, and right where it is not."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.integrate import quad
from scipy.stats import multivariate_normal

from overdensity.core import ConfigError, FitError, InputError
from overdensity.core.windows import log_edges
from overdensity.stats.spectra.gaussian_process import ProcessFit, fit_process
from overdensity.stats.spectra.spectrum import fit

EDGES = log_edges(2632, 6000, 32)
MASK = (np.arange(32) >= 8) & (np.arange(32) < 14)


def shape(curvature):
    """A dijet3 shape times exp(curvature ln²(m / 4 TeV)), which dijet3 cannot follow."""

    def density(m):
        return np.exp(curvature * np.log(m / 4e3) ** 2) * (1 - m / 13e3) ** 6 / (m / 13e3) ** 5

    content = np.array([quad(density, a, b)[0] for a, b in pairwise(EDGES)])
    return content / content.sum()


RIGHT, CURVED = shape(0.0), shape(-2.0)


def thrown(share, n, seed=0):
    return np.random.default_rng(seed).poisson(n * share)


def pulls(share, n, trials):
    fits = [fit_process(EDGES, thrown(share, n, seed), masked=MASK) for seed in range(trials)]
    return np.array([(one.total - n * share[MASK].sum()) / one.total_error for one in fits])


def test_it_predicts_the_window_where_the_function_cannot():
    found = pulls(CURVED, 1e6, 12)
    assert abs(found.mean()) < 0.6
    assert 0.5 < found.std() < 1.5
    wrong = fit(EDGES, 1e6 * CURVED, masked=MASK, function="dijet3")
    assert abs(wrong.total - wrong.observed) > 1.3 * wrong.total_error


@pytest.mark.slow(seconds=5)
@pytest.mark.parametrize("n", [300, 3e4, 1e6])
@pytest.mark.parametrize("share", [RIGHT, CURVED], ids=["right", "curved"])
def test_the_prediction_covers_the_truth(share, n):
    found = pulls(share, n, 60)
    assert abs(found.mean()) < 0.4
    assert 0.75 < found.std() < 1.3


def test_where_the_function_is_right_the_correction_vanishes():
    counts = thrown(RIGHT, 3e4)
    one = fit_process(EDGES, counts, masked=MASK)
    function = fit(EDGES, counts, masked=MASK, function="dijet3")
    assert one.amplitude < 0.01
    assert one.total == pytest.approx(function.total, abs=0.1 * function.total_error)
    assert one.total_error == pytest.approx(function.total_error, rel=0.1)
    assert one.effective_ndf == pytest.approx(function.ndf, abs=0.5)
    assert one.log_evidence - one.log_evidence_without < 1


def test_where_the_function_is_wrong_the_evidence_says_so():
    one = fit_process(EDGES, thrown(CURVED, 1e6), masked=MASK)
    assert one.log_evidence - one.log_evidence_without > 10
    assert one.amplitude > 0.05


def test_with_many_events_it_is_gaussian_regression():
    """The closed form for ln(n / b) with errors 1/√n (Rasmussen and Williams, eq. 2.41 and 2.30)."""
    counts = thrown(CURVED, 1e6)
    one = fit_process(
        EDGES, counts, masked=MASK, amplitudes=(0.3, 0.300001), lengths=(0.5, 0.500001)
    )
    base = fit(EDGES, counts, masked=MASK, function="dijet3")
    log_mass = np.log(EDGES[:-1] * EDGES[1:]) / 2
    y = (EDGES[1:] + EDGES[:-1]) / 2 / 13e3
    columns = np.stack([np.ones(32), np.log1p(-y), np.log(y)], axis=1)
    columns = np.linalg.qr(columns)[0] * np.sqrt(32)
    kernel = 0.3**2 * np.exp(-((log_mass[:, None] - log_mass) ** 2) / (2 * 0.5**2))
    used = ~MASK
    seen = np.log(counts / base.expected)[used]
    noisy = kernel[np.ix_(used, used)] + np.diag(1 / counts[used])
    inverse = np.linalg.inv(noisy)
    information = columns[used].T @ inverse @ columns[used]
    slope = np.linalg.solve(information, columns[used].T @ inverse @ seen)
    correction = columns @ slope + kernel[:, used] @ inverse @ (seen - columns[used] @ slope)
    rest = columns - kernel[:, used] @ inverse @ columns[used]
    spread = kernel - kernel[:, used] @ inverse @ kernel[used]
    spread += rest @ np.linalg.solve(information, rest.T)
    expected = base.expected * np.exp(correction)
    error = np.sqrt(expected[MASK] @ spread[np.ix_(MASK, MASK)] @ expected[MASK])
    assert one.total == pytest.approx(expected[MASK].sum(), abs=0.05 * error)
    assert one.total_error == pytest.approx(error, rel=0.02)
    normal = multivariate_normal(cov=noisy + 10**2 * columns[used] @ columns[used].T)
    evidence = normal.logpdf(seen) - np.log(counts[used]).sum()
    assert one.log_evidence == pytest.approx(evidence, abs=0.2)


def test_a_signal_in_the_masked_window_does_not_move_the_prediction():
    counts = thrown(RIGHT, 3e4)
    one, other = (fit_process(EDGES, c, masked=MASK) for c in (counts, counts + 200 * MASK))
    assert one.total == pytest.approx(other.total, rel=1e-6)
    assert other.observed - one.observed == 1200


def test_a_narrow_excess_is_not_followed_and_spoils_the_fit():
    counts = thrown(RIGHT, 1e5)
    counts[10] += 8 * int(np.sqrt(counts[10]))
    one = fit_process(EDGES, counts)
    assert one.p_value < 0.05
    assert counts[10] - one.expected[10] > 4 * np.sqrt(one.expected[10])


def test_the_errors_are_those_of_the_covariance():
    one = fit_process(EDGES, thrown(RIGHT, 3e4), masked=MASK)
    covariance = np.array(one.covariance)
    assert one.total_error**2 == pytest.approx(covariance[np.ix_(MASK, MASK)].sum())
    np.testing.assert_allclose(np.square(one.expected_error), np.diag(covariance))
    assert np.linalg.eigvalsh(covariance).min() > -1e-9 * np.trace(covariance)


def test_same_seed_same_fit_and_it_survives_json():
    counts = thrown(RIGHT, 3e4)
    one = fit_process(EDGES, counts, masked=MASK, seed=3)
    assert fit_process(EDGES, counts, masked=MASK, seed=3) == one
    assert ProcessFit.from_dict(one.to_dict()) == one


def test_what_cannot_be_fitted_is_refused():
    with pytest.raises(FitError, match="only 0 of 26"):
        fit_process(EDGES, np.zeros(32), masked=MASK)
    with pytest.raises(FitError, match="only 1 of 32"):
        fit_process(EDGES, 500 * np.eye(32)[3])
    with pytest.raises(InputError, match="cannot fix"):
        fit_process([2000, 3000], [10])
    with pytest.raises(InputError, match="bin 0"):
        fit_process(EDGES, -np.ones(32))
    with pytest.raises(InputError, match="bin 0"):
        fit_process(EDGES, np.full(32, np.nan))
    with pytest.raises(InputError, match="one per bin"):
        fit_process(EDGES, np.ones(32), masked=np.zeros(31, bool))
    with pytest.raises(InputError, match="range of lengths"):
        fit_process(EDGES, np.ones(32), lengths=(0.5, 0.2))
    with pytest.raises(ConfigError, match="dijet3"):
        fit_process(EDGES, np.ones(32), function="dijt3")


@given(arrays(np.int64, 32, elements=st.integers(0, 300)))
def test_any_counts_give_a_finite_prediction_or_a_clear_error(counts):
    try:
        one = fit_process(EDGES, counts, masked=MASK)
    except FitError as error:
        assert "range" in str(error)  # noqa: PT017
        return
    assert np.isfinite(one.expected).all()
    assert np.isfinite(one.total_error)
    assert 0 < one.p_value <= 1
