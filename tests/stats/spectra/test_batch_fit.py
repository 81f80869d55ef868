"""The batched fit against Minuit, and what happens with hardly any events."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from iminuit import Minuit
from scipy.integrate import quad, simpson
from scipy.special import ndtr

from overdensity.core.windows import log_edges
from overdensity.stats.spectra.batch_fit import Problem, fit_free, refit
from overdensity.stats.spectra.functions import basis
from overdensity.stats.spectra.poisson import Constraint, seed_theta
from overdensity.stats.spectra.spectrum import fit

EDGES = log_edges(2632, 6000, 32)


def dijet_density(mass):
    return (1 - mass / 13e3) ** 4 / (mass / 13e3) ** 3


SHAPE = np.array([quad(dijet_density, a, b)[0] for a, b in itertools.pairwise(EDGES)])
SHAPE /= SHAPE.sum()
MASK = (np.arange(32) >= 8) & (np.arange(32) < 14)


def problem(name: str, start: np.ndarray, constraint: Constraint | None = None) -> Problem:
    model = basis(name, EDGES)
    zero = np.zeros((1, start.size))
    return Problem(
        model,
        MASK[None],
        ~MASK[None],
        start[None],
        zero if constraint is None else constraint.center[None],
        zero if constraint is None else constraint.precision[None],
    )


@pytest.mark.parametrize("name", ["dijet3", "dijet4", "dijet5"])
@pytest.mark.parametrize("n", [3_000, 30_000, 1_000_000])
def test_the_batched_fit_agrees_with_minuit(name, n):
    counts = np.random.default_rng(n).poisson(n * SHAPE, (5, 1, 32))
    fits = refit(problem(name, seed_theta(basis(name, EDGES), n * SHAPE)), counts)
    assert fits.converged.all()
    for k in range(5):
        one = fit(EDGES, counts[k, 0], masked=MASK, function=name)
        # the fits stop a tenth of a permille of an error from the maximum; Minuit's covariance
        # is that of the observed, ours of the expected information
        assert fits.expected[k, 0] == pytest.approx(one.total, abs=1e-3 * one.total_error)
        assert fits.error[k, 0] == pytest.approx(one.total_error, rel=5e-3)
        assert fits.deviance[k, 0] == pytest.approx(one.chi2, rel=1e-5)


def test_the_constrained_fit_agrees_with_minuit_with_few_events():
    model = basis("dijet5", EDGES)
    wide = refit(problem("dijet5", seed_theta(model, 1e6 * SHAPE)), (1e6 * SHAPE)[None, None])
    center = wide.theta[0, 0] + np.log(6e-5) * np.eye(5)[0]
    constraint = Constraint(center, np.array([0.01, 1, 4, 16, 64]))
    counts = np.random.default_rng(7).poisson(60 * SHAPE, (10, 1, 32))
    fits = refit(problem("dijet5", center, constraint), counts)
    assert fits.converged.all()
    for k in range(10):
        one = fit(EDGES, counts[k, 0], masked=MASK, constraint=constraint)
        assert fits.expected[k, 0] == pytest.approx(one.total, abs=1e-3 * one.total_error)
        assert fits.error[k, 0] == pytest.approx(one.total_error, rel=2e-2)


@pytest.mark.parametrize("n", [2_000, 30_000, 1_000_000])
def test_pulls_of_the_expected_yield_are_standard(n):
    counts = np.random.default_rng(3).poisson(n * SHAPE, (4000, 1, 32))
    fits = refit(problem("dijet4", seed_theta(basis("dijet4", EDGES), n * SHAPE)), counts)
    pull = (fits.expected[:, 0] - n * SHAPE[MASK].sum()) / fits.error[:, 0]
    assert fits.converged.mean() > 0.999
    assert abs(pull.mean()) < 4 / np.sqrt(4000) + 0.05 * np.sqrt(2000 / n)
    assert abs(pull.std() - 1) < 0.05


def test_the_deviance_follows_chi2_with_many_events():
    counts = np.random.default_rng(4).poisson(1e6 * SHAPE, (3000, 1, 32))
    fits = refit(problem("dijet4", seed_theta(basis("dijet4", EDGES), 1e6 * SHAPE)), counts)
    ndf = (~MASK).sum() - 4
    assert fits.deviance.mean() == pytest.approx(ndf, abs=4 * np.sqrt(2 * ndf / 3000))
    assert fits.deviance.var() == pytest.approx(2 * ndf, rel=0.15)


def test_masked_bins_do_not_matter():
    counts = np.random.default_rng(5).poisson(1e4 * SHAPE, (1, 1, 32))
    changed = counts + 1000 * MASK
    start = seed_theta(basis("dijet4", EDGES), 1e4 * SHAPE)
    one, two = refit(problem("dijet4", start), counts), refit(problem("dijet4", start), changed)
    assert one.expected == two.expected
    assert one.deviance == two.deviance


def test_an_empty_spectrum_with_a_constraint_expects_little():
    model = basis("dijet5", EDGES)
    center = seed_theta(model, 10 * SHAPE)
    constraint = Constraint(center, np.array([0.01, 1, 4, 16, 64]))
    fits = refit(problem("dijet5", center, constraint), np.zeros((1, 1, 32)))
    assert fits.converged.all()
    assert 0 < fits.expected[0, 0] < 0.1
    assert fits.error[0, 0] > fits.expected[0, 0]


def test_a_fit_without_events_or_constraint_says_that_it_did_not_converge():
    start = seed_theta(basis("dijet4", EDGES), 1e3 * SHAPE)
    fits = refit(problem("dijet4", start), np.zeros((1, 1, 32)))
    assert not fits.converged.any() or fits.expected[0, 0] < 1e-6


def test_a_bad_start_is_recovered_from():
    counts = np.random.default_rng(6).poisson(3e4 * SHAPE, (1, 1, 32))
    good = seed_theta(basis("dijet4", EDGES), 3e4 * SHAPE)
    bad = good + np.array([8.0, -6.0, 4.0, 3.0])
    one, two = refit(problem("dijet4", good), counts), refit(problem("dijet4", bad), counts)
    assert two.converged.all()
    assert two.expected[0, 0] == pytest.approx(one.expected[0, 0], rel=1e-6)


@pytest.mark.parametrize("name", ["dijet3", "dijet4"])
def test_an_independent_likelihood_in_the_published_parameters_has_the_same_maximum(name):
    """Formula as printed, Simpson integrals, numerical gradient, Minuit from a distant start."""
    counts = np.random.default_rng(8).poisson(3e4 * SHAPE).astype(float)
    grid = np.linspace(EDGES[:-1], EDGES[1:], 9, axis=1)
    y, pivot = grid / 13e3, np.log(3700 / 13e3)

    def expected(p):
        log_y = np.log(y) - pivot  # about the middle of the range, or Minuit loses its way
        log_f = p[0] + p[1] * np.log1p(-y) - p[2] * log_y
        if len(p) == 4:
            log_f -= p[3] * log_y**2
        return simpson(np.exp(np.clip(log_f, -50, 50)), x=grid, axis=1)

    def loss(p):
        mean = expected(p)[~MASK]
        return 2 * (mean - counts[~MASK] * np.log(mean)).sum()

    minuit = Minuit(loss, np.array([4.0, 3.0, 3.0, 0.0])[: int(name[-1])])
    minuit.errordef, minuit.strategy, minuit.tol = 1.0, 2, 1e-4
    minuit.simplex().migrad(ncall=20_000)
    fits = refit(problem(name, seed_theta(basis(name, EDGES), 3e4 * SHAPE)), counts[None, None])
    total = expected(np.array(minuit.values))[MASK].sum()
    assert minuit.valid
    assert fits.expected[0, 0] == pytest.approx(total, abs=1e-2 * fits.error[0, 0])


def test_the_batched_strength_is_that_of_minuit_and_standard():
    rng = np.random.default_rng(21)
    peak = np.diff(ndtr((EDGES - 3500) / 150)) * 100
    counts = rng.poisson(3e4 * SHAPE + 2 * peak, (2000, 1, 32))
    start = np.r_[seed_theta(basis("dijet4", EDGES), 3e4 * SHAPE), 0.0]
    with_signal = replace(problem("dijet4", start), signal=peak[None])
    nothing = np.zeros((1, 32), dtype=bool)
    fits = refit(replace(with_signal, masked=nothing, tested=~nothing), counts)
    assert fits.converged.all()
    pulls = (fits.theta[:, 0, -1] - 2) / fits.strength_error[:, 0]
    assert abs(pulls.mean()) < 0.08
    assert np.std(pulls) == pytest.approx(1, abs=0.06)
    for k in range(5):
        one = fit(EDGES, counts[k, 0], signal=peak, function="dijet4")
        assert fits.theta[k, 0, -1] == pytest.approx(one.strength, abs=0.01 * one.strength_error)
        assert fits.strength_error[k, 0] == pytest.approx(one.strength_error, rel=0.05)
        assert fits.deviance[k, 0] == pytest.approx(one.chi2, abs=1e-3)


def test_without_a_signal_there_is_no_strength():
    counts = np.random.default_rng(22).poisson(3e4 * SHAPE, (1, 1, 32))
    start = seed_theta(basis("dijet4", EDGES), 3e4 * SHAPE)
    fits = refit(problem("dijet4", start), counts)
    assert fits.theta.shape == (1, 1, 4)
    assert np.isnan(fits.strength_error).all()


def test_free_fits_of_one_spectrum_are_those_of_each_set_of_bins():
    counts = np.random.default_rng(3).poisson(30_000 * SHAPE).astype(float)
    masked = np.stack([MASK, np.roll(MASK, 9)])
    both = fit_free(basis("dijet4", EDGES), counts, masked)
    for k, outside in enumerate(masked):
        one = fit(EDGES, counts, masked=outside, function="dijet4")
        assert both.expected[0, k] == pytest.approx(one.total, abs=1e-3 * one.total_error)
        assert both.deviance[0, k] == pytest.approx(one.chi2, rel=1e-5)
    blind = fit_free(
        basis("dijet4", EDGES), np.where(MASK, 0.0, counts), MASK[None], tested=masked[:1]
    )
    assert blind.expected[0, 0] == pytest.approx(both.expected[0, 0], rel=1e-6)
    assert blind.deviance[0, 0] == pytest.approx(2 * blind.expected[0, 0])  # the bins are empty
