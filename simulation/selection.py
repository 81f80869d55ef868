"""The event selection of the LHC Olympics: one hard jet, and the hardest objects of the event."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import awkward as ak
import fastjet
import numpy as np
from numpy.typing import NDArray

from .particles import Objects
from .settings import Selection

__all__ = ["MAX_OBJECTS", "Events", "leading_jet_pt", "select"]

MAX_OBJECTS = 700  # places of an event in the LHC Olympics format

# The banner is printed by C++ on the standard output, once in each worker; docs/ credit FastJet.
fastjet._swig.ClusterSequence.set_fastjet_banner_stream(None)  # noqa: SLF001 - no public way  # pyright: ignore[reportAttributeAccessIssue]


@dataclass(frozen=True)
class Events:
    """Events with objects in decreasing order of pt.

    Attributes
    ----------
    counts : NDArray[np.int64], shape (n_events,)
        Number of objects of each event.
    objects : NDArray[np.float32], shape (counts.sum(), 3)
        pt (GeV), eta and phi of the objects, event after event.
    """

    counts: NDArray[np.int64]
    objects: NDArray[np.float32]

    def __len__(self) -> int:
        """Return the number of events."""
        return len(self.counts)

    def split(self, n: int) -> tuple[Events, Events]:
        """Return the first n events, and the others."""
        cut = int(self.counts[:n].sum())
        return (
            Events(self.counts[:n], self.objects[:cut]),
            Events(self.counts[n:], self.objects[cut:]),
        )

    @classmethod
    def concatenate(cls, parts: list[Events]) -> Events:
        """Put events one after another."""
        return cls(
            np.concatenate([np.empty(0, np.int64), *(part.counts for part in parts)]),
            np.concatenate([np.empty((0, 3), np.float32), *(part.objects for part in parts)]),
        )


def select(objects: Objects, n_events: int, selection: Selection) -> Events:
    """Keep the hardest objects of each event, and the events with a hard jet.

    The jets are made of what will be written, in its precision, so that the selection holds
    exactly for whoever reads the file.

    Parameters
    ----------
    objects : Objects
        Energy-flow objects of a batch.
    n_events : int
        Events of the batch, of which some may have no object.
    selection : Selection
        Jet radius and threshold.

    Returns
    -------
    Events
        Those that pass.
    """
    events = _hardest(objects, n_events)
    passing = leading_jet_pt(events, selection.jet_radius) > selection.jet_pt_min
    return Events(events.counts[passing], events.objects[np.repeat(passing, events.counts)])


def leading_jet_pt(events: Events, radius: float) -> NDArray[np.float64]:
    """Return the pt in GeV of each event's hardest anti-kT jet (arXiv:0802.1189); 0 for no jet.

    Parameters
    ----------
    events : Events
        The events.
    radius : float
        Radius parameter.

    Returns
    -------
    NDArray[np.float64], shape (n_events,)
        Transverse momentum of the hardest jet.
    """
    pt, eta, phi = events.objects.T.astype(np.float64)
    momenta = ak.zip(
        {
            "px": pt * np.cos(phi),
            "py": pt * np.sin(phi),
            "pz": pt * np.sinh(eta),
            "E": pt * np.cosh(eta),
        },
        with_name="Momentum4D",
    )
    occupied = np.flatnonzero(events.counts)
    leading = np.zeros(len(events))
    if len(occupied):
        definition = fastjet.JetDefinition(fastjet.antikt_algorithm, radius)
        nested = ak.unflatten(momenta, events.counts[occupied])
        jets: Any = fastjet.ClusterSequence(nested, definition).inclusive_jets()
        leading[occupied] = ak.to_numpy(ak.max(np.hypot(jets.px, jets.py), axis=1))
    return leading


def _hardest(objects: Objects, n_events: int) -> Events:
    """Order by event and decreasing pt, and cut at the places of the format."""
    order = np.lexsort((-objects.pt, objects.event))
    event = objects.event[order]
    counts = np.bincount(event, minlength=n_events)
    rank = np.arange(len(event)) - np.repeat(np.cumsum(counts) - counts, counts)
    kept = order[rank < MAX_OBJECTS]
    columns = [objects.pt[kept], objects.eta[kept], objects.phi[kept]]
    return Events(np.minimum(counts, MAX_OBJECTS), np.stack(columns, axis=1).astype(np.float32))
