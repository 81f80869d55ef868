"""How a kind of file is described, and how its branches become the events that processors read.

A `Layout` names the tree and the branches; `Layout.normal` turns arrays of these branches into
records, the same for all formats: the collections asked for (``var * Momentum4D`` of float64
``pt, eta, phi, mass`` in GeV, and the extras that the file has, in the order of the file),
``event`` (uint64), and where the file has them ``weight`` (float64, of the generator), ``label``
(int8) and, if asked for, ``rho`` (float64, GeV). The known kinds are in `layouts`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import awkward as ak
import numpy as np
import uproot
from numpy.typing import NDArray

from ...core import InputError
from ..jets.momentum import Jagged, momenta
from .chunks import FINGERPRINT_EVENTS, content_identity, event_ids, file_identity, mix64

__all__ = [
    "COLLECTIONS",
    "Branch",
    "Extra",
    "Layout",
    "Objects",
    "Quantity",
    "View",
    "find_columns",
]

COLLECTIONS = (
    "particles",
    "raw_particles",
    "fat_jets",
    "jets",
    "gen_fat_jets",
    "gen_jets",
    "leptons",
)

# The name of a branch, or the names it has had: the first that a file has is read. A number at the
# end stands for a constant where the file has none of them.
Branch: TypeAlias = str | float | tuple[str | float, ...]

Columns: TypeAlias = Mapping[str, Any]  # branch → ak.Array, shape (n_events, ...)

_TYPES = {"charge": np.int8, "pdg_id": np.int32, "identified": np.bool_, "n": np.int32}


@dataclass(frozen=True)
class Quantity:
    """A number of each object (or event), made of a branch.

    Attributes
    ----------
    branch : str or tuple of str
        Where it is.
    index : int or None
        Which one, where the branch has several numbers an object.
    mask : int or None
        The bits that count.
    at_least, at_most : float or None
        The quantity is whether the number is within these.
    over_pt : bool
        Divide by the pT of the object, as it is in the file.
    scale : float
        Factor.
    """

    branch: Branch
    index: int | None = None
    mask: int | None = None
    at_least: float | None = None
    at_most: float | None = None
    over_pt: bool = False
    scale: float = 1.0

    def of(self, values: NDArray[Any], pt: NDArray[Any]) -> NDArray[Any]:
        """Return the quantity of the numbers in its branch."""
        if self.index is not None:
            values = values[:, self.index]
        if self.mask is not None:
            values = values & self.mask
        if self.at_least is not None or self.at_most is not None:
            low = -np.inf if self.at_least is None else self.at_least
            high = np.inf if self.at_most is None else self.at_most
            return (values >= low) & (values <= high)
        values = values.astype(np.float64) * self.scale
        return values / pt if self.over_pt else values


Extra: TypeAlias = "float | Quantity | tuple[Quantity, ...]"


@dataclass(frozen=True)
class Objects:
    """The branches of one list of objects.

    Attributes
    ----------
    pt, eta, phi : str or tuple of str
        Of the momentum.
    mass : str, float, or tuple of these
        A branch, or a constant in GeV; massless unless said.
    energy : str or tuple of str, or None
        Instead of the mass.
    unit : float
        The unit of the file in GeV.
    weight : str or tuple of str, or None
        Scales pT and mass where the file has it; objects of weight zero are left out.
    extras : mapping of str to float, Quantity or several
        Our name → what it is made of. Several numbers are added, several conditions must all
        hold. Left out where the file lacks a branch of it.
    """

    pt: Branch
    eta: Branch
    phi: Branch
    mass: Branch = 0.0
    energy: Branch | None = None
    unit: float = 1.0
    weight: Branch | None = None
    extras: Mapping[str, Extra] = field(default_factory=dict)

    @property
    def required(self) -> tuple[Branch, ...]:
        """The branches without which there are no such objects."""
        last = self.mass if self.energy is None else self.energy
        return (self.pt, self.eta, self.phi, last)

    @property
    def optional(self) -> tuple[Branch, ...]:
        """The branches that are read where the file has them."""
        of_extras = (q.branch for extra in self.extras.values() for q in _quantities(extra))
        return (*of_extras, *(() if self.weight is None else (self.weight,)))

    def flat(self, columns: Columns) -> tuple[dict[str, NDArray[Any]], NDArray[np.int64]]:
        """Return the objects of all events one after the other, and how many each event has."""
        pt_name = spelled(self.pt, columns)
        counts = ak.to_numpy(ak.num(columns[str(pt_name)], axis=1)).astype(np.int64)
        n_objects = int(counts.sum())

        def values(branch: Branch) -> NDArray[Any]:
            name = spelled(branch, columns)
            if not isinstance(name, str):
                return np.full(n_objects, np.nan if name is None else name)
            flat = _numpy(ak.flatten(columns[name], axis=1))
            if len(flat) != n_objects:
                msg = f"{name} has {len(flat)} numbers for the {n_objects} objects of {pt_name}"
                raise InputError(msg)
            return flat

        pt, eta, phi = (values(x).astype(np.float64) for x in (self.pt, self.eta, self.phi))
        result = {"pt": pt * self.unit, "eta": eta, "phi": phi}
        if self.energy is not None:
            with np.errstate(over="ignore", invalid="ignore"):
                square = values(self.energy).astype(np.float64) ** 2 - (pt * np.cosh(eta)) ** 2
                result["mass"] = np.sqrt(np.maximum(square, 0.0)) * self.unit
        else:
            mass = values(self.mass).astype(np.float64)
            constant = not isinstance(spelled(self.mass, columns), str)
            result["mass"] = mass if constant else mass * self.unit
        for name, extra in self.extras.items():
            if not _has_all((q.branch for q in _quantities(extra)), columns):
                continue
            with np.errstate(divide="ignore", invalid="ignore"):
                parts = [q.of(values(q.branch), pt) for q in _quantities(extra)]
            total = _combined(parts) if parts else np.full(n_objects, extra)
            result[name] = total.astype(_TYPES.get(name, np.float64))

        kept = result["pt"] != 0  # as in the padding of LHCO files; such have no direction
        if self.weight is not None and spelled(self.weight, columns) is not None:
            weight = values(self.weight).astype(np.float64)
            result |= {"pt": result["pt"] * weight, "mass": result["mass"] * weight}
            kept &= weight > 0
        if not kept.all():
            of_event = np.repeat(np.arange(len(counts)), counts)
            counts = np.bincount(of_event[kept], minlength=len(counts))
            result = {name: x[kept] for name, x in result.items()}
        return result, counts


@dataclass(frozen=True)
class Layout:
    """Where everything is in one kind of file.

    Attributes
    ----------
    name : str
        What it is called in messages and settings.
    trees : tuple of str
        Names of the tree: the first that a ROOT file has. Parquet files have none.
    collections : mapping of str to tuple of Objects
        Where each collection is; several lists are put one after the other. The first one that a
        file has is that by which a file without event numbers is recognised.
    event : str or tuple of str, or None
        A 64-bit id of the event, taken as it is where the file has it.
    numbers : tuple of branches
        Run, luminosity block and event number, or the last of them, of which the id is made.
    channel : str or tuple of str, or None
        Number of the simulated process, where the file has it: events of different processes can
        share the other numbers.
    weight, label, rho : Quantity or None
        Weight of the generator; truth (0 or 1); median density of pile-up, in GeV.
    sum_weights : tuple of str and branch, or None
        Tree and branch with the sums of generator weights before any skim.
    """

    name: str
    trees: tuple[str, ...]
    collections: Mapping[str, tuple[Objects, ...]]
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
        return frozenset(x for branch in wanted for x in _spellings(branch) if isinstance(x, str))

    def missing(self, there: Collection[str], collections: Sequence[str]) -> list[str]:
        """Return what a file with these branches lacks of the collections, in words."""
        lacks = [_words(branch) for branch in self.numbers if spelled(branch, there) is None]
        for name in collections:
            if name == "rho" and self.rho is not None:
                needed: list[Branch] = [self.rho.branch]
            elif name in self.collections:
                needed = [x for objects in self.collections[name] for x in objects.required]
            else:
                lacks.append(f"{self.name} files have no {name}")
                continue
            lacks += [_words(branch) for branch in needed if spelled(branch, there) is None]
        return list(dict.fromkeys(lacks))

    def available(self, there: Collection[str]) -> tuple[str, ...]:
        """Return the collections that a file with these branches has."""
        return tuple(name for name in self.collections if not self.missing(there, (name,)))

    def normal(
        self, columns: Columns, collections: Sequence[str], identity: int, start: int
    ) -> ak.Array:
        """Return events in the form that processors read.

        Parameters
        ----------
        columns : mapping of str to ak.Array, each of shape (n_events, ...)
            The branches that the file has of `branches`.
        collections : sequence of str
            What to return: names of `collections`, or ``rho``.
        identity : int
            Of the file, for files without event numbers.
        start : int
            Entry of the first event, for these.

        Raises
        ------
        InputError
            If a branch is missing, or lists that belong together differ in length.
        """
        if lacks := self.missing(columns, collections):
            msg = f"the events have no {', '.join(lacks)}; they have {', '.join(sorted(columns))}"
            raise InputError(msg)
        n_events = len(next(iter(columns.values())))
        fields: dict[str, Any] = {
            name: _joined([objects.flat(columns) for objects in self.collections[name]])
            for name in collections
            if name != "rho"
        }
        fields["event"] = self._ids(columns, n_events, identity, start)
        if (weight := _per_event(self.weight, columns)) is not None:
            fields["weight"] = weight
        if (label := _per_event(self.label, columns)) is not None:
            fields["label"] = _as_label(label, start)
        if "rho" in collections:
            fields["rho"] = _per_event(self.rho, columns)
        return ak.zip(fields, depth_limit=1)

    def identity(self, first: Columns, n_events: int) -> int:
        """Return the identity of a file by the branches of its first `FINGERPRINT_EVENTS` events.

        What is looked at does not depend on what will be read: the first collection that the file
        has, and the event numbers where there are any.
        """
        reference = self.available(first)[0]
        lists = [objects.flat(first) for objects in self.collections[reference]]
        events: Jagged = _joined(lists)[:FINGERPRINT_EVENTS]
        triples = np.stack(
            [ak.to_numpy(ak.flatten(events[x], axis=1)) for x in ("pt", "eta", "phi")], axis=1
        )
        content = content_identity(n_events, ak.to_numpy(ak.num(events, axis=1)), triples)
        if not self._numbered(first):
            return content
        ids = self._ids(first, len(events), 0, 0)
        return file_identity(content.to_bytes(8, "little"), ids.tobytes())

    def fingerprint(self, there: Collection[str]) -> frozenset[str]:
        """Return the branches that `identity` looks at in a file with these branches."""
        return self.branches(self.available(there)[:1])

    @property
    def weights(self) -> frozenset[str]:
        """The names of the branch of generator weights."""
        names = () if self.weight is None else _spellings(self.weight.branch)
        return frozenset(name for name in names if isinstance(name, str))

    def sum_of_weights(self, columns: Columns) -> float | None:
        """Return the sum of the weights of events; None where they have none."""
        weight = _per_event(self.weight, columns)
        return None if weight is None else float(np.sum(weight))

    def view(self, *collections: str) -> View:
        """Return what a processor in a user's own coffea `Runner` reads this layout with."""
        return View(self, collections or ("particles",))

    def _numbered(self, there: Collection[str]) -> bool:
        by_id = self.event is not None and spelled(self.event, there) is not None
        return by_id or bool(self.numbers)

    def _ids(
        self, columns: Columns, n_events: int, identity: int, start: int
    ) -> NDArray[np.uint64]:
        if self.event is not None and (name := spelled(self.event, columns)) is not None:
            return _integers(columns[str(name)])
        if not self.numbers:
            return event_ids(identity, np.arange(start, start + n_events))
        given = [_integers(columns[str(spelled(branch, columns))]) for branch in self.numbers]
        zeros = [np.zeros(n_events, np.uint64) for _ in range(3 - len(given))]
        run, block, number = (*zeros, *given)
        if self.channel is not None and (name := spelled(self.channel, columns)) is not None:
            number = number + mix64(_integers(columns[str(name)]))
        return mix64(mix64((run << np.uint64(32)) | block) + number)


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
        columns = find_columns(events, self.layout.branches(self.collections))
        identity, start = 0, 0
        if not self.layout._numbered(columns):  # noqa: SLF001 - the view is part of the layout
            metadata: Any = getattr(events, "metadata", None) or {}
            identity, start = _identity_of(self.layout, metadata), metadata["entrystart"]
        return self.layout.normal(columns, self.collections, identity, start)


def find_columns(events: Any, wanted: frozenset[str]) -> dict[str, Any]:
    """Find branches among the fields of events, under the names uproot or a schema gives them.

    Parameters
    ----------
    events : ak.Array or mapping, shape (n_events,)
        With a field for each branch (base schema), or with the branches of a collection under it
        (`NanoAODSchema` and its kin, `PHYSLITESchema`, `TreeMakerSchema`; nested Parquet).
    wanted : frozenset of str
        Branches.

    Returns
    -------
    dict of str to ak.Array
        Those that are there.
    """
    leaves = {name.rpartition("/")[2]: name for name in ak.fields(events)}
    found: dict[str, Any] = {}
    for branch in wanted:
        if branch in leaves:
            found[branch] = events[leaves[branch]]
            continue
        for collection, name in _places(branch):
            if collection in leaves and name in ak.fields(inner := events[leaves[collection]]):
                found[branch] = inner[name]
                break
    return found


def _places(branch: str) -> list[tuple[str, str]]:
    """Return the collections, and the names in them, that a schema may file a branch under."""
    if "AuxDyn." in branch:  # PHYSLITESchema drops what all names begin with
        head, _, tail = branch.partition("AuxDyn.")
        return [(head.removeprefix("Analysis"), tail), (head, tail)]
    if "Aux." in branch:
        head, _, tail = branch.partition("Aux.")
        return [(head, tail)]
    if ".fCoordinates.f" in branch:
        head, _, tail = branch.partition(".fCoordinates.f")
        return [(head, {"E": "energy"}.get(tail, tail.lower()))]
    cuts = [i for i, letter in enumerate(branch) if letter in "._"]
    return [(branch[:i], branch[i + 1 :]) for i in cuts]


def _identity_of(layout: Layout, metadata: Mapping[str, Any]) -> int:
    """Return the identity of the file that a chunk of a coffea `Runner` is from."""
    if "identity" in metadata:
        return int(metadata["identity"])
    key = (layout.name, str(metadata["filename"]), str(metadata.get("treename")))
    if key not in _IDENTITIES:
        opened: Any = uproot.open({metadata["filename"]: metadata["treename"]})
        with opened as tree:
            wanted = layout.fingerprint({name.rpartition("/")[2] for name in tree.iterkeys()})
            first = tree.arrays(filter_name=wanted.__contains__, entry_stop=FINGERPRINT_EVENTS)
            n_events = int(tree.num_entries)
        if len(_IDENTITIES) > 10_000:
            _IDENTITIES.clear()
        _IDENTITIES[key] = layout.identity(find_columns(first, wanted), n_events)
    return _IDENTITIES[key]


_IDENTITIES: dict[tuple[str, str, str], int] = {}  # one number a file, so that it is opened once


def _spellings(branch: Branch) -> tuple[str | float, ...]:
    return branch if isinstance(branch, tuple) else (branch,)


def spelled(branch: Branch, there: Collection[str]) -> str | float | None:
    """Return the first spelling of a branch that is there, or the constant that stands for it."""
    for spelling in _spellings(branch):
        if not isinstance(spelling, str) or spelling in there:
            return spelling
    return None


def _has_all(branches: Any, there: Collection[str]) -> bool:
    return all(spelled(branch, there) is not None for branch in branches)


def _words(branch: Branch) -> str:
    return " or ".join(str(x) for x in _spellings(branch))


def _quantities(extra: Extra) -> tuple[Quantity, ...]:
    if isinstance(extra, Quantity):
        return (extra,)
    return extra if isinstance(extra, tuple) else ()


def _combined(parts: list[NDArray[Any]]) -> NDArray[Any]:
    if parts[0].dtype == np.bool_:
        return np.logical_and.reduce(parts)
    return np.sum(parts, axis=0)


def _integers(array: Jagged) -> NDArray[np.uint64]:
    return _numpy(array).astype(np.uint64)


def _numpy(array: Jagged) -> NDArray[Any]:
    return np.asarray(ak.to_numpy(array))


def _joined(groups: list[tuple[dict[str, NDArray[Any]], NDArray[np.int64]]]) -> ak.Array:
    """Put several lists of each event one after the other; only extras that all have are kept."""
    if len(groups) == 1:
        flat, counts = groups[0]
    else:
        of_event = np.concatenate([np.repeat(np.arange(len(c)), c) for _, c in groups])
        order = np.argsort(of_event, kind="stable")
        names = [n for n in groups[0][0] if all(n in flat for flat, _ in groups)]
        flat = {n: np.concatenate([group[n] for group, _ in groups])[order] for n in names}
        counts = np.sum([c for _, c in groups], axis=0)
    extras = {n: x for n, x in flat.items() if n not in ("pt", "eta", "phi", "mass")}
    return momenta(flat["pt"], flat["eta"], flat["phi"], counts, mass=flat["mass"], extras=extras)


def _per_event(quantity: Quantity | None, columns: Columns) -> NDArray[np.float64] | None:
    if quantity is None or not isinstance(name := spelled(quantity.branch, columns), str):
        return None
    values: Jagged = columns[name]
    if values.ndim > 1 and quantity.index is not None:
        if len(values) and not ak.any(ak.num(values, axis=1)):
            return None  # lists that are always empty: data has no generator weights
        return _numpy(values[:, quantity.index]).astype(np.float64) * quantity.scale
    return _numpy(values).astype(np.float64) * quantity.scale


def _as_label(values: NDArray[np.float64], start: int) -> NDArray[np.int8]:
    bad = np.flatnonzero((values != 0) & (values != 1))
    if len(bad):
        msg = f"the truth of event {start + bad[0]} is {values[bad[0]]:g}, not 0 or 1"
        raise InputError(msg)
    return values.astype(np.int8)
