"""Where stable particles leave the tracker: straight lines and helices in a uniform field."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .particles import Particles

__all__ = ["Exit", "propagate"]

FloatArray = NDArray[np.float64]

# r [m] = pt [GeV] / (0.299792458 B [T]) for unit charge
_GEV_PER_TESLA_METRE = 0.299792458


class Exit(NamedTuple):
    """Direction of the exit point, and of the momentum at the point nearest to the beam line.

    All arrays have shape (n_particles,); angles as seen from the origin.
    """

    eta: FloatArray
    phi: FloatArray
    momentum_phi: FloatArray


def propagate(
    particles: Particles, *, radius: float, half_length: float, field: float
) -> tuple[Particles, Exit]:
    """Follow particles to the surface of the tracker's cylinder.

    The same geometry as the ``ParticlePropagator`` of Delphes (arXiv:1307.6346, section 2.1):
    a charged particle turns by at most the angle at which its helix first meets the barrel or an
    endcap; one that curls inside the barrel reaches an endcap.

    Parameters
    ----------
    particles : Particles
        Stable particles.
    radius, half_length : float
        Of the cylinder, metres.
    field : float
        Magnetic field along z, tesla.

    Returns
    -------
    Particles
        Those that start inside the cylinder and have transverse momentum.
    Exit
        Where they leave it.
    """
    inside = (
        (np.hypot(particles.x, particles.y) < radius)
        & (np.abs(particles.z) < half_length)
        & (particles.px**2 + particles.py**2 > 1e-9)
    )
    kept = particles.take(inside)
    x, y, z = np.empty((3, len(kept)))
    momentum_phi = np.arctan2(kept.py, kept.px)
    straight = kept.charge == 0 if field else np.ones(len(kept), dtype=bool)
    bent = ~straight

    x[straight], y[straight], z[straight] = _line(kept.take(straight), radius, half_length)
    x[bent], y[bent], z[bent], momentum_phi[bent] = _helix(
        kept.take(bent), radius, half_length, field
    )
    return kept, Exit(np.arcsinh(z / np.hypot(x, y)), np.arctan2(y, x), momentum_phi)


def _line(
    particles: Particles, radius: float, half_length: float
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Exit point of straight tracks, with the path in units of metres per GeV."""
    x, y, z = particles.x, particles.y, particles.z
    px, py, pz = particles.px, particles.py, particles.pz
    pt2 = px**2 + py**2
    along, across = x * px + y * py, x * py - y * px
    to_barrel = (np.sqrt(pt2 * radius**2 - across**2) - along) / pt2
    path = np.minimum(to_barrel, _to_endcap(z, pz, half_length))
    return x + px * path, y + py * path, z + pz * path


def _helix(
    particles: Particles, radius: float, half_length: float, field: float
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Exit point of bent tracks, and the azimuth of the momentum nearest to the beam line."""
    x, y, z = particles.x, particles.y, particles.z
    pt = np.hypot(particles.px, particles.py)
    phi = np.arctan2(particles.py, particles.px)
    curvature_radius = pt / (_GEV_PER_TESLA_METRE * field * particles.charge)  # signed
    turn_sign, bend = np.sign(curvature_radius), np.abs(curvature_radius)
    center_x = x + curvature_radius * np.sin(phi)
    center_y = y - curvature_radius * np.cos(phi)
    center = np.hypot(center_x, center_y)

    # On the helix |position|^2 = center^2 + r^2 + 2 r center cos(theta - psi), where the particle
    # starts at theta = -phi and turns by alpha = |theta + phi|.
    psi = np.arctan2(center_x, center_y)
    cosine = (radius**2 - center**2 - bend**2) / (2 * curvature_radius * center)
    opening = np.arccos(np.clip(cosine, -1.0, 1.0))
    alpha = np.minimum(
        np.mod(turn_sign * (psi + opening + phi), 2 * np.pi),
        np.mod(turn_sign * (psi - opening + phi), 2 * np.pi),
    )
    alpha = np.where(np.abs(cosine) <= 1.0, alpha, np.inf)
    dz_per_turn = particles.pz / pt * bend
    alpha = np.minimum(alpha, _to_endcap(z, dz_per_turn, half_length))

    theta = turn_sign * alpha - phi
    exit_x = center_x + curvature_radius * np.sin(theta)
    exit_y = center_y + curvature_radius * np.cos(theta)
    perigee_phi = np.arctan2(turn_sign * center_x, -turn_sign * center_y)
    return exit_x, exit_y, z + dz_per_turn * alpha, perigee_phi


def _to_endcap(z: FloatArray, slope: FloatArray, half_length: float) -> FloatArray:
    """Path at which z + slope path meets an endcap; very long for particles across the beam."""
    slope = np.where(np.abs(slope) < 1e-12, 1e-12, slope)
    return (np.copysign(half_length, slope) - z) / slope
