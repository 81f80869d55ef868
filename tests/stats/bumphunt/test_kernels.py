"""Compiled p-values against scipy, and the quick fit outside an interval against the whole one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from overdensity.core.windows import log_edges
from overdensity.stats.bumphunt.kernels import _log_p, scan_reference, scan_refitted
from overdensity.stats.bumphunt.regions import grid
from overdensity.stats.p_values.local import local_log_p, z_of_log_p
from overdensity.stats.spectra.batch_fit import Problem, refit
from overdensity.stats.spectra.functions import basis
from overdensity.stats.spectra.poisson import seed_theta

EDGES = log_edges(2632, 6000, 40)
MIDDLE = (EDGES[1:] + EDGES[:-1]) / 2 / 13e3
SHAPE = (1 - MIDDLE) ** 4 / MIDDLE**3 * np.diff(EDGES)
SHAPE /= SHAPE.sum()
INTERVALS = grid((EDGES,), ((2, 7),), None).boxes


# Below 1e-4 rounding in the auxiliary counts, 1 / relative², shows: 4e-6 of log p at 1e-6.
@given(st.integers(1, 3000), st.floats(0.01, 0.999), st.floats(1e-4, 1.5))
def test_an_excess_has_the_local_p_value(n, fraction, relative):
    b = n * fraction
    value = _log_p(float(n), b, (relative * b) ** 2, 1, np.inf)
    assert value == pytest.approx(float(local_log_p(n, b, relative * b)), rel=1e-7, abs=1e-7)


@given(st.integers(0, 500), st.floats(1.001, 5.0), st.integers(1, 2000))
def test_a_deficit_has_the_binomial_p_value_from_the_other_side(n, factor, n_off):
    b = (n + 0.1) * factor
    share = 1 / (1 + n_off / b)
    exact = stats.binom.logcdf(n, n + n_off, share)
    value = _log_p(float(n), b, b**2 / n_off, -1, np.inf)
    assert value == pytest.approx(float(exact), rel=1e-7, abs=1e-7)


def test_a_known_background_gives_poisson_on_both_sides():
    assert _log_p(15.0, 8.0, 0.0, 1, np.inf) == pytest.approx(stats.poisson.logsf(14, 8.0))
    assert _log_p(3.0, 8.0, 0.0, -1, np.inf) == pytest.approx(stats.poisson.logcdf(3, 8.0))
    assert _log_p(0.0, 8.0, 0.0, -1, np.inf) == pytest.approx(-8.0)


def test_what_is_no_excess_has_p_one():
    assert _log_p(8.0, 8.0, 1.0, 1, np.inf) == 0.0
    assert _log_p(20.0, 8.0, np.inf, 1, np.inf) == 0.0
    assert _log_p(3.0, 0.0, 0.0, 1, np.inf) == 0.0  # no background expected: as pyBumpHunter
    assert _log_p(9.0, 8.0, 1.0, -1, np.inf) == 0.0


def test_skipping_what_cannot_be_smallest_changes_nothing():
    rng = np.random.default_rng(1)
    for n, b in zip(rng.integers(20, 60, 200), rng.uniform(5, 50, 200), strict=True):
        exact = _log_p(float(n), b, 4.0, 1, np.inf)
        cut = _log_p(float(n), b, 4.0, 1, -5.0)
        assert cut == exact if exact < -5.0 else cut >= -5.0


def test_the_given_reference_scan_looks_at_every_interval():
    counts = np.random.default_rng(2).poisson(3000 * SHAPE, (20, 40)).astype(float)
    log_p, best = scan_reference(counts[:, :, None], 3000 * SHAPE[:, None], INTERVALS, 1, False)
    for e in range(20):
        p = [
            stats.poisson.logsf(counts[e, a:b].sum() - 1, 3000 * SHAPE[a:b].sum())
            for a, b, _, _ in INTERVALS
        ]
        assert best[e] == np.argmin(p)
        assert log_p[e] == pytest.approx(min(p), rel=1e-9)


@pytest.mark.parametrize(("name", "n"), [("dijet3", 300), ("dijet5", 3000), ("dijet5", 300_000)])
@pytest.mark.parametrize("bump", [0.0, 6.0])
def test_the_quick_fit_finds_what_a_fit_of_every_interval_finds(name, n, bump):
    model, mean = basis(name, EDGES), n * SHAPE
    signal = bump * np.sqrt(mean) * ((np.arange(40) >= 14) & (np.arange(40) < 18)) / 2
    counts = np.random.default_rng(n).poisson(mean + signal, (10, 40)).astype(float)
    free, none = np.zeros(model.n_parameters), np.zeros((1, 40), dtype=bool)
    start = seed_theta(model, mean)
    everywhere = refit(
        Problem(model, none, ~none, start[None], free[None], free[None]), counts[:, None]
    )
    masked = np.zeros((len(INTERVALS), 40), dtype=bool)
    for k, (a, b, _, _) in enumerate(INTERVALS):
        masked[k, a:b] = True
    many = np.tile(free, (len(INTERVALS), 1))
    each = refit(
        Problem(model, masked, ~masked, np.tile(start, (len(INTERVALS), 1)), many, many),
        np.repeat(counts[:, None], len(INTERVALS), axis=1),
    )
    observed = np.einsum("eb,kb->ek", counts, masked)
    z = z_of_log_p(local_log_p(observed, each.expected, each.error))
    z = np.where(observed > each.expected, z, -9.0)
    arrays = model.design, model.weights, free, free
    log_p, best, seen, expected, variance = scan_refitted(
        counts, everywhere.theta[:, 0], arrays, INTERVALS, 1, 1, 100
    )
    np.testing.assert_allclose(z_of_log_p(log_p), z.max(axis=1), atol=2e-3)
    np.testing.assert_array_equal(best, z.argmax(axis=1))
    row = np.arange(10)
    np.testing.assert_array_equal(seen, observed[row, best])
    np.testing.assert_allclose(expected, each.expected[row, best], rtol=1e-3)
    np.testing.assert_allclose(np.sqrt(variance), each.error[row, best], rtol=5e-3)


def test_a_spectrum_that_fixes_no_fit_has_no_excess():
    model, free = basis("dijet4", EDGES), np.zeros(4)
    counts = np.zeros((1, 40))
    counts[0, 10] = 50.0
    theta = seed_theta(model, 3000 * SHAPE)[None]
    arrays = model.design, model.weights, free, free
    log_p, _, _, _, variance = scan_refitted(counts, theta, arrays, INTERVALS, 1, 1, 20)
    assert log_p[0] == 0.0 or np.isfinite(variance[0])
