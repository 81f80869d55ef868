"""What passes between generator, detector and selection: flat arrays over a whole batch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

__all__ = ["Objects", "Particles"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class Particles:
    """Stable generator particles of a batch of events; all arrays have shape (n_particles,).

    Attributes
    ----------
    event : NDArray[np.int64]
        Index of the event in the batch, not decreasing.
    pdg_id : NDArray[np.int64]
        Particle Data Group code.
    charge : NDArray[np.float64]
        Electric charge, units of e.
    px, py, pz, energy : NDArray[np.float64]
        Four-momentum, GeV.
    x, y, z : NDArray[np.float64]
        Production vertex, metres.
    """

    event: IntArray
    pdg_id: IntArray
    charge: FloatArray
    px: FloatArray
    py: FloatArray
    pz: FloatArray
    energy: FloatArray
    x: FloatArray
    y: FloatArray
    z: FloatArray

    def __len__(self) -> int:
        """Return the number of particles."""
        return len(self.event)

    def take(self, rows: NDArray[np.bool_] | IntArray) -> Self:
        """Return some of the particles, by mask or index."""
        return type(self)(**{name: values[rows] for name, values in vars(self).items()})


@dataclass(frozen=True)
class Objects:
    """Massless energy-flow objects of a batch of events; all arrays have shape (n_objects,).

    Attributes
    ----------
    event : NDArray[np.int64]
        Index of the event in the batch.
    pt : NDArray[np.float64]
        Transverse momentum, GeV.
    eta, phi : NDArray[np.float64]
        Direction; phi in (-pi, pi].
    pdg_id : NDArray[np.int64]
        What it is taken for: an electron or muon, a pion (charged hadrons), a photon, or a K0L
        (neutral hadrons).
    """

    event: IntArray
    pt: FloatArray
    eta: FloatArray
    phi: FloatArray
    pdg_id: IntArray

    def __len__(self) -> int:
        """Return the number of objects."""
        return len(self.event)

    @property
    def energy(self) -> FloatArray:
        """Energy in GeV."""
        return self.pt * np.cosh(self.eta)

    @classmethod
    def merge(cls, *parts: Objects) -> Self:
        """Put several collections into one, part after part."""
        return cls(
            event=np.concatenate([part.event for part in parts]),
            pt=np.concatenate([part.pt for part in parts]),
            eta=np.concatenate([part.eta for part in parts]),
            phi=np.concatenate([part.phi for part in parts]),
            pdg_id=np.concatenate([part.pdg_id for part in parts]),
        )
