"""Files of Delphes 3, the parametrised detector.

All leptons are identified: the card has applied its efficiencies; ``isolation`` is
``IsolationVar``.
"""

from __future__ import annotations

from ..branches import Branch, Extra, ObjectBranches, Quantity
from ..known_layouts import TAUS, charges, register_layout
from ..layout import Layout

__all__ = ["DELPHES"]

_ELECTRON_MASS, _MUON_MASS = 0.000511, 0.105658  # GeV (PDG); the files have none


def _delphes(name: str, pt: str = "PT", mass: Branch = 0.0, /, **extras: Extra) -> ObjectBranches:
    return ObjectBranches(f"{name}.{pt}", f"{name}.Eta", f"{name}.Phi", mass, extras=extras)


def _delphes_jets(name: str, radius: float | None = None) -> ObjectBranches:
    """Return jets; those with a radius have N-subjettiness, which Delphes does not normalise."""
    taus: dict[str, Extra] = {}
    if radius is not None:
        for k, tau in enumerate(TAUS):
            taus[tau] = Quantity(f"{name}.Tau[5]", index=k, over_pt=True, scale=1 / radius)
    n = (Quantity(f"{name}.NCharged"), Quantity(f"{name}.NNeutrals"))
    return _delphes(name, "PT", f"{name}.Mass", n=n, **taus)


def _delphes_leptons(name: str, pdg_id: int, mass: float) -> ObjectBranches:
    extras: dict[str, Extra] = charges(f"{name}.Charge", pdg_id)
    extras |= {"isolation": Quantity(f"{name}.IsolationVar")}
    return _delphes(name, "PT", mass, identified=1.0, **extras)


DELPHES = register_layout(
    Layout(
        "delphes",
        trees=("Delphes",),
        collections={
            "particles": (
                _delphes("EFlowTrack", charge=Quantity("EFlowTrack.Charge")),
                _delphes("EFlowPhoton", "ET", charge=0.0),
                _delphes("EFlowNeutralHadron", "ET", charge=0.0),
            ),
            "fat_jets": (_delphes_jets("FatJet", 0.8),),
            "jets": (_delphes_jets("Jet"),),
            "leptons": (
                _delphes_leptons("Electron", 11, _ELECTRON_MASS),
                _delphes_leptons("Muon", 13, _MUON_MASS),
            ),
            "gen_jets": (_delphes("GenJet", "PT", "GenJet.Mass"),),
        },
        weight=Quantity("Event.Weight", index=0),
        rho=Quantity("Rho.Rho", index=0),
    )
)
