"""Expectation and error of selected spectra, recovered from toys."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit, logit

from overdensity.stats import log_edges
from overdensity.stats.search.scan_fits import ScanProblem, fit_scan
from overdensity.stats.spectra.batch_fit import Problem, refit
from overdensity.stats.spectra.functions import basis
from overdensity.stats.spectra.pass_fit import odds_columns
from overdensity.stats.spectra.poisson import seed_theta

EDGES = log_edges(2632, 6000, 32)
MODEL, COLUMNS = basis("dijet4", EDGES), odds_columns(EDGES, 2)
MASK = (np.arange(32) >= 8) & (np.arange(32) < 14)
EFFICIENCIES = np.array([0.1, 0.01, 0.002])
X = np.linspace(-1, 1, 32)


def shape(n: float) -> np.ndarray:
    y = np.sqrt(EDGES[1:] * EDGES[:-1]) / 13e3
    mean = np.diff(EDGES) * (1 - y) ** 4 / y**3
    return n * mean / mean.sum()


def problem(n: float, width: float = 1.0) -> ScanProblem:
    center = np.zeros((3, 3))
    center[:, 0] = logit(EFFICIENCIES)
    masked = np.tile(MASK, (4, 1))
    return ScanProblem(
        basis=MODEL,
        columns=COLUMNS,
        masked=masked,
        tested=~masked,
        start=seed_theta(MODEL, shape(n))[None],
        odds=center[None],
        center=center,
        precision=np.tile(np.array([10.0, width, width]) ** -2, (3, 1)),
    )


def thrown(n: float, kept: np.ndarray, toys: int, seed: int) -> np.ndarray:
    """Throw the unselected spectrum, and nested selections of kept, shape (3, n_bins)."""
    rng = np.random.default_rng(seed)
    spectra = [rng.poisson(shape(n), (toys, 32))]
    looser = np.ones(32)
    for each in kept:
        spectra.append(rng.binomial(spectra[-1], each / looser))
        looser = each
    return np.stack(spectra, axis=1).astype(float)


def flat(bend: np.ndarray | float = 0.0) -> np.ndarray:
    return expit(logit(EFFICIENCIES)[:, None] + np.broadcast_to(bend, 32))


BENDS = {"flat": 0.0 * X, "slope": 0.4 * X, "slope and curvature": 0.4 * X - 0.3 * X**2}


@pytest.mark.parametrize("bend", BENDS.values(), ids=BENDS.keys())
def test_pulls_of_the_expected_yield_are_standard(bend):
    kept = flat(bend)
    fits = fit_scan(problem(50_000), thrown(50_000, kept, 1500, 3))
    truth = (shape(50_000) * kept)[:, MASK].sum(axis=1)
    pull = (fits.expected[:, 1:] - truth) / fits.error[:, 1:]
    assert fits.converged.all()
    # the yield of 0.2 % is 25 events: its error falls with it
    assert np.all(np.abs(pull.mean(axis=0)) < [0.1, 0.12, 0.3])
    assert np.all(np.abs(pull.std(axis=0) - 1) < [0.06, 0.07, 0.12])
    assert np.all(np.abs(fits.expected[:, 1:].mean(axis=0) / truth - 1) < [0.005, 0.01, 0.03])


def test_the_error_is_that_of_both_fits_in_quadrature():
    """The variance of many toys, at an efficiency at which both matter."""
    half = replace(problem(50_000), center=np.zeros((3, 3)), odds=np.zeros((1, 3, 3)))
    kept = np.full((3, 32), 0.5)
    fits = fit_scan(half, thrown(50_000, kept, 3000, 4))
    spread = fits.expected[:, 1].std()
    before = 0.5 * fits.error[:, 0].mean()
    assert spread == pytest.approx(fits.error[:, 1].mean(), rel=0.05)
    assert fits.error[:, 1].mean() > 1.1 * before


def test_the_spectrum_before_selection_is_fitted_as_if_alone():
    counts = thrown(20_000, flat(), 20, 5)
    fits, asked = fit_scan(problem(20_000), counts), problem(20_000)
    free = np.zeros((1, 4))
    alone = refit(Problem(MODEL, MASK[None], ~MASK[None], asked.start, free, free), counts[:, :1])
    for name in ("expected", "error", "deviance"):
        np.testing.assert_allclose(getattr(fits, name)[:, 0], getattr(alone, name)[:, 0], rtol=1e-9)


def test_the_deviance_follows_chi2_with_many_events_and_tells_a_cubic():
    ndf = (~MASK).sum() - 3
    fits = fit_scan(problem(400_000), thrown(400_000, flat(), 400, 6))
    assert fits.deviance[:, 1].mean() == pytest.approx(ndf, abs=1.5)
    cubic = fit_scan(problem(400_000), thrown(400_000, flat(0.5 * X**3 - 0.3 * X), 50, 7))
    assert np.median(cubic.deviance[:, 1]) > np.quantile(fits.deviance[:, 1], 0.997)


def test_a_narrow_constraint_costs_less_error_and_is_not_biased_without_a_bend():
    counts, truth = thrown(50_000, flat(), 400, 8), (shape(50_000) * 0.01)[MASK].sum()
    wide, narrow = fit_scan(problem(50_000), counts), fit_scan(problem(50_000, 0.02), counts)
    assert np.all(narrow.error[:, 2] < 0.85 * wide.error[:, 2])
    pull = (narrow.expected[:, 2] - truth) / narrow.error[:, 2]
    assert abs(pull.mean()) < 0.2
    assert pull.std() == pytest.approx(1.0, abs=0.12)


def test_hidden_bins_are_neither_fitted_nor_tested():
    hidden = np.arange(32) >= 28
    counts = thrown(20_000, flat(), 1, 9)
    changed = counts + 50 * hidden
    one, two = (fit_scan(problem(20_000).hiding(hidden), each) for each in (counts, changed))
    np.testing.assert_array_equal(one.deviance, two.deviance)
    np.testing.assert_array_equal(one.theta, two.theta)


def test_one_selection_alone_is_fitted_as_among_the_others():
    counts, whole = thrown(20_000, flat(), 1, 10), problem(20_000)
    one = fit_scan(whole.only(0, 2), counts[:, [0, 2]])
    np.testing.assert_array_equal(one.expected, fit_scan(whole, counts).expected[:, [0, 2]])


def test_an_empty_selection_expects_little():
    counts = thrown(5_000, flat(), 1, 11)
    counts[:, 1:] = 0
    fits = fit_scan(problem(5_000), counts)
    assert fits.converged.all()
    assert np.all(fits.expected[0, 1:] < 0.5)
    assert np.all(np.isfinite(fits.error))
