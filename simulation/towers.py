"""A calorimeter of towers, and the energy flow that combines it with tracks.

The logic is that of the ``SimpleCalorimeter`` of Delphes 3.4.1 (arXiv:1307.6346, section 2.3),
done for all towers of a batch of events at once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .particles import Objects

__all__ = ["Calorimeter", "Deposits", "EnergyFlow", "TowerGrid", "energy_flow", "log_normal"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


class TowerGrid:
    """Towers in eta rings, each ring cut into equal parts of the full circle.

    Parameters
    ----------
    eta_edges : NDArray[np.float64], shape (n_rings + 1,)
        Increasing.
    n_phi : NDArray[np.int64], shape (n_rings,)
        Number of towers of each ring.
    """

    def __init__(self, eta_edges: FloatArray, n_phi: IntArray) -> None:
        self.eta_edges = eta_edges
        self.n_phi = n_phi
        self.first = np.concatenate([[0], np.cumsum(n_phi)])

    def __len__(self) -> int:
        """Return the number of towers."""
        return int(self.first[-1])

    def find(self, eta: FloatArray, phi: FloatArray) -> IntArray:
        """Return the tower at each direction, and -1 outside the grid."""
        ring = np.searchsorted(self.eta_edges, eta) - 1
        outside = (ring < 0) | (ring >= len(self.n_phi))
        ring[outside] = 0
        n_phi = self.n_phi[ring]
        cell = np.clip(((phi + np.pi) * (n_phi / (2 * np.pi))).astype(np.int64), 0, n_phi - 1)
        return np.where(outside, -1, self.first[ring] + cell)

    def edges(self, tower: IntArray) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        """Return low and high eta, low and high phi of towers."""
        ring = np.searchsorted(self.first, tower, side="right") - 1
        width = 2 * np.pi / self.n_phi[ring]
        low_phi = (tower - self.first[ring]) * width - np.pi
        return self.eta_edges[ring], self.eta_edges[ring + 1], low_phi, low_phi + width


@dataclass(frozen=True)
class Calorimeter:
    """One section of the calorimeter.

    Attributes
    ----------
    name : str
        ``"ECAL"`` or ``"HCAL"``.
    grid : TowerGrid
        Its towers.
    fraction : callable
        ``fraction(|pdg_id|)``: the share of a particle's energy this section takes.
    resolution : callable
        ``resolution(energy, eta)``: standard deviation of a tower's energy, GeV.
    energy_min : float
        Towers and excesses below are dropped, GeV.
    significance_min : float
        Towers and excesses below this multiple of their uncertainty are dropped.
    neutral : int
        PDG code of what an excess is taken for.
    """

    name: str
    grid: TowerGrid
    fraction: Callable[[IntArray], FloatArray]
    resolution: Callable[[FloatArray, FloatArray], FloatArray]
    energy_min: float
    significance_min: float
    neutral: int


class Deposits(NamedTuple):
    """Energies that enter a calorimeter; all arrays have shape (n_deposits,)."""

    event: IntArray
    eta: FloatArray  # of the point of entry
    phi: FloatArray
    energy: FloatArray  # GeV


class EnergyFlow(NamedTuple):
    """The result of the energy flow in one calorimeter."""

    track_scale: FloatArray  # shape (n_tracks,): factors on the momenta of the given tracks
    neutrals: Objects  # excesses over the tracks


def energy_flow(
    calorimeter: Calorimeter,
    deposits: Deposits,
    tracks: Deposits,
    rng: np.random.Generator,
    *,
    track_resolution: FloatArray,
    resolution_scale: float = 1.0,
) -> EnergyFlow:
    """Fill towers, smear them, and compare each with the tracks that point to it.

    A significant excess of the tower over its tracks becomes a neutral object at a random point of
    the tower; otherwise the tracks of the tower are scaled to the weighted mean of both
    measurements.

    Parameters
    ----------
    calorimeter : Calorimeter
        Which section.
    deposits : Deposits
        What the particles leave in this section.
    tracks : Deposits
        The energies that the tracks of some of these particles predict.
    rng : np.random.Generator
        Source of randomness.
    track_resolution : NDArray[np.float64], shape (n_tracks,)
        Relative resolution of the tracks' momenta.
    resolution_scale : float
        Factor on the energy resolution.

    Returns
    -------
    EnergyFlow
        Track factors and neutral objects.
    """
    grid = calorimeter.grid
    hit_tower, track_tower = (grid.find(part.eta, part.phi) for part in (deposits, tracks))
    hit, met = hit_tower >= 0, track_tower >= 0
    n_hits = int(hit.sum())
    keys, tower_of = np.unique(
        np.concatenate(
            [
                deposits.event[hit] * len(grid) + hit_tower[hit],
                tracks.event[met] * len(grid) + track_tower[met],
            ]
        ),
        return_inverse=True,
    )

    def summed(tower_of: IntArray, values: FloatArray) -> FloatArray:
        # Of no values at all, bincount makes integers.
        return np.bincount(tower_of, weights=values, minlength=len(keys)).astype(np.float64)

    deposit = summed(tower_of[:n_hits], deposits.energy[hit])
    charged = summed(tower_of[n_hits:], tracks.energy[met])
    charged_variance = summed(tower_of[n_hits:], (tracks.energy * track_resolution)[met] ** 2)

    tower_event, tower = np.divmod(keys, len(grid))
    low_eta, high_eta, low_phi, high_phi = grid.edges(tower)
    eta = 0.5 * (low_eta + high_eta)
    measured, sigma = _measured(calorimeter, deposit, eta, rng, resolution_scale)
    excess = np.maximum(measured - charged, 0.0)
    neutral = (excess > calorimeter.energy_min) & (
        excess > calorimeter.significance_min * np.sqrt(charged_variance + sigma**2)
    )
    object_eta = rng.uniform(low_eta[neutral], high_eta[neutral])
    object_phi = rng.uniform(low_phi[neutral], high_phi[neutral])
    neutrals = Objects(
        event=tower_event[neutral],
        pt=excess[neutral] / np.cosh(object_eta),
        eta=object_eta,
        phi=object_phi,
        pdg_id=np.full(len(object_eta), calorimeter.neutral),
    )

    with np.errstate(divide="ignore", invalid="ignore"):
        # The weighted mean of both over the tracks alone; a tower with sigma = 0 has no weight.
        mean = (charged * sigma**2 + measured * charged_variance) / (sigma**2 + charged_variance)
        scale = np.where(neutral | (sigma == 0) | (charged == 0), 1.0, mean / charged)
    track_scale = np.ones(len(tracks.event))
    track_scale[met] = scale[tower_of[n_hits:]]
    return EnergyFlow(track_scale, neutrals)


def _measured(
    calorimeter: Calorimeter,
    deposit: FloatArray,
    eta: FloatArray,
    rng: np.random.Generator,
    resolution_scale: float,
) -> tuple[FloatArray, FloatArray]:
    """Return the smeared energies of towers, zero below the thresholds, and their resolution."""

    def width(energy: FloatArray) -> FloatArray:
        return resolution_scale * calorimeter.resolution(energy, eta)

    measured = log_normal(deposit, width(deposit), rng)
    sigma = width(measured)
    seen = (measured >= calorimeter.energy_min) & (measured >= calorimeter.significance_min * sigma)
    return np.where(seen, measured, 0.0), sigma


def log_normal(mean: FloatArray, sigma: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Draw from log-normal distributions with given means and standard deviations.

    Parameters
    ----------
    mean, sigma : NDArray[np.float64], shape (n,)
        Mean and standard deviation of the draws; a mean of zero gives zero.
    rng : np.random.Generator
        Source of randomness.

    Returns
    -------
    NDArray[np.float64], shape (n,)
        One draw for each.
    """
    positive = mean > 0
    safe = np.where(positive, mean, 1.0)
    variance = np.log1p((sigma / safe) ** 2)
    draws = np.exp(np.log(safe) - 0.5 * variance + np.sqrt(variance) * rng.normal(size=len(mean)))
    return np.where(positive, draws, 0.0)
