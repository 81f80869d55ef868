"""The scan on data."""

from __future__ import annotations

import numpy as np
import pytest

from overdensity.core import ConfigError, FitError, InputError
from overdensity.core.identity import splitmix64
from overdensity.stats import (
    FitModel,
    conformal_p,
    count_patterns,
    log_edges,
    selection_levels,
    subdivide,
)
from overdensity.stats.p_values.local import local_p, z_of_p
from overdensity.stats.search.scanning import scan
from overdensity.stats.search.statistical_step import statistical_step


@pytest.fixture(scope="module")
def made(box):
    return box(11)


@pytest.fixture(scope="module")
def patterns(made):
    return count_patterns(made.mass, made.levels, subdivide(made.edges, 2))


@pytest.fixture(scope="module")
def scanned(made, patterns):
    return scan(patterns, made.windows, made.efficiencies)


def test_observed_counts_are_those_of_the_events(made, scanned):
    for window, (low, high) in enumerate(made.windows):
        inside = (made.mass >= low) & (made.mass < high)
        for level in range(4):
            expected = (inside & (made.levels[:, window] >= level)).sum()
            assert scanned.observed.reshape(10, 4)[window, level] == expected


def test_all_fits_converge_and_describe_background(scanned):
    assert scanned.fits.converged.all()
    pull = (scanned.observed - scanned.fits.expected[0]) / np.hypot(
        scanned.fits.error[0], np.sqrt(scanned.fits.expected[0])
    )
    assert np.abs(pull).max() < 4


def test_the_fit_of_a_window_does_not_see_its_signal_region(made, patterns):
    model = FitModel(efficiency_prior=1.0)  # a measured one leaves out another region
    low, high = made.windows[3]
    inside = (made.mass >= low) & (made.mass < high)
    mass = np.concatenate([made.mass, made.mass[inside][:200]])
    levels = np.concatenate([made.levels, np.tile(np.eye(10, dtype=np.int8)[3] * 3, (200, 1))])
    one, more = (
        scan(each, made.windows, made.efficiencies, model=model)
        for each in (patterns, count_patterns(mass, levels, patterns.edges))
    )
    for k in range(12, 16):
        assert more.fits.expected[0, k] == pytest.approx(one.fits.expected[0, k], rel=1e-6)
        assert more.observed[k] == one.observed[k] + 200


def test_the_guard_is_fitted_but_not_tested(scanned):
    problem = scanned.problem
    for k in range(40):
        untested = np.flatnonzero(~problem.tested[k])
        masked = np.flatnonzero(problem.masked[k])
        assert untested.tolist() == list(range(masked[0] - 2, masked[-1] + 3))


def test_a_sculpting_selection_is_described(box):
    made = box(12, sculpting=2.0)
    scanned = scan(
        count_patterns(made.mass, made.levels, subdivide(made.edges, 2)),
        made.windows,
        made.efficiencies,
    )
    loose = scanned.counts.reshape(10, 4, -1)
    efficiency = loose[0, 1] / loose[0, 0]
    assert efficiency[-8:].mean() > 3 * efficiency[:8].mean()  # it does sculpt
    pull = (scanned.observed - scanned.fits.expected[0]) / np.hypot(
        scanned.fits.error[0], np.sqrt(scanned.fits.expected[0])
    )
    assert np.abs(pull).max() < 4
    tested = scanned.problem.tested.sum(axis=1) - 5
    assert np.all(scanned.fits.deviance[0] < tested + 5 * np.sqrt(2 * tested))


def test_a_spurious_signal_widens_the_background(made, patterns, scanned):
    fraction = np.linspace(0.0, 0.09, 10)
    wider = scan(patterns, made.windows, made.efficiencies, spurious=fraction)
    expected, error = wider.fits.expected[0], wider.fits.error[0]
    np.testing.assert_array_equal(expected, scanned.fits.expected[0])
    np.testing.assert_array_equal(wider.p_local[:4], scanned.p_local[:4])
    of_spectrum = np.repeat(fraction, 4)
    np.testing.assert_allclose(
        wider.p_local,
        local_p(wider.observed, expected, np.sqrt(error**2 + (of_spectrum * expected) ** 2)),
    )
    assert np.all(np.abs(z_of_p(wider.p_local)) <= np.abs(z_of_p(scanned.p_local)) + 0.05)


@pytest.mark.parametrize("bad", [[0.1], [-0.1] * 10, [np.nan] * 10])
def test_a_spurious_signal_is_one_fraction_a_window(made, patterns, bad):
    with pytest.raises(InputError, match="10 fractions"):
        scan(patterns, made.windows, made.efficiencies, spurious=bad)


def test_the_hidden_window_is_that_of_a_signal_whose_p_values_are_zero(box):
    """Two windows have p = 0, as of 38σ and more; the second holds the resonance."""
    strong = box(1, 100_000, n_signal=10_000, signal_mass=3400.0)
    events = count_patterns(strong.mass, strong.levels, subdivide(strong.edges, 2))
    found = scan(events, strong.windows, strong.efficiencies)
    p, log_p = (
        each.reshape(found.shape)[:, 1:].min(axis=1) for each in (found.p_local, found.log_p)
    )
    assert np.flatnonzero(p == 0).tolist() == [1, 2]
    assert found.hidden == log_p.argmin() == 2
    first = statistical_step(events, strong.windows, strong.efficiencies)
    assert first.hidden == 2


def test_windows_must_lie_on_edges(made, patterns):
    windows = made.windows.copy()
    windows[4, 1] += 10
    with pytest.raises(InputError, match="bin edges"):
        scan(patterns, windows, made.efficiencies)


def test_as_many_windows_as_the_events_know(made, patterns):
    with pytest.raises(InputError, match="9 windows"):
        scan(patterns, made.windows[:9], made.efficiencies)


def test_a_misspelt_function_is_refused(made, patterns):
    with pytest.raises(ConfigError, match="dijet"):
        scan(patterns, made.windows, made.efficiencies, model=FitModel("dijet6"))


@pytest.mark.parametrize("n", [0, 3])
def test_too_few_events_are_refused(made, patterns, n):
    few = count_patterns(made.mass[:n], made.levels[:n], patterns.edges)
    with pytest.raises(FitError, match="events between 2632 and 6000"):
        scan(few, made.windows, made.efficiencies)


def test_all_events_in_one_bin_are_refused(made, patterns):
    with pytest.raises(FitError, match="fill only"):
        scan(
            count_patterns(np.full(1000, 3000.0), made.levels[:1000], patterns.edges),
            made.windows,
            made.efficiencies,
        )


def test_a_score_of_two_values_encodes_no_mass():
    """Ties are broken at random: in the order of the masses they fake an excess of many sigma."""
    rng, edges = np.random.default_rng(15), log_edges(2632, 6000, 32)
    mass = np.sort(2632 * (1 - rng.random(40_000)) ** (-1 / 6))
    mass = mass[mass < edges[-1]]
    score = (rng.random(mass.size) < 0.2 + 0.2 * np.log(mass / 2632)).astype(float)
    folds, window = rng.integers(0, 5, mass.size), (edges[10], edges[16])

    def largest(events: np.ndarray) -> float:
        cut_on = -conformal_p(score, mass, folds, window=window, events=events)
        levels = selection_levels(cut_on, folds, (0.1, 0.01), events=events)
        fits = scan(count_patterns(mass, levels[:, None], edges), [window], (0.1, 0.01))
        return float(np.abs(z_of_p(fits.p_local[1:])).max())

    rows = np.arange(mass.size, dtype=np.uint64)
    assert largest(splitmix64(rows)) < 3
    assert largest(rows) > 7
