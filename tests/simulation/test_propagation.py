"""Exit points against plain geometry and against stepwise integration of the Lorentz force."""

from __future__ import annotations

import numpy as np
import pytest

from overdensity.simulation.particles import Particles
from overdensity.simulation.propagation import propagate

CYLINDER = {"radius": 1.29, "half_length": 3.0}


def particles(
    pt: np.ndarray, eta: np.ndarray, phi: np.ndarray, charge: np.ndarray, vertex: np.ndarray
) -> Particles:
    """Charged or neutral pions, one an event."""
    px, py, pz = pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta)
    return Particles(
        event=np.arange(len(pt)),
        pdg_id=np.full(len(pt), 211),
        charge=charge,
        px=px,
        py=py,
        pz=pz,
        energy=np.sqrt(px**2 + py**2 + pz**2 + 0.1396**2),
        x=vertex[:, 0],
        y=vertex[:, 1],
        z=vertex[:, 2],
    )


def random_particles(n: int, *, charge: float, seed: int = 1) -> Particles:
    """Soft and hard, central and forward, with displaced vertices."""
    rng = np.random.default_rng(seed)
    return particles(
        10 ** rng.uniform(-0.7, 1.0, n),
        rng.uniform(-2.5, 2.5, n),
        rng.uniform(-np.pi, np.pi, n),
        charge * rng.choice([-1.0, 1.0], n),
        rng.normal(0.0, 0.05, (n, 3)),
    )


def integrate(one: Particles, row: int, field: float) -> np.ndarray:
    """Follow dp/ds = q v x B in small steps to the surface; position in metres."""
    position = np.array([one.x[row], one.y[row], one.z[row]])
    momentum = np.array([one.px[row], one.py[row], one.pz[row]])
    size = np.linalg.norm(momentum)
    step = 5e-4
    # Exact rotation of each step; only the crossing of the surface is approximate.
    angle = -0.299792458 * one.charge[row] * field * step / size
    rotation = np.array(
        [[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]]
    )
    half = np.array(
        [
            [np.cos(angle / 2), -np.sin(angle / 2), 0],
            [np.sin(angle / 2), np.cos(angle / 2), 0],
            [0, 0, 1],
        ]
    )
    for _ in range(2_000_000):
        if np.hypot(*position[:2]) >= CYLINDER["radius"]:
            break
        if abs(position[2]) >= CYLINDER["half_length"]:
            break
        position = position + step * (half @ momentum) / size
        momentum = rotation @ momentum
    return position


def test_helix_agrees_with_stepwise_integration() -> None:
    charged = random_particles(15, charge=1.0)
    kept, exits = propagate(charged, field=3.8, **CYLINDER)
    assert len(kept) == 15
    for row in range(15):
        x, y, z = integrate(charged, row, 3.8)
        assert exits.phi[row] == pytest.approx(np.arctan2(y, x), abs=2e-3)
        assert exits.eta[row] == pytest.approx(np.arcsinh(z / np.hypot(x, y)), abs=2e-3)


def test_line_reaches_the_surface_along_the_momentum() -> None:
    neutral = random_particles(200, charge=0.0)
    _, exits = propagate(neutral, field=3.8, **CYLINDER)
    # On the surface either the radius or the length is known, and with it the point.
    in_barrel = np.abs(np.sinh(exits.eta)) * 1.29 < 3.0
    rho = np.where(in_barrel, 1.29, 3.0 / np.abs(np.sinh(exits.eta)))
    point = np.stack([rho * np.cos(exits.phi), rho * np.sin(exits.phi), rho * np.sinh(exits.eta)])
    path = point - np.stack([neutral.x, neutral.y, neutral.z])
    momentum = np.stack([neutral.px, neutral.py, neutral.pz])
    np.testing.assert_allclose(np.cross(path, momentum, axis=0), 0.0, atol=1e-9)
    assert (np.sum(path * momentum, axis=0) > 0).all()


def test_positive_particles_turn_clockwise_in_a_field_along_z() -> None:
    n = 50
    vertex = np.zeros((n, 3))
    pt, eta = np.linspace(2, 50, n), np.zeros(n)
    positive = particles(pt, eta, np.zeros(n), np.ones(n), vertex)
    _, exits = propagate(positive, field=3.8, **CYLINDER)
    # From the origin the chord to radius R of a circle of radius r turns by asin(R / 2r).
    expected = -np.arcsin(1.29 * 0.299792458 * 3.8 / (2 * pt))
    np.testing.assert_allclose(exits.phi, expected, atol=1e-12)
    np.testing.assert_allclose(exits.momentum_phi, 0.0, atol=1e-12)


def test_soft_particles_curl_to_the_endcaps() -> None:
    # r = pt / (0.3 B) must be above 1.29 m / 2 to reach the barrel: pt > 0.735 GeV.
    pt = np.array([0.5, 0.73, 0.74, 2.0])
    ones = np.ones(4)
    soft = particles(pt, 0.5 * ones, 0 * ones, ones, np.zeros((4, 3)))
    _, exits = propagate(soft, field=3.8, **CYLINDER)
    in_barrel = np.sinh(np.abs(exits.eta)) < 3.0 / 1.29 * (1 - 1e-9)
    assert in_barrel.tolist() == [False, False, True, True]


def test_straight_in_a_weak_field() -> None:
    charged = random_particles(50, charge=1.0)
    _, bent = propagate(charged, field=1e-4, **CYLINDER)
    _, straight = propagate(charged, field=0.0, **CYLINDER)
    # The chord to the barrel turns by R / 2r, here below 1.1e-4 for pt > 0.2 GeV; a few times
    # more towards the endcaps.
    np.testing.assert_allclose(bent.eta, straight.eta, atol=1e-3)
    np.testing.assert_allclose(np.cos(bent.phi - straight.phi), 1.0, atol=1e-6)


def test_particles_made_outside_or_along_the_beam_are_dropped() -> None:
    ones = np.ones(4)
    vertices = np.array([[0, 0, 0], [1.3, 0, 0], [0, 0, -3.1], [0, 0, 0]], dtype=float)
    made = particles(np.array([1.0, 1.0, 1.0, 1e-6]), 0 * ones, 0 * ones, ones, vertices)
    kept, _ = propagate(made, field=3.8, **CYLINDER)
    assert kept.event.tolist() == [0]
