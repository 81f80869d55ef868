"""Mass, width and number of events of a peak."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import ndtr

from overdensity.core import FitError
from overdensity.stats import fit_resonance, log_edges
from overdensity.stats.spectra.functions import basis
from overdensity.stats.spectra.poisson import Constraint, seed_theta

EDGES = log_edges(2632, 6000, 32)
CENTERS = np.sqrt(EDGES[1:] * EDGES[:-1])
_MODEL = basis("dijet4", EDGES)
SHAPE = _MODEL.expected(
    seed_theta(_MODEL, 1e6 * (1 - CENTERS / 13e3) ** 4 / (CENTERS / 13e3) ** 3 * np.diff(EDGES))
)
SHAPE /= SHAPE.sum()
LOW, HIGH = EDGES[8], EDGES[14]


def expectation(n_background, n_signal, mass=3500.0, width=140.0):
    return n_background * SHAPE + n_signal * np.diff(ndtr((EDGES - mass) / width))


def test_expected_counts_give_back_the_truth():
    peak = fit_resonance(EDGES, expectation(3000, 300), LOW, HIGH, function="dijet4")
    assert peak.valid
    assert peak.mass == pytest.approx(3500, abs=1)
    assert peak.width == pytest.approx(140, abs=1)
    assert peak.n_signal == pytest.approx(300, abs=2)


def test_pulls_are_standard():
    rng = np.random.default_rng(1)
    mass, signal = [], []
    for _ in range(40):
        peak = fit_resonance(
            EDGES, rng.poisson(expectation(1000, 150)), LOW, HIGH, function="dijet4"
        )
        if peak.valid and peak.mass_error and peak.n_signal_error:
            mass.append((peak.mass - 3500) / peak.mass_error)
            signal.append((peak.n_signal - 150) / peak.n_signal_error)
    assert len(mass) > 36
    for pulls in (mass, signal):
        assert abs(np.mean(pulls)) < 0.5
        assert 0.7 < np.std(pulls) < 1.35


def pulls_of_width(width, toys, seed=1):
    """Return pulls of mass and number of events in spectra with as narrow or broad a peak."""
    rng, pulls = np.random.default_rng(seed), []
    truth = np.array([3700.0, 300.0])
    background = 300 * SHAPE
    prior = Constraint(seed_theta(_MODEL, background), np.array([0.01, 1.0, 4.0, 16.0]))
    for _ in range(toys):
        counts = rng.poisson(background + 300 * np.diff(ndtr((EDGES / 3700 - 1) / width)))
        peak = fit_resonance(EDGES, counts, EDGES[10], EDGES[16], background=(_MODEL, prior))
        if peak.valid and peak.mass_error and peak.n_signal_error:
            found = np.array([peak.mass, peak.n_signal])
            pulls.append((found - truth) / [peak.mass_error, peak.n_signal_error])
    return np.array(pulls)


@pytest.mark.slow(seconds=40)
@pytest.mark.parametrize("width", [0.03, 0.06, 0.12])
def test_narrow_and_broad_peaks_have_standard_pulls(width):
    pulls = pulls_of_width(width, 200)
    assert len(pulls) >= 195
    assert np.all(np.abs(np.median(pulls, axis=0)) < 0.3)
    assert np.all(np.median(np.abs(pulls), axis=0) < 0.9)  # 0.67 for normal ones
    assert np.all((np.abs(pulls) > 3).mean(axis=0) < 0.12)  # at 12 %, where z is below 3


def test_a_broad_peak_has_its_mass_and_not_that_of_a_fluctuation():
    peak = fit_resonance(
        EDGES, expectation(3000, 3000, 3700.0, 0.12 * 3700), EDGES[10], EDGES[16], function="dijet4"
    )
    assert peak.mass == pytest.approx(3700, rel=0.01)
    assert peak.width / peak.mass == pytest.approx(0.12, abs=0.01)
    pulls = pulls_of_width(0.12, 12)
    assert np.mean(np.abs(pulls[:, 0]) < 3) > 0.8


def test_no_excess_has_no_significance():
    peak = fit_resonance(EDGES, expectation(3000, 0), LOW, HIGH, function="dijet4")
    assert peak.n_signal == pytest.approx(0, abs=3)
    assert peak.z < 0.1


def test_significance_grows_with_the_signal():
    z = [
        fit_resonance(EDGES, expectation(3000, n), LOW, HIGH, function="dijet4").z
        for n in (50, 100, 200)
    ]
    assert z[0] < z[1] < z[2]
    assert z[1] == pytest.approx(100 / np.sqrt(3000 * SHAPE[8:14].sum()), rel=0.5)


def test_no_events_are_refused():
    with pytest.raises(FitError, match="no events"):
        fit_resonance(EDGES, np.zeros(32), LOW, HIGH)
