"""How a kind of file is described, and how its branches become the events that processors read.

A `Layout` names the tree and the branches; `Layout.normal` turns arrays of these branches into
records, the same for all formats: the collections asked for (``var * Momentum4D`` of float64
``pt, eta, phi, mass`` in GeV, and the extras that the file has, in the order of the file),
``event`` (uint64), and where the file has them ``weight`` (float64, of the generator), ``label``
(int8) and, if asked for, ``rho`` (float64, GeV). The known kinds are in `known_layouts`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from ...core import InputError
from ...core.identity import content_ids_of_lists, integer_digest, mix64, splitmix64
from ..jets.momentum import Jagged
from .branches import (
    Branch,
    Branches,
    ObjectBranches,
    Quantity,
    described,
    integers,
    joined,
    per_event,
    spelled,
    spellings,
)
from .chunks import FINGERPRINT_EVENTS, Chunk, content_identity
from .schemas import find_branches

__all__ = ["COLLECTIONS", "Layout", "View"]

COLLECTIONS = (
    "particles",
    "raw_particles",
    "fat_jets",
    "jets",
    "gen_fat_jets",
    "gen_jets",
    "leptons",
)


@dataclass(frozen=True)
class Layout:
    """Where everything is in one kind of file.

    Attributes
    ----------
    name : str
        What it is called in messages and settings.
    trees : tuple of str
        Names of the tree: the first that a ROOT file has. Parquet files have none.
    collections : mapping of str to tuple of ObjectBranches
        Where each collection is; several lists are put one after the other. The first one that a
        file has is that by which a file without event numbers is recognised.
    event : str or tuple of str, or None
        A 64-bit id of the event, taken as it is where the file has it.
    numbers : tuple of branches
        Run, luminosity block and event number, or the last of them, of which the id is made. Without
        them it is made of the particles or jets of the event (`named_by`).
    channel : str or tuple of str, or None
        Number of the simulated process, where the file has it: events of different processes can
        share the other numbers.
    weight, label, rho : Quantity or None
        Weight of the generator; truth (0 or 1); median density of pile-up, in GeV.
    sum_weights : tuple of str and branch, or None
        Tree and branch with the sums of generator weights before any skim.

    Examples
    --------
    >>> jets = ObjectBranches("jet_pt", "jet_eta", "jet_phi", mass="jet_m")
    >>> layout = Layout("own", trees=("t",), collections={"jets": (jets,)}, numbers=("number",))
    >>> branches = {f"jet_{x}": ak.Array([[40.0], []]) for x in ("pt", "eta", "phi", "m")}
    >>> branches["number"] = ak.Array([7, 8])
    >>> layout.missing(branches, ["jets"])
    []
    >>> events = layout.normal(branches, ["jets"])
    >>> events.jets.pt.tolist(), len(set(events.event.tolist()))
    ([[40.0], []], 2)
    """

    name: str
    trees: tuple[str, ...]
    collections: Mapping[str, tuple[ObjectBranches, ...]]
    event: Branch | None = None
    numbers: tuple[Branch, ...] = ()
    channel: Branch | None = None
    weight: Quantity | None = None
    label: Quantity | None = None
    rho: Quantity | None = None
    sum_weights: tuple[str, Branch] | None = None

    def settings(self) -> dict[str, Any]:
        """Return the layout as plain JSON values: what events depend on."""
        return dataclasses.asdict(self)

    def branches(self, collections: Sequence[str]) -> frozenset[str]:
        """Return all names of the branches that are read for some collections."""
        wanted: list[Branch] = [*self.numbers]
        wanted += [x for x in (self.event, self.channel) if x is not None]
        wanted += [q.branch for q in (self.weight, self.label) if q is not None]
        for name in collections:
            if name == "rho":
                wanted += [] if self.rho is None else [self.rho.branch]
            else:
                for objects in self.collections.get(name, ()):
                    wanted += [*objects.required, *objects.optional]
        return frozenset(x for branch in wanted for x in spellings(branch) if isinstance(x, str))

    def to_read(self, there: Collection[str], collections: Sequence[str]) -> frozenset[str]:
        """Return what to read of a file with these branches: some collections, and what names events."""
        names = self.branches(collections)
        return names if self.numbered(there) else names | self.branches(self.named_by(there))

    def readable(self, collections: Sequence[str]) -> frozenset[str]:
        """Return all that `to_read` may ask of a file of this kind."""
        return self.branches(collections if self.numbers else (*self.collections, *collections))

    def named_by(self, there: Collection[str]) -> tuple[str, ...]:
        """Return the collections whose pt, eta and phi make the ids of events without numbers.

        They are the particles where a file with these branches has them, else all jets and leptons
        that it has, whatever a processor reads: channels of one file know their events in common.
        """
        available = self.available(there)
        particles = [name for name in available if name.endswith("particles")]
        measured = [name for name in available if not name.startswith("gen_")]
        return tuple(particles[:1] or measured) or available

    def missing(self, there: Collection[str], collections: Sequence[str]) -> list[str]:
        """Return what a file with these branches lacks of the collections, in words."""
        lacks = [described(branch) for branch in self.numbers if spelled(branch, there) is None]
        for name in collections:
            if name == "rho" and self.rho is not None:
                needed: list[Branch] = [self.rho.branch]
            elif name in self.collections:
                needed = [x for objects in self.collections[name] for x in objects.required]
            else:
                lacks.append(f"{name} (which no {self.name} file has)")
                continue
            lacks += [described(branch) for branch in needed if spelled(branch, there) is None]
        return list(dict.fromkeys(lacks))

    def available(self, there: Collection[str]) -> tuple[str, ...]:
        """Return the collections that a file with these branches has."""
        return tuple(name for name in self.collections if not self.missing(there, (name,)))

    def normal(self, branches: Branches, collections: Sequence[str], *, start: int = 0) -> ak.Array:
        """Return events in the form that processors read.

        Parameters
        ----------
        branches : mapping of str to ak.Array, each of shape (n_events, ...)
            The branches that the file has of `to_read`.
        collections : sequence of str
            What to return: names of `collections`, or ``rho``.
        start : int
            Entry of the first event, for messages.

        Raises
        ------
        InputError
            If a branch is missing, or lists that belong together differ in length.
        """
        if lacks := self.missing(branches, collections):
            msg = f"the events have no {', '.join(lacks)}; they have {', '.join(sorted(branches))}"
            raise InputError(msg)
        n_events = len(next(iter(branches.values())))
        fields: dict[str, Any] = {
            name: self._joined(name, branches) for name in collections if name != "rho"
        }
        fields["event"] = self._ids(branches, n_events, fields)
        if (weight := per_event(self.weight, branches)) is not None:
            fields["weight"] = weight
        if (label := per_event(self.label, branches)) is not None:
            fields["label"] = _as_label(label, start)
        if "rho" in collections:
            fields["rho"] = per_event(self.rho, branches)
        return ak.zip(fields, depth_limit=1)

    def of_chunk(self, branches: Branches, chunk: Chunk, collections: Sequence[str]) -> ak.Array:
        """Return the events of a chunk, see `normal`; errors name the file."""
        try:
            return self.normal(branches, collections, start=chunk.start)
        except InputError as error:
            msg = f"{chunk.path}: {error}"
            raise InputError(msg) from None

    def identity(self, first: Branches, n_events: int) -> int:
        """Return the identity of a file by the branches of its first `FINGERPRINT_EVENTS` events.

        What is looked at does not depend on what will be read: the first collection that the file
        has, and the event numbers where there are any.
        """
        counts, *directions = _directions(self._joined(self.available(first)[0], first))
        kept = int(counts[:FINGERPRINT_EVENTS].sum())
        triples = np.stack([numbers[:kept] for numbers in directions], axis=1)
        content = content_identity(n_events, counts[:FINGERPRINT_EVENTS], triples)
        if not self.numbered(first):
            return content
        ids = self._ids(first, len(counts), {})[:FINGERPRINT_EVENTS]
        return integer_digest(content.to_bytes(8, "little"), ids.tobytes())

    def fingerprint(self, there: Collection[str]) -> frozenset[str]:
        """Return the branches that `identity` looks at in a file with these branches."""
        return self.branches(self.available(there)[:1])

    @property
    def weights(self) -> frozenset[str]:
        """The names of the branch of generator weights."""
        names = () if self.weight is None else spellings(self.weight.branch)
        return frozenset(name for name in names if isinstance(name, str))

    def sum_of_weights(self, branches: Branches) -> float | None:
        """Return the sum of the weights of events; None where they have none."""
        weight = per_event(self.weight, branches)
        return None if weight is None else float(np.sum(weight))

    def view(self, *collections: str) -> View:
        """Return what a processor in a user's own coffea `Runner` reads this layout with."""
        return View(self, collections or ("particles",))

    def numbered(self, there: Collection[str]) -> bool:
        """Return whether a file with these branches knows its events by number."""
        by_id = self.event is not None and spelled(self.event, there) is not None
        return by_id or bool(self.numbers)

    def _ids(
        self, branches: Branches, n_events: int, lists: Mapping[str, Jagged]
    ) -> NDArray[np.uint64]:
        if self.event is not None and (name := spelled(self.event, branches)) is not None:
            return integers(branches[str(name)], str(name))
        if not self.numbers:
            hashes: list[NDArray[np.uint64]] = []
            for name in self.named_by(branches):
                objects = lists[name] if name in lists else self._joined(name, branches)
                hashes.append(content_ids_of_lists(*_directions(objects)))
            return reduce(lambda ids, more: splitmix64(splitmix64(ids) ^ more), hashes)
        numbers = [str(spelled(branch, branches)) for branch in self.numbers]
        given = [integers(branches[name], name) for name in numbers]
        zeros = [np.zeros(n_events, np.uint64) for _ in range(3 - len(given))]
        run, block, number = (*zeros, *given)
        if self.channel is not None and (name := spelled(self.channel, branches)) is not None:
            number = number + mix64(integers(branches[str(name)], str(name)))
        return mix64(mix64((run << np.uint64(32)) | block) + number)

    def _joined(self, collection: str, branches: Branches) -> Jagged:
        return joined([objects.flat(branches) for objects in self.collections[collection]])


@dataclass(frozen=True)
class View:
    """Turns the events of a coffea schema into those that a processor reads; can be pickled.

    Attributes
    ----------
    layout : Layout
        The kind of file.
    collections : tuple of str
        What to read.
    """

    layout: Layout
    collections: tuple[str, ...]

    def __call__(self, events: ak.Array) -> ak.Array:
        """Return NanoEvents of any schema that keeps the branches in the form a processor reads."""
        there = find_branches(events, self.layout.readable(self.collections))
        wanted = self.layout.to_read(there, self.collections)
        return self.layout.normal(
            {name: column for name, column in there.items() if name in wanted}, self.collections
        )


def _directions(objects: Jagged) -> tuple[NDArray[Any], ...]:
    """Return how many objects each event has, and pt in GeV, eta and phi of all of them."""
    flat = (ak.to_numpy(ak.flatten(objects[name], axis=1)) for name in ("pt", "eta", "phi"))
    return (ak.to_numpy(ak.num(objects, axis=1)), *flat)


def _as_label(values: NDArray[np.float64], start: int) -> NDArray[np.int8]:
    bad = np.flatnonzero((values != 0) & (values != 1))
    if len(bad):
        msg = f"the truth of event {start + bad[0]} is {values[bad[0]]:g}, not 0 or 1"
        raise InputError(msg)
    return values.astype(np.int8)
