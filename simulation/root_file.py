"""Write simulated events as a ROOT tree, in the layouts ``flat`` and ``delphes`` of our own reader."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import awkward as ak
import numpy as np
import uproot
from numpy.typing import NDArray

from ..core import InputError
from ..core.identity import content_ids_of_lists
from ..core.records import atomic_file
from .selection import Events

__all__ = ["TreeWriter", "tree_writer"]

_TREES = {"flat": "events", "delphes": "Delphes"}
_LEPTON_PT_MIN = 10.0  # GeV
_ISOLATION_RADIUS = 0.3  # in η and φ
_ELECTRON, _MUON, _PHOTON = 11, 13, 22  # PDG codes


class TreeWriter:
    """An open ROOT file that holds events as a tree.

    Branches of the layout ``flat``, in the tree ``events``: the lists ``particles_pt``, ``_eta``,
    ``_phi`` (GeV; massless) and ``_charge``; of the electrons and muons above 10 GeV also
    ``leptons_pt``, ``_eta``, ``_phi``, ``_charge``, ``_pdg_id`` and ``_isolation``, the sum of pT of other
    particles within 0.3 over their own; ``event``, an id by content, as events of an ``.h5`` file have:
    files can be given together, and an event that is in two of them is noticed; ``weight``, where
    the generator gives some; ``jet_origin`` and ``jet_prongs`` of the two leading jets, see
    `truth.origin_of_jets`; ``process``, by its place in the recipe; and ``label``.

    Of the layout ``delphes``, in the tree ``Delphes``, as Delphes 3 names them: ``Event.Number`` and
    ``Event.Weight``; ``EFlowTrack``, ``EFlowPhoton`` and ``EFlowNeutralHadron``, all particles; and
    ``Electron`` and ``Muon`` above 10 GeV with ``IsolationVar``, which no cut was made on. It has no truth.

    Parameters
    ----------
    file : uproot.WritableDirectory
        The open file.
    truth : bool
        Whether labels, processes and what jets come from are written.
    layout : {"flat", "delphes"}
        Which branches there are.
    """

    def __init__(
        self, file: Any, *, truth: bool, layout: Literal["flat", "delphes"] = "flat"
    ) -> None:
        self._file = file
        self._truth = truth
        self._layout = layout
        self._rows = 0
        self._weighted = False

    def append(
        self, events: Events, process: NDArray[np.integer[Any]], label: NDArray[np.int8]
    ) -> None:
        """Write the next events, with the place of their process in the recipe and their labels.

        Raises
        ------
        InputError
            If these have generator weights and the first ones had none.
        """
        if self._layout == "delphes":
            number = np.arange(self._rows, self._rows + len(events))
            self._write(_of_delphes(events, number), ".", lambda name: f"{name}_size")
        else:
            self._write(self._flat(events, process, label), "_", lambda name: f"n{name}")
        self._rows += len(events)

    def _flat(
        self,
        events: Events,
        process: NDArray[np.integer[Any]],
        label: NDArray[np.int8],
    ) -> dict[str, Any]:
        branches = {
            "event": content_ids_of_lists(events.counts, *events.objects.T),
            "particles": _particles(events),
            "leptons": _leptons(events),
        }
        weighted = bool(np.any(events.weight != 1))
        self._weighted = self._weighted if self._rows else weighted
        if weighted and not self._weighted:
            msg = (
                "some processes of the recipe have generator weights, and the first events have none; "
                "simulate those with weights to a file of their own"
            )
            raise InputError(msg)
        if self._weighted:
            branches["weight"] = events.weight
        if self._truth:
            branches |= {
                "label": label.astype(np.int8),
                "process": process.astype(np.int16),
                "jet_origin": events.origin.astype(np.int32),
                "jet_prongs": events.prongs.astype(np.int8),
            }
        return branches

    def _write(self, branches: dict[str, Any], between: str, counter: Callable[[str], str]) -> None:
        """Add rows; names of lists and of their fields are joined by a character."""
        tree = _TREES[self._layout]
        if self._rows:
            self._file[tree].extend(branches)
            return
        self._file.mktree(
            tree,
            branches,
            counter_name=counter,
            field_name=lambda outer, inner: f"{outer}{between}{inner}" if outer else inner,
        )


@contextmanager
def tree_writer(
    path: Path, *, truth: bool = True, layout: Literal["flat", "delphes"] = "flat"
) -> Iterator[TreeWriter]:
    """Open a ROOT file for writing; it appears under its name only when it is complete.

    Parameters
    ----------
    path : Path
        The file; an existing one is replaced at the end.
    truth : bool
        Whether what the events are is written with them.
    layout : {"flat", "delphes"}
        Which branches there are, see `TreeWriter`.

    Yields
    ------
    TreeWriter
        To be given the events in order.
    """
    with atomic_file(path) as written, uproot.recreate(written) as file:
        yield TreeWriter(file, truth=truth, layout=layout)


def _of_delphes(events: Events, number: NDArray[np.int64]) -> dict[str, Any]:
    """Return the branches of Delphes."""
    particles: Any = _particles(events)
    leptons: Any = _leptons(events)
    kinds = ak.unflatten(events.pdg_id, events.counts)
    momentum = {"eta": "Eta", "phi": "Phi"}
    energy, charged = {"pt": "ET", **momentum}, {"pt": "PT", **momentum, "charge": "Charge"}
    of_leptons = {**charged, "isolation": "IsolationVar"}
    return {
        "Event": ak.unflatten(
            ak.zip({"Number": number, "Weight": events.weight.astype(np.float32)}),
            np.ones(len(events), np.int64),
        ),
        "EFlowTrack": _renamed(particles[particles.charge != 0], charged),
        "EFlowPhoton": _renamed(particles[kinds == _PHOTON], energy),
        "EFlowNeutralHadron": _renamed(
            particles[(particles.charge == 0) & (kinds != _PHOTON)], energy
        ),
        "Electron": _renamed(leptons[abs(leptons.pdg_id) == _ELECTRON], of_leptons),
        "Muon": _renamed(leptons[abs(leptons.pdg_id) == _MUON], of_leptons),
    }


def _renamed(objects: Any, names: dict[str, str]) -> ak.Array:
    return ak.zip({new: objects[old] for old, new in names.items()})


def _particles(events: Events) -> ak.Array:
    """Return all objects of the events."""
    pt, eta, phi = events.objects.T
    charge = np.where(np.isin(np.abs(events.pdg_id), (_ELECTRON, _MUON)), -1, 1) * np.sign(
        events.pdg_id
    )
    charge = np.where(np.isin(events.pdg_id, (_PHOTON, 130)), 0, charge).astype(np.int8)
    return ak.unflatten(ak.zip({"pt": pt, "eta": eta, "phi": phi, "charge": charge}), events.counts)


def _leptons(events: Events) -> ak.Array:
    """Return electrons and muons, with their isolation."""
    pt, eta, phi = events.objects.T.astype(np.float64)
    event = np.repeat(np.arange(len(events)), events.counts)
    starts = np.cumsum(events.counts) - events.counts
    kinds = np.abs(events.pdg_id)
    rows = np.flatnonzero(np.isin(kinds, (_ELECTRON, _MUON)) & (pt > _LEPTON_PT_MIN))
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
