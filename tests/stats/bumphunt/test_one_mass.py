"""The bump hunt with a fitted background: finds a bump, and is quiet without one."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import ks_2samp, kstest

from overdensity.core.windows import log_edges
from overdensity.stats.bumphunt.engine import _Refit
from overdensity.stats.bumphunt.one_mass import bump_hunt, bump_hunt_given_reference
from overdensity.stats.bumphunt.regions import grid
from overdensity.stats.spectra.batch_fit import Problem, refit
from overdensity.stats.spectra.functions import basis
from overdensity.stats.spectra.poisson import Constraint, seed_theta
from overdensity.stats.spectra.spectrum import fit

EDGES = log_edges(2632, 6000, 40)
MIDDLE = (EDGES[1:] + EDGES[:-1]) / 2
SHAPE = (1 - MIDDLE / 13e3) ** 4 / (MIDDLE / 13e3) ** 3 * np.diff(EDGES)
SHAPE /= SHAPE.sum()


def resonance(mass: float, width: float, events: float) -> np.ndarray:
    """A Gaussian peak in each bin."""
    density = np.exp(-0.5 * ((MIDDLE - mass) / width) ** 2) * np.diff(EDGES)
    return events * density / density.sum()


def smallest_p(counts: np.ndarray, function: str, start: np.ndarray) -> np.ndarray:
    """Scan many spectra with a refit of each, as the pseudo-experiments are."""
    model = basis(function, EDGES)
    free = Constraint(np.zeros(model.n_parameters), np.zeros(model.n_parameters))
    scan = _Refit(model, grid((EDGES,), ((2, 7),), None).boxes, 1, 1, free)
    theta, converged = scan.everywhere(counts.astype(float), start, None)
    assert converged.all()
    return scan.scan(counts.astype(float), theta)[0]


def test_an_injected_bump_is_found_in_its_place():
    mean = 30_000 * SHAPE + resonance(3500, 100, 500)
    counts = np.random.default_rng(1).poisson(mean)
    result = bump_hunt(EDGES, counts, pseudo_experiments=200)
    low, high = result.interval[0]
    assert low < 3500 < high
    assert result.global_p.p_global < 0.01
    assert 250 < result.excess < 750
    assert result.z_local > 4
    assert result.failed == 0


def test_an_injected_hole_is_found_in_its_place():
    mean = 30_000 * SHAPE - resonance(4000, 100, 400)
    counts = np.random.default_rng(2).poisson(mean)
    result = bump_hunt(EDGES, counts, looking_for="deficit", pseudo_experiments=200)
    low, high = result.interval[0]
    assert low < 4000 < high
    assert result.global_p.p_global < 0.02
    assert result.excess < -150


def test_the_yield_is_that_of_a_fit_outside_the_interval():
    counts = np.random.default_rng(3).poisson(30_000 * SHAPE + resonance(3500, 100, 300))
    result = bump_hunt(EDGES, counts, pseudo_experiments=250)
    first, stop = result.bins[0]
    masked = (np.arange(40) >= first) & (np.arange(40) < stop)
    one = fit(EDGES, counts, masked=masked)
    assert result.expected == pytest.approx(one.total, abs=0.01 * one.total_error)
    assert result.expected_error == pytest.approx(one.total_error, rel=0.01)
    np.testing.assert_allclose(result.background, one.expected, rtol=1e-3)


@pytest.mark.parametrize(("function", "n"), [("dijet3", 500), ("dijet5", 30_000)])
def test_pseudo_experiments_about_a_fit_are_like_those_about_the_truth(function, n):
    """The smallest p-value must not depend on where the background really is."""
    start = seed_theta(basis(function, EDGES), n * SHAPE)
    data = np.random.default_rng(4).poisson(n * SHAPE, (400, 40))
    model = basis(function, EDGES)
    none, free = np.zeros((1, 40), dtype=bool), np.zeros((1, model.n_parameters))
    fitted = refit(
        Problem(model, none, ~none, start[None], free, free), data[:1, None].astype(float)
    )
    toys = np.random.default_rng(5).poisson(model.expected(fitted.theta[0, 0]), (400, 40))
    p = ks_2samp(smallest_p(data, function, start), smallest_p(toys, function, start)).pvalue
    assert p > 0.01


def test_a_reference_fitted_to_the_same_data_is_miscalibrated():
    """The fit follows the data, so nearly all of them look better than background should."""
    n, p_global = 30_000, []
    data = np.random.default_rng(6).poisson(n * SHAPE, (60, 40))
    model = basis("dijet5", EDGES)
    start = seed_theta(model, n * SHAPE)
    none, free = np.zeros((1, 40), dtype=bool), np.zeros((1, 5))
    fits = refit(Problem(model, none, ~none, start[None], free, free), data[:, None].astype(float))
    for counts, theta in zip(data, fits.theta[:, 0], strict=True):
        result = bump_hunt_given_reference(
            EDGES, counts, model.expected(theta), pseudo_experiments=250
        )
        p_global.append(result.global_p.p_global)
    assert kstest(p_global, "uniform").pvalue < 1e-4
    assert np.mean(p_global) > 0.65


def test_a_true_reference_gives_uniform_p_values():
    data = np.random.default_rng(7).poisson(3000 * SHAPE, (100, 40))
    p_global = [
        bump_hunt_given_reference(
            EDGES, counts, 3000 * SHAPE, pseudo_experiments=500, seed=seed
        ).global_p.p_global
        for seed, counts in enumerate(data)
    ]
    assert kstest(p_global, "uniform").pvalue > 0.01


def test_a_constraint_keeps_the_fit_of_a_nearly_empty_spectrum_finite():
    model = basis("dijet5", EDGES)
    center = seed_theta(model, 15 * SHAPE)
    constraint = Constraint(center, np.array([0.01, 1, 4, 16, 64]))
    counts = np.random.default_rng(8).poisson(15 * SHAPE)
    result = bump_hunt(EDGES, counts, constraint=constraint, pseudo_experiments=250)
    assert result.global_p.p_global > 0.01
    assert result.failed == 0


@pytest.mark.slow(seconds=25)
@pytest.mark.parametrize(("function", "n"), [("dijet5", 30_000), ("dijet3", 300)])
def test_global_p_values_with_a_refit_are_uniform(function, n, record_property):
    p_global = []
    for seed in range(60):
        counts = np.random.default_rng(1000 + seed).poisson(n * SHAPE)
        result = bump_hunt(EDGES, counts, function=function, pseudo_experiments=250, seed=seed)
        p_global.append(result.global_p.p_global)
    p = kstest(p_global, "uniform").pvalue
    record_property("ks", p)
    record_property("below_0.05", float(np.mean(np.array(p_global) < 0.05)))
    assert p > 0.01
    assert np.mean(np.array(p_global) < 0.05) < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 60)
