from __future__ import annotations

import numpy as np
import pytest
from scipy.special import ndtr
from scipy.stats import kstest

from overdensity.stats import FitModel, count_patterns, z_of_p
from overdensity.stats.p_values.local import local_p
from overdensity.stats.reach.blind_background import BlindBackground, blind_background
from overdensity.stats.reach.signal_response import SignalResponse, gaussian_response
from overdensity.stats.reach.significances import (
    ScanToys,
    asimov_significances,
    scan_toys,
    toy_significances,
)
from overdensity.stats.search.pseudo_datasets import throw_masses
from overdensity.stats.search.statistical_step import statistical_step
from overdensity.stats.spectra.functions import basis

from ..conftest import EDGES, WINDOWS, dijet_density

MODEL, EFFICIENCIES, WINDOW = FitModel("dijet3"), (1.0, 0.1, 0.01), 4
MASS, EPS_S = float(np.sqrt(WINDOWS[WINDOW].prod())), (0.6, 0.3)


def background(n: float = 40_000, **options) -> BlindBackground:
    centers = np.sqrt(EDGES[1:] * EDGES[:-1])
    smooth = dijet_density(centers) * np.diff(EDGES)
    counts = np.round(n * smooth / smooth.sum())
    return blind_background(
        EDGES, counts, WINDOWS, WINDOW, EFFICIENCIES, model=MODEL, seed=1, **options
    )


@pytest.fixture(scope="module")
def seen() -> BlindBackground:
    return background()


@pytest.fixture(scope="module")
def signal() -> SignalResponse:
    return gaussian_response(EDGES, MASS, 0.03, EPS_S)


@pytest.fixture(scope="module")
def toys(seen: BlindBackground) -> ScanToys:
    return scan_toys(seen, n=1000, seed=1)


def test_asimov_significance_is_that_of_the_p_value_of_the_search(
    seen: BlindBackground, signal: SignalResponse
) -> None:
    fits, strength = seen.fits(), 300.0
    inside = strength * signal.at(strength)[0][:, seen.masked].sum(axis=1)
    p = local_p(fits.expected[0] + inside, fits.expected[0], fits.error[0])
    z = asimov_significances(seen, signal, [0.0, strength])
    assert z[0].tolist() == [0.0] * 3
    # the sidebands absorb a little of what lies outside the signal region
    assert np.all(z[1] < z_of_p(p))
    assert z[1] == pytest.approx(z_of_p(p), rel=0.2)


def test_a_signal_all_inside_loses_nothing(seen: BlindBackground) -> None:
    fits, narrow = seen.fits(), gaussian_response(EDGES, MASS, 0.001, EPS_S)
    inside = 200.0 * np.array([1.0, *EPS_S])
    p = local_p(fits.expected[0] + inside, fits.expected[0], fits.error[0])
    assert asimov_significances(seen, narrow, [200.0])[0] == pytest.approx(z_of_p(p), abs=0.01)


@pytest.mark.parametrize("strength", [100.0, 250.0])
def test_toys_agree_with_the_asimov_dataset(
    strength: float, seen: BlindBackground, signal: SignalResponse, toys: ScanToys
) -> None:
    z = toy_significances(seen, signal, strength, toys, n=1000, seed=2)
    expected = asimov_significances(seen, signal, [strength])[0]
    assert np.abs(np.median(z, axis=0) - expected).max() < 0.15  # three errors of a median


def test_without_signal_p_values_are_uniform_and_the_median_is_nothing(
    seen: BlindBackground, signal: SignalResponse, toys: ScanToys
) -> None:
    for of_selection in toys.p_local[:, :2].T:  # the third has few events, and steps
        assert kstest(of_selection, "uniform").pvalue > 0.01
    assert 0.02 < (toys.p_local < 0.05).mean() < 0.07
    z = toy_significances(seen, signal, 0.0, toys, n=500, seed=3)
    assert np.all(np.median(z, axis=0) < 0.1)
    assert z.min() == 0.0  # a deficit is none


def test_searches_of_events_read_on_average_what_is_expected(
    seen: BlindBackground, signal: SignalResponse
) -> None:
    """The power: whole statistical steps on events, of whose signal each selection keeps a part."""
    rng, strength, function = np.random.default_rng(5), 250, basis("dijet3", EDGES)
    found = []
    for _ in range(30):
        mass = throw_masses(function, seen.problem.start[0], rng.poisson(seen.expected.sum()), rng)
        n_signal = rng.poisson(strength)
        score = rng.random((mass.size, 10))
        levels = (score < 0.1) * 1 + (score < 0.01)
        score = np.repeat(rng.random((n_signal, 1)), 10, axis=1)
        of_signal = (score < EPS_S[0]) * 1 + (score < EPS_S[1])
        masses = np.r_[mass, rng.normal(MASS, 0.03 * MASS, n_signal)]
        patterns = count_patterns(masses, np.r_[levels, of_signal], EDGES)
        step = statistical_step(patterns, WINDOWS, EFFICIENCIES, model=MODEL)
        found.append(z_of_p(step.scan.p_local.reshape(10, 3)[WINDOW]))
    mean, error = np.mean(found, axis=0), np.std(found, axis=0) / np.sqrt(30)
    expected = asimov_significances(seen, signal, [float(strength)])[0]
    assert expected[2] > 5
    assert np.all(np.abs(mean - expected) < 3 * error + 0.05 * expected)


def test_signal_that_takes_the_place_of_background_is_seen_better(
    seen: BlindBackground, signal: SignalResponse, toys: ScanToys
) -> None:
    """A selection of 1 % keeps 400 events of 40 000; with 75 of signal, 325 of background are left."""
    fixed = SignalResponse(signal.strengths, signal.fractions, takes_place=True)
    plain, better = (asimov_significances(seen, each, [250.0])[0] for each in (signal, fixed))
    assert better[0] == plain[0]
    assert 1.03 < better[2] / plain[2] < 1.2
    z = toy_significances(seen, fixed, 250.0, toys, n=1000, seed=2)
    assert np.abs(np.median(z, axis=0) - better).max() < 0.15


def test_trainings_that_differ_widen_the_band(
    seen: BlindBackground, signal: SignalResponse, toys: ScanToys
) -> None:
    same = signal.at(0.0)[0]
    factor = np.array([0.4, 1.6])[:, None, None] * np.array([0, 1, 1])[:, None]
    differing = np.where(factor > 0, factor, 1.0) * same
    mixed = SignalResponse(np.zeros(1), differing[None])
    one, two = (
        toy_significances(seen, each, 200.0, toys, n=500, seed=1)[:, 2] for each in (signal, mixed)
    )
    assert np.std(two) > 1.3 * np.std(one)


def test_an_error_of_the_background_lowers_all(
    seen: BlindBackground, signal: SignalResponse
) -> None:
    wrong = background(spurious=np.full(10, 0.05))
    plain, lowered = (asimov_significances(each, signal, [300.0])[0] for each in (seen, wrong))
    assert np.all(lowered < plain)


def test_global_significance_is_below_the_local_one_and_rises(toys: ScanToys) -> None:
    z = toys.z_global([0.0, 3.0, 4.0, 5.0, 6.0])
    assert z[0] == 0.0
    assert np.all(np.diff(z) > 0)
    assert np.all(z[1:] < [3.0, 4.0, 5.0, 6.0])
    assert toys.z_global(toys.z_local(5.0)) == pytest.approx(5.0, abs=0.1)


def test_global_p_value_counts_the_trials(toys: ScanToys) -> None:
    """30 tests, of which nested selections and windows that overlap are correlated."""
    p_local, p_global = (float(ndtr(-z)) for z in (2.5, float(toys.z_global(2.5))))
    assert 8 < p_global / p_local < 30
