"""Mass, width and number of events of a peak."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import ndtr

from overdensity.core import FitError
from overdensity.stats import fit_resonance, log_edges
from overdensity.stats.spectra.functions import basis
from overdensity.stats.spectra.poisson import seed_theta

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
    for _ in range(60):
        peak = fit_resonance(
            EDGES, rng.poisson(expectation(1000, 150)), LOW, HIGH, function="dijet4"
        )
        if peak.valid and peak.mass_error and peak.n_signal_error:
            mass.append((peak.mass - 3500) / peak.mass_error)
            signal.append((peak.n_signal - 150) / peak.n_signal_error)
    assert len(mass) > 55
    for pulls in (mass, signal):
        assert abs(np.mean(pulls)) < 0.5
        assert 0.7 < np.std(pulls) < 1.35


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
