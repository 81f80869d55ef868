"""The event selection of the LHC Olympics: one hard jet, and the hardest objects of the event."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Self

import awkward as ak
import fastjet
import numpy as np
from numpy.typing import NDArray

from .particles import Objects
from .settings import Selection
from .truth import Partons, origin_of_jets

__all__ = ["MAX_OBJECTS", "Events", "leading_jets", "select"]

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
    pdg_id : NDArray[np.int16], shape (counts.sum(),)
        What the objects are taken for.
    origin : NDArray[np.int32], shape (n_events, 2)
        PDG code of what the two leading jets come from, see `truth.origin_of_jets`.
    prongs : NDArray[np.int8], shape (n_events, 2)
        Partons of it.
    weight : NDArray[np.float64], shape (n_events,)
        Of the generator.
    """

    counts: NDArray[np.int64]
    objects: NDArray[np.float32]
    pdg_id: NDArray[np.int16]
    origin: NDArray[np.int32]
    prongs: NDArray[np.int8]
    weight: NDArray[np.float64]

    def __len__(self) -> int:
        """Return the number of events."""
        return len(self.counts)

    def take(self, passing: NDArray[np.bool_]) -> Self:
        """Return some of the events, by a mask."""
        return self._rows(passing, np.repeat(passing, self.counts))

    def split(self, n: int) -> tuple[Self, Self]:
        """Return the first n events, and the others."""
        cut = int(self.counts[:n].sum())
        head = self._rows(slice(n), slice(cut))
        return head, self._rows(slice(n, None), slice(cut, None))

    def ordered(self, places: NDArray[np.integer[Any]]) -> Self:
        """Return the events in an order: at place i of the result the event ``places[i]``."""
        starts = np.cumsum(self.counts) - self.counts
        counts = self.counts[places]
        within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        return self._rows(places, np.repeat(starts[places], counts) + within)

    def _rows(self, events: Any, objects: Any) -> Self:
        """Return rows of the arrays of events, and of those of objects."""
        return type(self)(
            self.counts[events],
            self.objects[objects],
            self.pdg_id[objects],
            self.origin[events],
            self.prongs[events],
            self.weight[events],
        )

    @classmethod
    def concatenate(cls, parts: list[Events]) -> Self:
        """Put events one after another."""
        parts = [cls.empty(), *parts]
        return cls(
            **{
                name: np.concatenate([getattr(part, name) for part in parts])
                for name in cls.__dataclass_fields__
            }
        )

    @classmethod
    def empty(cls) -> Self:
        """Return no events."""
        return cls(
            np.empty(0, np.int64),
            np.empty((0, 3), np.float32),
            np.empty(0, np.int16),
            np.empty((0, 2), np.int32),
            np.empty((0, 2), np.int8),
            np.empty(0),
        )


def select(
    objects: Objects,
    n_events: int,
    selection: Selection,
    partons: Partons | None = None,
    jet: int | None = None,
    *,
    weight: NDArray[np.float64] | None = None,
) -> Events:
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
        Jet radius and thresholds.
    partons : Partons, optional
        Of the batch, to say what jets come from.
    jet : int, optional
        PDG code of what the leading jet has to come from, if the selection is of matched jets.
    weight : NDArray[np.float64], optional
        Of each event; 1 by default.

    Returns
    -------
    Events
        Those that pass.
    """
    events = _hardest(objects, n_events)
    if weight is not None:
        events = replace(events, weight=weight)
    pt, eta, phi = leading_jets(events, selection.jet_radius)
    passing = pt[:, 0] > selection.jet_pt_min
    if selection.jet_pt_max is not None:
        passing &= pt[:, 0] < selection.jet_pt_max
    if partons is not None:
        origin, prongs = origin_of_jets(partons, eta, phi, selection.jet_radius)
        events = replace(events, origin=origin, prongs=prongs)
        if selection.matched and jet is not None:
            passing &= origin[:, 0] == jet
    return events.take(passing)


def leading_jets(
    events: Events, radius: float
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return the two hardest anti-kT jets of each event (arXiv:0802.1189).

    Parameters
    ----------
    events : Events
        The events.
    radius : float
        Radius parameter.

    Returns
    -------
    pt, eta, phi : NDArray[np.float64], shape (n_events, 2)
        Transverse momentum in GeV, and direction; 0 and NaN where there is no jet.
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
    leading = np.zeros((len(events), 2))
    directions = np.full((2, len(events), 2), np.nan)
    if len(occupied):
        definition = fastjet.JetDefinition(fastjet.antikt_algorithm, radius)
        nested = ak.unflatten(momenta, events.counts[occupied])
        jets: Any = fastjet.ClusterSequence(nested, definition).inclusive_jets()
        counts = ak.num(jets.px).to_numpy()
        px, py, pz = (ak.flatten(jets[x]).to_numpy() for x in ("px", "py", "pz"))
        event = np.repeat(occupied, counts)
        jet_pt = np.hypot(px, py)
        order = np.lexsort((-jet_pt, event))
        rank = np.arange(len(event)) - np.repeat(np.cumsum(counts) - counts, counts)
        first = rank < 2
        rows, places = order[first], (event[order][first], rank[first])
        leading[places] = jet_pt[rows]
        directions[0][places] = np.arcsinh(pz[rows] / jet_pt[rows])
        directions[1][places] = np.arctan2(py[rows], px[rows])
    return leading, directions[0], directions[1]


def _hardest(objects: Objects, n_events: int) -> Events:
    """Order by event and decreasing pt, and cut at the places of the format."""
    order = np.lexsort((-objects.pt, objects.event))
    event = objects.event[order]
    counts = np.bincount(event, minlength=n_events)
    rank = np.arange(len(event)) - np.repeat(np.cumsum(counts) - counts, counts)
    kept = order[rank < MAX_OBJECTS]
    columns = [objects.pt[kept], objects.eta[kept], objects.phi[kept]]
    return Events(
        np.minimum(counts, MAX_OBJECTS),
        np.stack(columns, axis=1).astype(np.float32),
        objects.pdg_id[kept].astype(np.int16),
        np.zeros((n_events, 2), np.int32),
        np.zeros((n_events, 2), np.int8),
        np.ones(n_events),
    )
