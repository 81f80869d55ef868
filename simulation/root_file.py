"""Write simulated events as a ROOT tree, in the layout ``flat`` of our own reader."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import uproot
from numpy.typing import NDArray

from ..core.records import atomic_path
from .selection import Events

__all__ = ["TreeWriter", "tree_writer"]

_TREE = "events"
_LEPTON_PT_MIN = 10.0  # GeV
_ISOLATION_RADIUS = 0.3  # in η and φ


class TreeWriter:
    """An open ROOT file that holds events as a tree.

    Its branches: the lists ``particles_pt``, ``_eta``, ``_phi`` (GeV; massless) and ``_charge``; of
    the electrons and muons above 10 GeV also ``leptons_pt``, ``_eta``, ``_phi``, ``_charge``,
    ``_pdg_id`` and ``_isolation``, the sum of pT of other particles within 0.3 over their own; ``event``, the
    number of the row; ``jet_origin`` and ``jet_prongs`` of the two leading jets, see
    `truth.origin_of_jets`; ``process``, by its place in the recipe; and ``label``.

    Parameters
    ----------
    file : uproot.WritableDirectory
        The open file.
    truth : bool
        Whether labels, processes and what jets come from are written.
    """

    def __init__(self, file: Any, *, truth: bool) -> None:
        self._file = file
        self._truth = truth
        self._rows = 0

    def append(
        self, events: Events, process: NDArray[np.integer[Any]], label: NDArray[np.int8]
    ) -> None:
        """Write the next events, with the place of their process in the recipe and their labels."""
        n = len(events)
        branches: dict[str, Any] = {
            "event": np.arange(self._rows, self._rows + n, dtype=np.uint64),
            "particles": _particles(events),
            "leptons": _leptons(events),
        }
        if self._truth:
            branches |= {
                "label": label.astype(np.int8),
                "process": process.astype(np.int16),
                "jet_origin": events.origin.astype(np.int32),
                "jet_prongs": events.prongs.astype(np.int8),
            }
        if self._rows:
            self._file[_TREE].extend(branches)
        else:
            self._file.mktree(_TREE, branches)
        self._rows += n


@contextmanager
def tree_writer(path: Path, *, truth: bool = True) -> Iterator[TreeWriter]:
    """Open a ROOT file for writing; it appears under its name only when it is complete.

    Parameters
    ----------
    path : Path
        The file; an existing one is replaced at the end.
    truth : bool
        Whether what the events are is written with them.

    Yields
    ------
    TreeWriter
        To be given the events in order.
    """
    with atomic_path(path) as temporary, uproot.recreate(temporary) as file:
        yield TreeWriter(file, truth=truth)


def _particles(events: Events) -> ak.Array:
    """Return all objects of the events."""
    pt, eta, phi = events.objects.T
    charge = np.where(np.isin(np.abs(events.pdg_id), (11, 13)), -1, 1) * np.sign(events.pdg_id)
    charge = np.where(np.isin(events.pdg_id, (22, 130)), 0, charge).astype(np.int8)
    return ak.unflatten(ak.zip({"pt": pt, "eta": eta, "phi": phi, "charge": charge}), events.counts)


def _leptons(events: Events) -> ak.Array:
    """Return electrons and muons, with their isolation."""
    pt, eta, phi = events.objects.T.astype(np.float64)
    event = np.repeat(np.arange(len(events)), events.counts)
    starts = np.cumsum(events.counts) - events.counts
    kinds = np.abs(events.pdg_id)
    rows = np.flatnonzero(np.isin(kinds, (11, 13)) & (pt > _LEPTON_PT_MIN))
    # every lepton beside every object of its event
    sizes = events.counts[event[rows]]
    lepton = np.repeat(np.arange(len(rows)), sizes)
    other = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    other += np.repeat(starts[event[rows]], sizes)
    difference = np.abs(phi[other] - phi[rows][lepton])
    distance = np.hypot(
        eta[other] - eta[rows][lepton], np.minimum(difference, 2 * np.pi - difference)
    )
    near = (distance < _ISOLATION_RADIUS) & (other != rows[lepton])
    around = np.bincount(lepton, weights=pt[other] * near, minlength=len(rows))
    fields = {
        "pt": pt[rows].astype(np.float32),
        "eta": eta[rows].astype(np.float32),
        "phi": phi[rows].astype(np.float32),
        "charge": -np.sign(events.pdg_id[rows]).astype(np.int8),
        "pdg_id": events.pdg_id[rows].astype(np.int32),
        "isolation": (around / pt[rows]).astype(np.float32),
        "identified": np.ones(len(rows), np.int8),
    }
    return ak.unflatten(ak.zip(fields), np.bincount(event[rows], minlength=len(events)))
