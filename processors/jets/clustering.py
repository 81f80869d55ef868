"""Jets by FastJet, over whole arrays of events, and their kinematics."""

from __future__ import annotations

from typing import Any, NamedTuple

import awkward as ak
import fastjet
import numpy as np
from numpy.typing import NDArray

from ...core import InputError
from .momentum import Jagged

__all__ = ["Clustering", "cluster", "eta_phi", "invariant_mass", "kinematics"]

# FastJet would print its banner to the standard output of every process; docs/processors.md has
# the citations that it asks for.
fastjet.ClusterSequenceArea.set_fastjet_banner_stream(None)


class Clustering(NamedTuple):
    """The jets of many events, in order of falling pT.

    Attributes
    ----------
    jets : ak.Array, shape (n_events, var)
        Momentum4D with px, py, pz, E, in GeV.
    constituents : ak.Array, shape (n_events, var, var)
        The particles in the leading jets, Momentum4D.
    """

    jets: Jagged
    constituents: Jagged


def cluster(
    particles: ak.Array,
    *,
    radius: float = 1.0,
    min_pt: float = 0.0,
    n_constituents: int | None = 2,
) -> Clustering:
    """Cluster events with the anti-kT algorithm (Cacciari, Salam, Soyez, arXiv:0802.1189).

    FastJet holds some 60 kB an event until the result is gone, and the interpreter lock all the
    time: call it with a few thousand events, and run processes rather than threads.

    Parameters
    ----------
    particles : ak.Array, shape (n_events, var)
        Momentum4D with px, py, pz, E (`momentum.cartesian`); finite. Events may be empty.
    radius : float
        R of the algorithm.
    min_pt : float
        Softer jets are left out, in GeV.
    n_constituents : int or None
        For how many of the leading jets the constituents are returned; None: for all.

    Raises
    ------
    InputError
        If the radius is not positive.
    """
    if not radius > 0:
        msg = f"the jet radius is {radius}; it must be positive"
        raise InputError(msg)
    definition = fastjet.JetDefinition(fastjet.antikt_algorithm, radius)
    sequence: Any = fastjet.ClusterSequence(particles, definition)
    jets: Jagged = sequence.inclusive_jets(min_pt)
    order = ak.argsort(jets.px**2 + jets.py**2, axis=1, ascending=False)
    constituents: Jagged = sequence.constituents(min_pt)[order[:, :n_constituents]]
    return Clustering(jets[order], constituents)


def invariant_mass(*jets: ak.Array) -> NDArray[np.float64]:
    """Return the mass of the sum of some jets, in GeV; zero where rounding gives E² < p².

    Parameters
    ----------
    *jets : ak.Array, shape (n_events,)
        With px, py, pz, E.
    """
    px, py, pz, energy = (
        sum(ak.to_numpy(jet[name]) for jet in jets) for name in ("px", "py", "pz", "E")
    )
    return np.sqrt(np.maximum((energy - pz) * (energy + pz) - px * px - py * py, 0.0))


def eta_phi(jets: ak.Array) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return pseudorapidity and azimuth in (-π, π] of jets, shape (n_events,) each."""
    px, py, pz = (ak.to_numpy(jets[name]) for name in ("px", "py", "pz"))
    return np.arcsinh(pz / np.hypot(px, py)), np.arctan2(py, px)


def kinematics(jets: ak.Array) -> dict[str, NDArray[np.float64]]:
    """Return ``pt, eta, phi, mass`` of jets with px, py, pz, E; shape (n_jets,) each."""
    eta, phi = eta_phi(jets)
    pt = np.hypot(ak.to_numpy(jets["px"]), ak.to_numpy(jets["py"]))
    return {"pt": pt, "eta": eta, "phi": phi, "mass": invariant_mass(jets)}
