"""The energy flow on deposits whose outcome can be worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from overdensity.simulation.cms_card import ECAL, HCAL
from overdensity.simulation.towers import (
    Calorimeter,
    Deposits,
    TowerGrid,
    energy_flow,
    log_normal,
)


def perfect(calorimeter: Calorimeter, sigma: float = 1e-6) -> Calorimeter:
    """Return the section with a resolution of its own."""
    return Calorimeter(
        calorimeter.name,
        calorimeter.grid,
        calorimeter.fraction,
        lambda energy, _eta: np.full_like(energy, sigma),
        calorimeter.energy_min,
        calorimeter.significance_min,
        calorimeter.neutral,
    )


def deposits(*rows: tuple[int, float, float, float]) -> Deposits:
    """Rows of event, eta, phi, energy."""
    event, eta, phi, energy = np.array(rows, dtype=float).reshape(-1, 4).T
    return Deposits(event.astype(np.int64), eta, phi, energy)


@pytest.mark.parametrize("grid", [ECAL.grid, HCAL.grid])
def test_a_direction_lies_within_its_tower(grid: TowerGrid) -> None:
    rng = np.random.default_rng(1)
    eta, phi = rng.uniform(-4.99, 4.99, 5000), rng.uniform(-np.pi, np.pi, 5000)
    tower = grid.find(eta, phi)
    assert tower.min() >= 0
    assert tower.max() < len(grid)
    low_eta, high_eta, low_phi, high_phi = grid.edges(tower)
    assert ((low_eta <= eta) & (eta <= high_eta)).all()
    assert ((low_phi <= phi + 1e-12) & (phi <= high_phi + 1e-12)).all()


def test_directions_beyond_the_grid_have_no_tower() -> None:
    assert ECAL.grid.find(np.array([5.01, -5.01]), np.zeros(2)).tolist() == [-1, -1]


def test_the_seam_in_phi_belongs_to_towers() -> None:
    assert (HCAL.grid.find(np.zeros(2), np.array([-np.pi, np.pi])) >= 0).all()


def test_log_normal_has_the_given_mean_and_width() -> None:
    draws = log_normal(np.full(200_000, 50.0), np.full(200_000, 10.0), np.random.default_rng(1))
    assert draws.mean() == pytest.approx(50.0, abs=4 * 10 / np.sqrt(200_000))
    assert draws.std() == pytest.approx(10.0, rel=0.02)
    assert draws.min() > 0


def test_log_normal_of_nothing_is_nothing() -> None:
    assert log_normal(np.zeros(3), np.ones(3), np.random.default_rng(1)).tolist() == [0, 0, 0]


def test_a_lone_photon_is_one_object_in_its_tower() -> None:
    flow = energy_flow(
        perfect(ECAL),
        deposits((7, 0.5, 1.0, 20.0)),
        deposits(),
        np.random.default_rng(1),
        track_resolution=np.empty(0),
    )
    photon = flow.neutrals
    assert len(photon) == 1
    assert photon.event[0] == 7
    assert photon.energy[0] == pytest.approx(20.0, abs=1e-4)
    assert ECAL.grid.find(photon.eta, photon.phi) == ECAL.grid.find(
        np.array([0.5]), np.array([1.0])
    )


def test_objects_are_spread_evenly_over_their_tower() -> None:
    n = 20_000
    flow = energy_flow(
        perfect(HCAL),
        Deposits(np.arange(n), np.full(n, 0.01), np.full(n, 0.01), np.full(n, 30.0)),
        deposits(),
        np.random.default_rng(2),
        track_resolution=np.empty(0),
    )
    eta = flow.neutrals.eta
    assert 0.0 <= eta.min() < eta.max() <= 0.087
    # A uniform distribution has the width over sqrt(12).
    assert eta.std() == pytest.approx(0.087 / np.sqrt(12), rel=0.02)


def test_towers_of_different_events_do_not_mix() -> None:
    flow = energy_flow(
        perfect(HCAL),
        deposits((0, 0.01, 0.01, 30.0), (1, 0.01, 0.01, 40.0), (1, 0.02, 0.02, 5.0)),
        deposits(),
        np.random.default_rng(3),
        track_resolution=np.empty(0),
    )
    assert flow.neutrals.event.tolist() == [0, 1]
    np.testing.assert_allclose(flow.neutrals.energy, [30.0, 45.0], atol=1e-4)


def test_excess_over_tracks_becomes_neutral_and_leaves_tracks_alone() -> None:
    flow = energy_flow(
        perfect(HCAL),
        deposits((0, 0.01, 0.01, 30.0), (0, 0.02, 0.02, 50.0)),
        deposits((0, 0.01, 0.01, 30.0)),
        np.random.default_rng(4),
        track_resolution=np.array([0.01]),
    )
    assert flow.neutrals.energy == pytest.approx([50.0], abs=1e-4)
    assert flow.track_scale.tolist() == [1.0]


def test_tracks_without_excess_are_scaled_to_the_weighted_mean() -> None:
    # Tower 40 ± 3, tracks 44 ± sqrt((0.1 × 24)² + (0.1 × 20)²): an inverse-variance mean.
    flow = energy_flow(
        Calorimeter(
            "exact but uncertain", HCAL.grid, HCAL.fraction, _uncertain_by_3(), 1.0, 1.0, 130
        ),
        deposits((0, 0.01, 0.01, 40.0)),
        deposits((0, 0.01, 0.01, 24.0), (0, 0.02, 0.02, 20.0)),
        np.random.default_rng(5),
        track_resolution=np.array([0.1, 0.1]),
    )
    variance = 2.4**2 + 2.0**2
    mean = (44.0 / variance + 40.0 / 9.0) / (1 / variance + 1 / 9.0)
    assert len(flow.neutrals) == 0
    np.testing.assert_allclose(flow.track_scale, mean / 44.0, rtol=1e-6)


def _uncertain_by_3():
    """Return a resolution that smears by nothing, then claims 3 GeV."""
    calls = []

    def width(energy: np.ndarray, _eta: np.ndarray) -> np.ndarray:
        calls.append(1)
        return np.full_like(energy, 1e-9 if len(calls) == 1 else 3.0)

    return width


@pytest.mark.parametrize(
    ("energy", "sigma", "kept"), [(0.49, 1e-6, 0), (0.51, 1e-6, 1), (5.0, 1e-6, 1)]
)
def test_ecal_drops_what_is_below_its_threshold(energy: float, sigma: float, kept: int) -> None:
    flow = energy_flow(
        perfect(ECAL, sigma),
        deposits((0, 0.01, 0.01, energy)),
        deposits(),
        np.random.default_rng(6),
        track_resolution=np.empty(0),
    )
    assert len(flow.neutrals) == kept


def test_insignificant_towers_are_dropped() -> None:
    n = 2000
    flow = energy_flow(
        ECAL,
        Deposits(np.arange(n), np.full(n, 0.005), np.full(n, 0.005), np.full(n, 0.7)),
        deposits(),
        np.random.default_rng(7),
        track_resolution=np.empty(0),
    )
    # sigma(0.7 GeV) = 0.41 GeV, and 2 sigma must be passed: every object is above 2 sigma(E).
    energy = flow.neutrals.energy
    assert 0 < len(energy) < n / 2
    assert (energy > 2 * ECAL.resolution(energy, np.full_like(energy, 0.0087))).all()


@pytest.mark.parametrize("calorimeter", [ECAL, HCAL])
def test_measured_energy_has_the_mean_and_width_of_the_card(calorimeter: Calorimeter) -> None:
    n, energy = 20_000, 200.0
    center = 0.5 * sum(
        edge[0]
        for edge in calorimeter.grid.edges(calorimeter.grid.find(np.array([0.02]), np.zeros(1)))[:2]
    )
    flow = energy_flow(
        calorimeter,
        Deposits(np.arange(n), np.full(n, 0.02), np.zeros(n), np.full(n, energy)),
        deposits(),
        np.random.default_rng(8),
        track_resolution=np.empty(0),
    )
    sigma = calorimeter.resolution(np.array([energy]), np.array([center]))[0]
    assert len(flow.neutrals) == n
    assert flow.neutrals.energy.mean() == pytest.approx(energy, abs=4 * sigma / np.sqrt(n))
    assert flow.neutrals.energy.std() == pytest.approx(sigma, rel=0.03)
