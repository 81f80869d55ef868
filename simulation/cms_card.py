"""The numbers of the CMS card of Delphes 3.4.1.

Source: ``cards/delphes_card_CMS.tcl`` of Delphes 3.4.1 (de Favereau et al., arXiv:1307.6346), the
detector of the LHC Olympics (arXiv:2101.08320, section 2.1). Energies and momenta in GeV.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .towers import Calorimeter, TowerGrid

__all__ = [
    "ECAL",
    "ELECTRON",
    "HCAL",
    "INVISIBLE",
    "MUON",
    "STRANGE_NEUTRALS",
    "track_efficiency",
    "track_resolution",
]

FloatArray = NDArray[np.float64]

ELECTRON, MUON = 11, 13
ELECTROMAGNETIC = (11, 22, 111)
INVISIBLE = (12, 14, 16)  # neutrinos: neither tracks nor towers
STRANGE_NEUTRALS = (310, 3122)  # K0S and Lambda share their energy, 0.3 to 0.7
STRANGE_ECAL_FRACTION = 0.3


def track_efficiency(pdg_id: NDArray[np.int64], pt: FloatArray, eta: FloatArray) -> FloatArray:
    """Probability that a charged particle leaves a track.

    Parameters
    ----------
    pdg_id : NDArray[np.int64], shape (n_tracks,)
        PDG codes; electrons and muons have formulae of their own, all others are hadrons.
    pt : NDArray[np.float64], shape (n_tracks,)
        Transverse momentum, GeV.
    eta : NDArray[np.float64], shape (n_tracks,)
        Pseudorapidity of the point where the particle leaves the tracker.

    Returns
    -------
    NDArray[np.float64], shape (n_tracks,)
        Modules ``ChargedHadron-``, ``Electron-`` and ``MuonTrackingEfficiency`` of the card.
    """
    kind, barrel = np.abs(pdg_id), np.abs(eta) <= 1.5

    def by_region(in_barrel: float, in_endcap: float) -> FloatArray:
        return np.where(barrel, in_barrel, in_endcap)

    falling = np.exp(np.minimum(0.5 - 5e-4 * pt, 0.0))  # of muons above 1 TeV
    soft = np.select(
        [kind == ELECTRON, kind == MUON],
        [by_region(0.73, 0.50), by_region(0.75, 0.70)],
        by_region(0.70, 0.60),
    )
    hard = np.select(
        [kind == ELECTRON, kind == MUON],
        [
            np.where(pt > 100.0, by_region(0.99, 0.90), by_region(0.95, 0.83)),
            by_region(0.99, 0.98) * falling,
        ],
        by_region(0.95, 0.85),
    )
    inside = (pt > 0.1) & (np.abs(eta) <= 2.5)
    return np.where(inside, np.where(pt > 1.0, hard, soft), 0.0)


# sigma(pt)/pt = sqrt(a^2 + (b pt)^2): (a, b) for |eta| up to 0.5, 1.5 and 2.5.
_RESOLUTION = {
    "hadron": np.array([(0.06, 1.3e-3), (0.10, 1.7e-3), (0.25, 3.1e-3)]),
    "electron": np.array([(0.03, 1.3e-3), (0.05, 1.7e-3), (0.15, 3.1e-3)]),
    "muon": np.array([(0.01, 1.0e-4), (0.015, 1.5e-4), (0.025, 3.5e-4)]),
}


def track_resolution(pdg_id: NDArray[np.int64], pt: FloatArray, eta: FloatArray) -> FloatArray:
    """Relative resolution of a track's transverse momentum, never above 1.

    Parameters
    ----------
    pdg_id, pt, eta : NDArray, shape (n_tracks,)
        As in :func:`track_efficiency`.

    Returns
    -------
    NDArray[np.float64], shape (n_tracks,)
        sigma(pt)/pt of the ``*MomentumSmearing`` modules of the card (after arXiv:1405.6569).
    """
    region = np.searchsorted([0.5, 1.5], np.abs(eta))
    kind = np.abs(pdg_id)[:, None]
    terms = np.where(
        kind == ELECTRON,
        _RESOLUTION["electron"][region],
        np.where(kind == MUON, _RESOLUTION["muon"][region], _RESOLUTION["hadron"][region]),
    )
    return np.minimum(np.hypot(terms[:, 0], terms[:, 1] * pt), 1.0)


def _ecal_resolution(energy: FloatArray, eta: FloatArray) -> FloatArray:
    """Width in GeV; shape in eta from arXiv:1306.2016, in energy from arXiv:1502.02701."""
    eta = np.abs(eta)
    central = np.sqrt((0.008 * energy) ** 2 + 0.11**2 * energy + 0.40**2)
    forward = np.sqrt((0.107 * energy) ** 2 + 2.08**2 * energy)
    return np.where(
        eta <= 1.5,
        (1 + 0.64 * eta**2) * central,
        np.where(eta <= 2.5, (2.16 + 5.6 * (eta - 2) ** 2) * central, forward),
    )


def _hcal_resolution(energy: FloatArray, eta: FloatArray) -> FloatArray:
    """Width in GeV."""
    return np.where(
        np.abs(eta) <= 3.0,
        np.sqrt((0.050 * energy) ** 2 + 1.50**2 * energy),
        np.sqrt((0.130 * energy) ** 2 + 2.70**2 * energy),
    )


def _ecal_fraction(pdg_id: NDArray[np.int64]) -> FloatArray:
    """Share of a particle's energy that the electromagnetic calorimeter takes."""
    return np.where(
        np.isin(pdg_id, ELECTROMAGNETIC),
        1.0,
        np.where(np.isin(pdg_id, STRANGE_NEUTRALS), STRANGE_ECAL_FRACTION, 0.0),
    )


def _hcal_fraction(pdg_id: NDArray[np.int64]) -> FloatArray:
    """Share of a particle's energy that the hadronic calorimeter takes."""
    unseen = np.isin(pdg_id, (*ELECTROMAGNETIC, MUON, *INVISIBLE))
    return np.where(unseen, 0.0, 1.0 - _ecal_fraction(pdg_id))


def _ecal_grid() -> TowerGrid:
    """Crystals of 0.0174 x 1 degree up to |eta| = 2.958, then forward towers of 10 degrees."""
    central = 0.0174 * np.arange(-170, 171)
    forward = np.array([3.125, 3.3, 3.475, 3.65, 3.825, 4, 4.175, 4.35, 4.525, 4.7, 5])
    edges = np.concatenate([-forward[::-1], central, forward]).astype(np.float64)
    return TowerGrid(edges, np.where(np.abs(edges[1:] + edges[:-1]) < 2 * 2.958, 360, 36))


def _hcal_grid() -> TowerGrid:
    """Towers of 5 degrees up to |eta| = 1.653, 10 up to 4.525 and 20 up to 5."""
    barrel = 0.087 * np.arange(20)
    outer = [1.74, 1.83, 1.93, 2.043, 2.172, 2.322, 2.5, 2.65, 2.868, 2.95, 3.125, 3.3, 3.475]
    outer += [3.65, 3.825, 4, 4.175, 4.35, 4.525, 4.7, 5]
    positive = np.concatenate([barrel, outer])
    edges = np.concatenate([-positive[:0:-1], positive])
    center = np.abs(edges[1:] + edges[:-1]) / 2
    return TowerGrid(edges, np.select([center < 1.653, center < 4.525], [72, 36], 18))


ECAL = Calorimeter("ECAL", _ecal_grid(), _ecal_fraction, _ecal_resolution, 0.5, 2.0, neutral=22)
HCAL = Calorimeter("HCAL", _hcal_grid(), _hcal_fraction, _hcal_resolution, 1.0, 1.0, neutral=130)
