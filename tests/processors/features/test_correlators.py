"""Energy correlation functions against their definition and EnergyFlow."""

from __future__ import annotations

from itertools import combinations
from math import hypot, pi

import numpy as np
import pytest

from overdensity.processors.features.correlators import energy_correlators
from overdensity.processors.features.table import jet_features
from overdensity.processors.jets.constituents import FlatJets, flat_jets
from overdensity.processors.jets.momentum import cartesian, momenta


def make_jets(counts: list[int]) -> FlatJets:
    """Jets across φ = π, of massive particles."""
    rng = np.random.default_rng(7)
    n = sum(counts)
    phi = np.pi + rng.normal(0, 0.3, n)
    phi = np.arctan2(np.sin(phi), np.cos(phi))
    pt, mass = rng.exponential(20, n), rng.uniform(0, 1, n)
    return flat_jets(
        cartesian(momenta(pt, rng.normal(1, 0.3, n), phi, np.array(counts), mass=mass))
    )


def by_definition(places: np.ndarray, beta: float) -> tuple[float, float]:
    """The sums of arXiv:1305.0007, divided by the powers of the sum of pT."""
    pt, y, phi = places
    z = pt / sum(pt)

    def theta(i: int, j: int) -> float:
        dphi = abs(phi[i] - phi[j])
        return hypot(y[i] - y[j], min(dphi, 2 * pi - dphi)) ** beta

    particles = range(len(pt))
    e2 = sum(z[i] * z[j] * theta(i, j) for i, j in combinations(particles, 2))
    e3 = sum(
        z[i] * z[j] * z[k] * theta(i, j) * theta(i, k) * theta(j, k)
        for i, j, k in combinations(particles, 3)
    )
    return e2, e3


@pytest.mark.parametrize("beta", [0.5, 1.0, 2.0])
def test_correlators_are_as_defined(beta) -> None:
    jets = make_jets([12, 0, 1, 2, 3, 20])
    expected = [
        by_definition(jets.places[:, a:b], beta) if b > a else (0, 0)
        for a, b in zip(jets.offsets[:-1], jets.offsets[1:], strict=True)
    ]
    assert expected[3][0] > 0
    np.testing.assert_allclose(energy_correlators(jets, beta=beta), expected, rtol=1e-12, atol=0)


@pytest.mark.parametrize("beta", [1.0, 2.0])
def test_ratios_agree_with_energyflow(energyflow, beta) -> None:
    jets = make_jets([40, 3, 90, 7])
    e2, e3 = energy_correlators(jets, beta=beta).T
    particles = np.split(jets.places.T, jets.offsets[1:-1])
    settings = {"measure": "hadr", "beta": beta, "normed": True, "coords": "ptyphim"}
    # EnergyFlow sums over ordered particles: pairs count twice, triples six times.
    c2 = energyflow.C2(**settings).batch_compute(particles, n_jobs=1) * 2**2 / 6
    d2 = energyflow.D2(**settings).batch_compute(particles, n_jobs=1) * 2**3 / 6
    np.testing.assert_allclose(e3 / e2**2, c2, rtol=1e-10)
    np.testing.assert_allclose(e3 / e2**3, d2, rtol=1e-10)


def test_features_are_the_ratios_of_the_papers() -> None:
    pt, y, phi = np.array([50.0, 30, 20]), np.array([0.0, 0.4, 0.1]), np.array([0.0, 0.1, 0.5])
    jet = cartesian(momenta(pt, y, phi, np.array([3])))  # massless: rapidity is pseudorapidity
    names = ["e2", "e3", "c2", "d2", "c2_b2", "d2_b2"]
    columns = jet_features(names, jet, radius=1.0)
    e2, e3 = by_definition(np.stack([pt, y, phi]), 1.0)
    e2_b2, e3_b2 = by_definition(np.stack([pt, y, phi]), 2.0)
    expected = [e2, e3, e3 / e2**2, e3 / e2**3, e3_b2 / e2_b2**2, e3_b2 / e2_b2**3]
    np.testing.assert_allclose([columns[name][0] for name in names], expected, rtol=1e-6)


def test_particles_on_one_spot_correlate_to_nothing() -> None:
    jet = cartesian(momenta(np.full(4, 10.0), np.full(4, 0.3), np.full(4, 1.0), np.array([4])))
    columns = jet_features(["e2", "d2", "c2"], jet, radius=1.0)
    assert [column[0] for column in columns.values()] == [0, 0, 0]
