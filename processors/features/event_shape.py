"""Observables of whole events, for signals with more than two jets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from ..jets.constituents import flat_jets
from ..jets.momentum import Jagged, mass_of
from .cambridge import cambridge_aachen
from .declustering import recursive_soft_drop
from .n_subjettiness import n_subjettiness

__all__ = ["EventShape", "event_shape"]


class EventShape(NamedTuple):
    """Observables of whole events; zero for an event without particles.

    Attributes
    ----------
    ht : array, shape (n_events,)
        The scalar sum of the pT of all particles, in GeV.
    mass : array, shape (n_events,)
        The invariant mass of all particles, in GeV: that of the event as one jet.
    m_rsd : array, shape (n_events,)
        The mass of what recursive soft drop leaves of the event, in GeV.
    n_rsd : array of int, shape (n_events,)
        How many particles it leaves.
    tau : array, shape (n_events, n_columns)
        N-subjettiness of what it leaves; zero for N or fewer particles.
    """

    ht: NDArray[np.float64]
    mass: NDArray[np.float64]
    m_rsd: NDArray[np.float64]
    n_rsd: NDArray[np.int64]
    tau: NDArray[np.float64]


def event_shape(
    particles: ak.Array,
    n: Sequence[int] = (1, 2, 3, 4),
    *,
    z_cut: float = 0.15,
    beta: float = 0.7,
    radius: float = 1.0,
    threads: int = 1,
) -> EventShape:
    """Cluster each event into one jet, groom it, and describe what is left.

    All particles are clustered by Cambridge/Aachen with an infinite radius (what FastJet does with
    its largest), and groomed by recursive soft drop with infinitely many layers and the dynamic
    radius (`declustering.recursive_soft_drop`). The mass and N-subjettiness of the rest
    (`n_subjettiness`, β = 1) do not depend on the number of jets: arXiv:2609.00132
    searched Black Box 3 of the LHC Olympics, whose signal has two or three jets, by them, with
    z_cut = 0.15 and β = 0.7.

    Parameters
    ----------
    particles : ak.Array, shape (n_events, var)
        Momentum4D with px, py, pz, E, in GeV; pT above zero. Events may be empty.
    n : sequence of int
        The numbers of axes of N-subjettiness.
    z_cut, beta : float
        The condition of soft drop.
    radius : float
        R0 of the first splitting, by default that of FastJet-contrib, and of N-subjettiness.
    threads : int
        How many slices of the events are worked on at a time.

    Raises
    ------
    InputError
        If a number of axes or the radius is not positive, z_cut is negative, or a particle is not
        finite or has no pT.
    """
    flat = flat_jets(particles)
    trees = cambridge_aachen(flat, threads=threads)
    groomed = recursive_soft_drop(trees, z_cut=z_cut, beta=beta, radius=radius)
    rest: Jagged = particles[groomed.kept]
    return EventShape(
        ht=flat.total(flat.places[0]),
        mass=mass_of(*(flat.total(flat.momenta[i]) for i in range(4))),
        m_rsd=groomed.mass,
        n_rsd=ak.to_numpy(ak.num(rest, axis=1)),
        tau=n_subjettiness(rest, n, radius=radius, threads=threads),
    )
