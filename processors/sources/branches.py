"""The branches of a file: how they are described, and how they become flat arrays.

The layout of a file (`layout`) is made of these.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from ...core import InputError
from ...core.identity import whole_numbers
from ..jets.momentum import Jagged, momenta

__all__ = [
    "Branch",
    "Branches",
    "Extra",
    "ObjectBranches",
    "Quantity",
    "described",
    "integers",
    "joined",
    "per_event",
    "spelled",
    "spellings",
]

# The name of a branch, or the names it has had: the first that a file has is read. A number at the
# end stands for a constant where the file has none of them.
Branch: TypeAlias = str | float | tuple[str | float, ...]

Branches: TypeAlias = Mapping[str, Any]  # name → ak.Array, shape (n_events, ...)

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

    Examples
    --------
    >>> isolation = Quantity("Muon_trackIso", over_pt=True)
    >>> isolation.of(np.array([2.0, 5.0]), pt=np.array([20.0, 10.0])).tolist()
    [0.1, 0.5]
    """

    branch: Branch
    index: int | None = None
    mask: int | None = None
    at_least: float | None = None
    at_most: float | None = None
    over_pt: bool = False
    scale: float = 1.0

    def of(self, values: NDArray[Any], pt: NDArray[Any]) -> NDArray[Any]:
        """Return the quantity of the numbers in its branch, one an object; pT as in the file."""
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
class ObjectBranches:
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

    Examples
    --------
    >>> jets = ObjectBranches("jet_pt", "jet_eta", "jet_phi", unit=1e-3)
    >>> branches = {f"jet_{x}": ak.Array([[40e3, 30e3], []]) for x in ("pt", "eta", "phi")}
    >>> flat, counts = jets.flat(branches)
    >>> flat["pt"].tolist(), counts.tolist()
    ([40.0, 30.0], [2, 0])
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

    def flat(self, branches: Branches) -> tuple[dict[str, NDArray[Any]], NDArray[np.int64]]:
        """Return the objects of all events one after the other, and how many each event has.

        Raises
        ------
        InputError
            If lists that belong together differ in length.
        """
        pt_name = str(spelled(self.pt, branches))
        _refuse_single(branches[pt_name], pt_name)
        counts = _numpy(ak.num(branches[pt_name], axis=1))
        if missing := int(np.count_nonzero(np.isnan(counts))):
            msg = f"{pt_name} is missing (masked) in {missing} of {len(counts)} events"
            raise InputError(msg)
        counts = counts.astype(np.int64)
        read = _Objects(branches, pt_name, int(counts.sum()))
        pt, eta, phi = (read.of(x).astype(np.float64) for x in (self.pt, self.eta, self.phi))
        result = {
            "pt": pt * self.unit,
            "eta": eta,
            "phi": phi,
            "mass": self._masses(read, pt, eta),
            **self._extras(read, pt),
        }
        kept = result["pt"] != 0  # as in the padding of LHCO files; such have no direction
        if self.weight is not None and spelled(self.weight, branches) is not None:
            weight = read.of(self.weight).astype(np.float64)
            result |= {"pt": result["pt"] * weight, "mass": result["mass"] * weight}
            kept &= weight > 0
        if not kept.all():
            of_event = np.repeat(np.arange(len(counts)), counts)
            counts = np.bincount(of_event[kept], minlength=len(counts))
            result = {name: x[kept] for name, x in result.items()}
        return result, counts

    def _masses(
        self, read: _Objects, pt: NDArray[np.float64], eta: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return the masses in GeV, from the energies where the file has these instead."""
        if self.energy is not None:
            with np.errstate(over="ignore", invalid="ignore"):
                square = read.of(self.energy).astype(np.float64) ** 2 - (pt * np.cosh(eta)) ** 2
                return np.sqrt(np.maximum(square, 0.0)) * self.unit
        mass = read.of(self.mass).astype(np.float64)
        constant = not isinstance(spelled(self.mass, read.branches), str)
        return mass if constant else mass * self.unit

    def _extras(self, read: _Objects, pt: NDArray[np.float64]) -> dict[str, NDArray[Any]]:
        """Return what else the file has of the objects."""
        result: dict[str, NDArray[Any]] = {}
        for name, extra in self.extras.items():
            quantities = _quantities(extra)
            if any(spelled(q.branch, read.branches) is None for q in quantities):
                continue
            with np.errstate(divide="ignore", invalid="ignore"):
                parts = [
                    q.of(read.of(q.branch, several=q.index is not None), pt) for q in quantities
                ]
            total = _combined(parts) if parts else np.full(read.n_objects, extra)
            result[name] = total.astype(_TYPES.get(name, np.float64))
        return result


@dataclass(frozen=True)
class _Objects:
    """The branches of a file, of which those of one list of objects are read."""

    branches: Branches
    pt_name: str
    n_objects: int

    def of(self, branch: Branch, *, several: bool = False) -> NDArray[Any]:
        """Return the numbers of a branch, or the constant that stands for it, one an object.

        Where a branch may have several an object, the result may have two dimensions.
        """
        name = spelled(branch, self.branches)
        if not isinstance(name, str):
            return np.full(self.n_objects, np.nan if name is None else name)
        _refuse_single(self.branches[name], name)
        flat = _numbers(ak.flatten(self.branches[name], axis=1), name, most=2 if several else 1)
        if len(flat) != self.n_objects:
            msg = (
                f"{name} has {len(flat)} numbers for the {self.n_objects} objects of {self.pt_name}"
            )
            raise InputError(msg)
        return flat


def spellings(branch: Branch) -> tuple[str | float, ...]:
    """Return the names that a branch may have, and the constant that may stand for it."""
    return branch if isinstance(branch, tuple) else (branch,)


def spelled(branch: Branch, there: Collection[str]) -> str | float | None:
    """Return the first spelling of a branch that is there, or the constant that stands for it.

    Examples
    --------
    >>> spelled(("Jet_mass", "Jet_m", 0.0), {"Jet_pt", "Jet_m"})
    'Jet_m'
    >>> spelled(("Jet_mass", "Jet_m", 0.0), {"Jet_pt"})
    0.0
    """
    for spelling in spellings(branch):
        if not isinstance(spelling, str) or spelling in there:
            return spelling
    return None


def described(branch: Branch) -> str:
    """Return a branch in words: all its spellings."""
    return " or ".join(str(x) for x in spellings(branch))


def joined(groups: list[tuple[dict[str, NDArray[Any]], NDArray[np.int64]]]) -> ak.Array:
    """Put several lists of each event one after the other; only extras that all have are kept.

    Parameters
    ----------
    groups : list of what `ObjectBranches.flat` returns
        At least one.

    Returns
    -------
    ak.Array, shape (n_events, var)
        Momentum4D.
    """
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


def per_event(quantity: Quantity | None, branches: Branches) -> NDArray[np.float64] | None:
    """Return a number of each event; None where the file does not have it."""
    if quantity is None or not isinstance(name := spelled(quantity.branch, branches), str):
        return None
    values: Jagged = branches[name]
    if values.ndim > 1 and quantity.index is not None:
        if len(values) and not ak.any(ak.num(values, axis=1)):
            return None  # lists that are always empty: data has no generator weights
        values = values[:, quantity.index]
    return _numbers(values, name).astype(np.float64) * quantity.scale


def integers(array: Jagged, name: str) -> NDArray[np.uint64]:
    """Return one number an event as unsigned integers.

    Raises
    ------
    InputError
        If one is missing, or no whole number: events would get the ids of others.
    """
    values = _numbers(array, name)
    return whole_numbers(values, name).astype(np.uint64)


def _quantities(extra: Extra) -> Iterable[Quantity]:
    if isinstance(extra, Quantity):
        return (extra,)
    return extra if isinstance(extra, tuple) else ()


def _combined(parts: list[NDArray[Any]]) -> NDArray[Any]:
    if parts[0].dtype == np.bool_:
        return np.logical_and.reduce(parts)
    return np.sum(parts, axis=0)


def _refuse_single(array: Jagged, name: str) -> None:
    """Refuse a branch with one number an event where each event has a list of objects."""
    if array.ndim < 2:
        msg = f"{name} has one number an event, not a list of them"
        raise InputError(msg)


def _numbers(array: Jagged, name: str, *, most: int = 1) -> NDArray[Any]:
    """Return numbers in so many dimensions at most; words, records and deeper lists are none."""
    if array.ndim > most or ak.fields(array):
        msg = f"{name} holds lists or records ({array.type.content}) in place of single numbers"
        raise InputError(msg)
    values = _numpy(array)
    if values.dtype.kind not in "biuf":
        msg = f"{name} holds no numbers ({array.type.content})"
        raise InputError(msg)
    return values


def _numpy(array: Jagged) -> NDArray[Any]:
    """Return numbers; what is masked is none, and never what lies below the mask."""
    values = ak.to_numpy(array)
    if isinstance(values, np.ma.MaskedArray):
        if np.ma.is_masked(values):
            return np.ma.filled(values.astype(np.float64), np.nan)
        values = values.data
    return np.asarray(values)
