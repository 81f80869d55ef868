"""Files of lists with our own names, such as ``particles_pt`` and ``fat_jets_tau1``."""

from __future__ import annotations

from ..branches import ObjectBranches, Quantity
from ..known_layouts import TAUS, register_layout
from ..layout import COLLECTIONS, Layout

__all__ = ["FLAT"]

_FLAT_EXTRAS = (*TAUS, "softdrop_mass", "n", "raw_factor", "area", "c2", "d2", "charge")
_FLAT_EXTRAS += ("pdg_id", "isolation", "identified")


def _flat(name: str) -> ObjectBranches:
    pt, eta, phi, mass = (f"{name}_{x}" for x in ("pt", "eta", "phi", "mass"))
    extras = {
        key: Quantity(f"{name}_{key}", at_least=1 if key == "identified" else None)
        for key in _FLAT_EXTRAS
    }
    return ObjectBranches(pt, eta, phi, (mass, 0.0), extras=extras)


FLAT = register_layout(
    Layout(
        "flat",
        trees=("events", "Events", "tree"),
        collections={name: (_flat(name),) for name in COLLECTIONS},
        event="event",
        weight=Quantity("weight"),
        label=Quantity("label"),
        rho=Quantity("rho"),
    )
)
