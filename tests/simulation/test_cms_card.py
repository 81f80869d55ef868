"""The card's formulae at points read off its text, and its towers."""

from __future__ import annotations

import numpy as np
import pytest

from overdensity.simulation.cms_card import ECAL, HCAL, track_efficiency, track_resolution


@pytest.mark.parametrize(
    ("pdg_id", "pt", "eta", "expected"),
    [
        (211, 0.1, 0.0, 0.0),
        (-211, 0.5, 1.5, 0.70),
        (321, 5.0, 0.3, 0.95),
        (2212, 0.5, 1.6, 0.60),
        (211, 5.0, -2.5, 0.85),
        (211, 5.0, 2.51, 0.0),
        (11, 0.5, 0.0, 0.73),
        (-11, 50.0, 0.0, 0.95),
        (11, 101.0, 0.0, 0.99),
        (11, 0.5, 2.0, 0.50),
        (11, 50.0, 2.0, 0.83),
        (11, 101.0, 2.0, 0.90),
        (13, 0.5, 0.0, 0.75),
        (-13, 100.0, 0.0, 0.99),
        (13, 2000.0, 0.0, 0.99 * np.exp(0.5 - 1.0)),
        (13, 0.5, 2.0, 0.70),
        (13, 100.0, 2.0, 0.98),
    ],
)
def test_track_efficiency(pdg_id: int, pt: float, eta: float, expected: float) -> None:
    found = track_efficiency(np.array([pdg_id]), np.array([pt]), np.array([eta]))
    assert found[0] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("pdg_id", "pt", "eta", "expected"),
    [
        (211, 10.0, 0.5, np.hypot(0.06, 0.013)),
        (211, 10.0, -1.5, np.hypot(0.10, 0.017)),
        (211, 10.0, 2.4, np.hypot(0.25, 0.031)),
        (11, 10.0, 0.2, np.hypot(0.03, 0.013)),
        (-13, 10.0, 1.0, np.hypot(0.015, 0.0015)),
        (211, 2000.0, 0.0, 1.0),  # 2.6 by the formula; the smearing is never above 1
    ],
)
def test_track_resolution(pdg_id: int, pt: float, eta: float, expected: float) -> None:
    found = track_resolution(np.array([pdg_id]), np.array([pt]), np.array([eta]))
    assert found[0] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("pdg_id", "ecal", "hcal"),
    [
        (22, 1.0, 0.0),
        (11, 1.0, 0.0),
        (211, 0.0, 1.0),
        (130, 0.0, 1.0),
        (2112, 0.0, 1.0),
        (310, 0.3, 0.7),
        (3122, 0.3, 0.7),
        (13, 0.0, 0.0),
        (14, 0.0, 0.0),
    ],
)
def test_energy_fractions(pdg_id: int, ecal: float, hcal: float) -> None:
    assert ECAL.fraction(np.array([pdg_id])) == pytest.approx(ecal)
    assert HCAL.fraction(np.array([pdg_id])) == pytest.approx(hcal)


@pytest.mark.parametrize(
    ("calorimeter", "energy", "eta", "expected"),
    [
        (ECAL, 100.0, 0.0, np.sqrt(0.8**2 + 1.1**2 + 0.4**2)),
        (ECAL, 100.0, 2.0, 2.16 * np.sqrt(0.8**2 + 1.1**2 + 0.4**2)),
        (ECAL, 100.0, -4.0, np.sqrt(10.7**2 + 20.8**2)),
        (HCAL, 100.0, 1.0, np.sqrt(5.0**2 + 15.0**2)),
        (HCAL, 100.0, 3.5, np.sqrt(13.0**2 + 27.0**2)),
    ],
)
def test_energy_resolution(calorimeter, energy: float, eta: float, expected: float) -> None:
    width = calorimeter.resolution(np.array([energy]), np.array([eta]))
    assert width[0] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("calorimeter", "eta", "n_phi", "edges"),
    [
        (ECAL, 0.01, 360, (0.0, 0.0174)),
        (ECAL, -2.95, 360, (-2.958, -2.9406)),
        (ECAL, 3.0, 36, (2.958, 3.125)),
        (ECAL, 4.99, 36, (4.7, 5.0)),
        (HCAL, 0.05, 72, (0.0, 0.087)),
        (HCAL, -1.6, 72, (-1.653, -1.566)),
        (HCAL, 1.7, 36, (1.653, 1.74)),
        (HCAL, 4.4, 36, (4.35, 4.525)),
        (HCAL, -4.6, 18, (-4.7, -4.525)),
    ],
)
def test_towers(calorimeter, eta: float, n_phi: int, edges: tuple[float, float]) -> None:
    tower = calorimeter.grid.find(np.array([eta]), np.array([0.01]))
    low_eta, high_eta, low_phi, high_phi = calorimeter.grid.edges(tower)
    assert (low_eta[0], high_eta[0]) == pytest.approx(edges, abs=1e-9)
    assert high_phi[0] - low_phi[0] == pytest.approx(2 * np.pi / n_phi)


def test_number_of_towers() -> None:
    # ECAL: 2 × 170 rings of 360 and 2 × 11 of 36; HCAL: 38 of 72, 2 × 19 of 36, 2 × 2 of 18.
    assert len(ECAL.grid) == 340 * 360 + 22 * 36
    assert len(HCAL.grid) == 38 * 72 + 38 * 36 + 4 * 18
