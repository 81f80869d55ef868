"""The multi-lepton processor: events with four light leptons, sorted into regions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import awkward as ak
import hist
import numpy as np
from numpy.typing import NDArray

from ...core import InputError
from ..base import ColumnProcessor, Columns
from ..jets.clustering import eta_phi, invariant_mass
from ..jets.momentum import Jagged
from ..registry import register_processor
from ..steps import Steps

__all__ = ["REGIONS", "LeptonProcessor", "ZCandidates", "find_z"]

REGIONS = ("4l_2Z", "4l_1Z", "4l_0Z", "4l_charged", "5l")  # the region column counts from zero

_Z_MASS = 91.188  # GeV; Particle Data Group 2024
_EXTRAS = ("pdg_id", "charge", "isolation", "identified")
_JET_CONE = 0.4  # a jet this close to a selected lepton is the lepton


@register_processor("leptons")
@dataclass(frozen=True)
class LeptonProcessor(ColumnProcessor):
    r"""Describes events with at least four electrons and muons.

    For searches that learn the Standard Model region by region (J. Harrison's talk on normalising
    flows at ATLAS, and the search that came of it, arXiv:2508.19778). An event is kept if all its
    leptons are finite, if four of them pass the cuts, and if no pair of one flavour and opposite
    charge is lighter than `min_pair_mass`. Its columns (float32 unless said, GeV):

    ``event`` (uint64); ``m4l``, the mass of the four leading leptons; ``mz1``, that of the pair of
    one flavour and opposite charge nearest to the mass of the Z, and ``mz2``, that of the nearest
    such pair among the other leptons, both zero where there is none (the pairing of ATLAS in
    H → ZZ* → 4ℓ, arXiv:2004.03447); for ``l1`` to ``l4`` in order of pT: ``pt, eta, phi``,
    ``flavour`` (int8: 11 or 13) and ``charge`` (int8); ``lt``, the scalar sum of pT of all
    selected leptons; ``n_leptons``, ``n_z`` (pairs within `z_window` of the Z) and ``charge``,
    the sum of charges (int8 each); ``region`` (int8), the place in `REGIONS`; with `count_jets`
    also ``ht`` and ``n_jets`` (int16) of the jets that are no leptons; ``met`` where the events
    have it; ``weight`` and ``label`` (int8) where they have them.

    The regions do not overlap: four leptons of charge zero with two, one or no Z; four with
    another charge; five or more. The text of the talk trains one flow a region and leaves their
    definition to a figure that we do not have: these are ours.

    Attributes
    ----------
    min_pt : float
        Of each lepton, in GeV.
    min_lead_pt : float or None
        Optional cut on the leading lepton, what a trigger asks for, in GeV.
    max_abs_eta : float
        On \|η\| of each lepton.
    max_isolation : float or None
        On the pT of other particles around a lepton, relative to its own; None: no cut.
    identified : bool
        Whether leptons must be identified as the layout defines it.
    min_pair_mass : float
        Below it pairs come from hadrons and photons, in GeV; 12 in the multi-lepton search of CMS
        (arXiv:1911.04968).
    z_window : float
        How far from the Z a pair counts as one, in GeV.
    count_jets : bool
        Whether to read the stored ``jets``.
    min_jet_pt : float
        What counts as a jet, in GeV.

    Examples
    --------
    >>> from overdensity.processors.jets.momentum import momenta
    >>> pt, phi = np.array([46.0, 45.0, 30.0, 20.0]), np.array([0.0, 3.1, 1.0, -2.0])
    >>> extras = {
    ...     "pdg_id": np.array([11, -11, 13, -13]),
    ...     "charge": np.array([-1, 1, -1, 1]),
    ...     "isolation": np.zeros(4),
    ...     "identified": np.ones(4, np.bool_),
    ... }
    >>> leptons = momenta(pt, np.zeros(4), phi, np.array([4]), extras=extras)
    >>> events = ak.zip({"leptons": leptons, "event": [7]}, depth_limit=1)
    >>> columns = LeptonProcessor().select(events).columns
    >>> columns["mz1"].round(), [REGIONS[place] for place in columns["region"]]
    (array([91.], dtype=float32), ['4l_1Z'])
    """

    min_pt: float = 10.0
    min_lead_pt: float | None = None
    max_abs_eta: float = 2.5
    max_isolation: float | None = 0.25
    identified: bool = True
    min_pair_mass: float = 12.0
    z_window: float = 10.0
    count_jets: bool = False
    min_jet_pt: float = 30.0

    axes: ClassVar[dict[str, Any]] = {
        "m4l": hist.axis.Regular(100, 0, 1000, name="m4l", label=r"$m_{4\ell}$ [GeV]"),
        "mz1": hist.axis.Regular(75, 0, 150, name="mz1", label="$m_{Z1}$ [GeV]"),
        "mz2": hist.axis.Regular(75, 0, 150, name="mz2", label="$m_{Z2}$ [GeV]"),
        "l1_pt": hist.axis.Regular(100, 0, 500, name="l1_pt", label="leading lepton $p_T$ [GeV]"),
        "lt": hist.axis.Regular(100, 0, 1000, name="lt", label="$L_T$ [GeV]"),
        "n_leptons": hist.axis.Integer(4, 9, name="n_leptons", label="leptons"),
        "region": hist.axis.Integer(0, len(REGIONS), name="region", label=", ".join(REGIONS)),
    }

    @property
    def collections(self) -> tuple[str, ...]:
        """The lists of leptons, and jets if asked for, that are read."""
        return ("leptons", "jets") if self.count_jets else ("leptons",)

    def describe(self, events: Jagged, steps: Steps) -> tuple[Columns, NDArray[np.integer[Any]]]:
        """Return the columns of the class, see `ColumnProcessor.describe`."""
        leptons = self._selected(events.leptons)
        pt = np.hypot(leptons.px, leptons.py)
        steps.cut("four leptons", ak.num(leptons, axis=1) >= 4)
        if self.min_lead_pt is not None:
            steps.cut("leading lepton pT", ak.any(pt > self.min_lead_pt, axis=1))
        z = find_z(leptons)
        steps.cut("no light pair", ~(z.lightest < self.min_pair_mass))

        keep = steps.kept
        leptons, pt = leptons[keep], pt[keep]
        mz1, mz2 = z.first[keep], z.second[keep]
        n_leptons = ak.to_numpy(ak.num(leptons, axis=1))
        near = np.stack([mz1, mz2]) - _Z_MASS
        n_z = np.count_nonzero(abs(near) < self.z_window, axis=0)
        charge = ak.to_numpy(ak.sum(leptons.charge, axis=1))
        columns: Columns = {
            "m4l": invariant_mass(*(leptons[:, rank] for rank in range(4))),
            "mz1": mz1,
            "mz2": mz2,
        }
        for rank in range(4):
            eta, phi = eta_phi(leptons[:, rank])
            columns |= {
                f"l{rank + 1}_pt": ak.to_numpy(pt[:, rank]),
                f"l{rank + 1}_eta": eta,
                f"l{rank + 1}_phi": phi,
                f"l{rank + 1}_flavour": ak.to_numpy(abs(leptons.pdg_id[:, rank])).astype(np.int8),
                f"l{rank + 1}_charge": ak.to_numpy(leptons.charge[:, rank]).astype(np.int8),
            }
        columns |= {
            "lt": ak.to_numpy(ak.sum(pt, axis=1)),
            "n_leptons": n_leptons.astype(np.int8),
            "n_z": n_z.astype(np.int8),
            "charge": charge.astype(np.int8),
            "region": _region(n_leptons, charge, n_z),
        }
        if self.count_jets:
            columns |= self._jets(events.jets[keep], leptons)
        if "met" in events.fields:
            columns["met"] = ak.to_numpy(events.met[keep]).astype(np.float64)
        return columns, np.flatnonzero(keep)

    def _selected(self, leptons: Jagged) -> Jagged:
        """Return the leptons that pass the cuts, in order of falling pT."""
        if missing := set(_EXTRAS).difference(leptons.fields):
            msg = f"the leptons have no {', '.join(sorted(missing))}; their layout must give these"
            raise InputError(msg)
        pt = np.hypot(leptons.px, leptons.py)
        good = (pt > self.min_pt) & (abs(leptons.pz) < pt * np.sinh(self.max_abs_eta))
        if self.max_isolation is not None:
            good = good & (leptons.isolation < self.max_isolation)
        if self.identified:
            good = good & leptons.identified
        leptons = leptons[good]
        return leptons[ak.argsort(pt[good], axis=1, ascending=False, stable=True)]

    def _jets(self, jets: Jagged, leptons: Jagged) -> Columns:
        pt = np.hypot(jets.px, jets.py)
        hard = pt > self.min_jet_pt
        jets, pt = jets[hard], pt[hard]
        pairs: Jagged = ak.cartesian({"jet": jets, "lepton": leptons}, axis=1, nested=True)
        free = ak.all(pairs.jet.deltaR(pairs.lepton) > _JET_CONE, axis=2)
        return {
            "ht": ak.to_numpy(ak.sum(pt[free], axis=1)),
            "n_jets": ak.to_numpy(ak.sum(free, axis=1)).astype(np.int16),
        }


class ZCandidates(NamedTuple):
    """Masses of pairs of one flavour and opposite charge, each of shape (n_events,), in GeV.

    Attributes
    ----------
    first : array
        Of the pair nearest to the mass of the Z; zero where there is no pair.
    second : array
        Of the nearest pair among the other leptons; zero where there is none.
    lightest : array
        Of the lightest pair of all; infinite where there is none.
    """

    first: NDArray[np.float64]
    second: NDArray[np.float64]
    lightest: NDArray[np.float64]


def find_z(leptons: ak.Array) -> ZCandidates:
    """Find the pairs of leptons that may come from Z bosons.

    Parameters
    ----------
    leptons : ak.Array, shape (n_events, var)
        Momentum4D with px, py, pz, E and ``pdg_id``.

    Examples
    --------
    >>> from overdensity.processors.jets.momentum import cartesian, momenta
    >>> pt, phi = np.full(4, 45.594), np.array([0.0, np.pi, 1.0, 2.0])
    >>> leptons = cartesian(momenta(pt, np.zeros(4), phi, np.array([4])))
    >>> leptons["pdg_id"] = [[11, -11, 13, 13]]
    >>> z = find_z(leptons)
    >>> z.first.round(3), z.second
    (array([91.188]), array([0.]))
    """
    found: Jagged = ak.argcombinations(leptons, 2, axis=1, fields=["one", "other"])
    pdg_id = ak.values_astype(leptons["pdg_id"], np.int64)
    pairs = found[pdg_id[found.one] == -pdg_id[found.other]]
    one, other = leptons[pairs.one], leptons[pairs.other]
    mass = ak.unflatten(
        invariant_mass(ak.flatten(one, axis=1), ak.flatten(other, axis=1)), ak.num(pairs, axis=1)
    )
    best = ak.argmin(abs(mass - _Z_MASS), axis=1, keepdims=True)
    used_one, used_other = pairs.one[best], pairs.other[best]
    apart = ak.ones_like(mass, dtype=np.bool_)
    for used in (used_one, used_other):
        # where there is no pair at all, `used` is None, and there is nothing to compare with it
        index = ak.to_numpy(ak.fill_none(ak.flatten(used, axis=1), -1))
        apart = apart & (pairs.one != index) & (pairs.other != index)
    rest = mass[apart]
    second = rest[ak.argmin(abs(rest - _Z_MASS), axis=1, keepdims=True)]
    lightest = ak.min(mass, axis=1, keepdims=True)
    return ZCandidates(_one(mass[best]), _one(second), _one(lightest, missing=np.inf))


def _one(in_a_row: Jagged, *, missing: float = 0.0) -> NDArray[np.float64]:
    return ak.to_numpy(ak.fill_none(ak.flatten(in_a_row, axis=1), missing)).astype(np.float64)


def _region(
    n_leptons: NDArray[np.integer[Any]], charge: NDArray[Any], n_z: NDArray[np.integer[Any]]
) -> NDArray[np.int8]:
    """Return the place of each event's region in `REGIONS`."""
    of_four = np.where(charge == 0, 2 - n_z, REGIONS.index("4l_charged"))
    return np.where(n_leptons > 4, REGIONS.index("5l"), of_four).astype(np.int8)
