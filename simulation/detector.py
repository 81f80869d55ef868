"""From stable particles to energy-flow objects: a parametrised CMS detector, a batch at a time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .cms_card import ECAL, HCAL, INVISIBLE, track_efficiency, track_resolution
from .particles import Objects, Particles
from .propagation import Exit, propagate
from .settings import DetectorSettings
from .towers import Deposits, energy_flow, log_normal

__all__ = ["detect"]


def detect(
    particles: Particles, rng: np.random.Generator, settings: DetectorSettings | None = None
) -> Objects:
    """Measure a batch of events.

    The chain of the CMS card of Delphes 3.4.1 (arXiv:1307.6346): propagation to the calorimeter,
    tracking efficiency, momentum smearing, energy flow in the ECAL, energy flow in the HCAL.

    Parameters
    ----------
    particles : Particles
        Stable particles; neutrinos may be among them and are not seen.
    rng : np.random.Generator
        Source of randomness.
    settings : DetectorSettings, optional
        The card's by default.

    Returns
    -------
    Objects
        Tracks, then photons, then neutral hadrons.
    """
    settings = settings or DetectorSettings()
    particles, exits = propagate(
        particles.take(~np.isin(np.abs(particles.pdg_id), INVISIBLE)),
        radius=settings.radius,
        half_length=settings.half_length,
        field=settings.field,
    )
    rows, pt, resolution = _track(particles, exits, rng, settings)
    # A track is massless, and keeps the direction it has at the beam line.
    tracked = particles.take(rows)
    eta = np.arcsinh(tracked.pz / np.hypot(tracked.px, tracked.py))
    energy = pt * np.cosh(eta)

    neutrals: list[Objects] = []
    for calorimeter, scale in (
        (ECAL, settings.ecal_resolution_scale),
        (HCAL, settings.hcal_resolution_scale),
    ):
        share = calorimeter.fraction(np.abs(particles.pdg_id))
        hits, charged = np.flatnonzero(share), np.flatnonzero(share[rows])
        flow = energy_flow(
            calorimeter,
            _deposits(particles, exits, hits, particles.energy[hits] * share[hits]),
            _deposits(particles, exits, rows[charged], energy[charged] * share[rows[charged]]),
            rng,
            track_resolution=resolution[charged],
            resolution_scale=settings.resolution_scale * scale,
        )
        pt[charged] *= flow.track_scale
        neutrals.append(flow.neutrals)
    tracks = Objects(tracked.event, pt, eta, exits.momentum_phi[rows], _taken_for(tracked))
    return Objects.merge(tracks, *neutrals)


def _taken_for(tracked: Particles) -> NDArray[np.int64]:
    """Return the PDG codes that tracks have: all that is no electron or muon is a pion."""
    is_lepton = np.isin(np.abs(tracked.pdg_id), (11, 13))
    return np.where(is_lepton, tracked.pdg_id, 211 * np.sign(tracked.charge).astype(np.int64))


def _deposits(
    particles: Particles, exits: Exit, rows: NDArray[np.int64], energy: NDArray[np.float64]
) -> Deposits:
    """Return energies at the points where particles leave the tracker."""
    return Deposits(particles.event[rows], exits.eta[rows], exits.phi[rows], energy)


def _track(
    particles: Particles, exits: Exit, rng: np.random.Generator, settings: DetectorSettings
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """Return the rows of tracked particles, their smeared pt and the relative resolution."""
    charged = np.flatnonzero(particles.charge)
    pt = np.hypot(particles.px[charged], particles.py[charged])
    eta, kind = exits.eta[charged], particles.pdg_id[charged]
    efficiency = settings.efficiency_scale * track_efficiency(kind, pt, eta)
    found = rng.uniform(size=len(charged)) < efficiency
    rows, pt, eta, kind = charged[found], pt[found], eta[found], kind[found]
    scale = settings.resolution_scale * settings.track_resolution_scale
    resolution = np.minimum(scale * track_resolution(kind, pt, eta), 1.0)
    return rows, log_normal(pt, resolution * pt, rng), resolution
