"""Files of ATLAS: PHYSLITE.

Identified electrons are of likelihood medium, muons of quality medium or tight; ``isolation`` is
``ptvarcone30 + 0.4 neflowisol20`` over pT (ATLAS's ``PflowLoose`` is < 0.16).
"""

from __future__ import annotations

from ..branches import Branch, Extra, ObjectBranches, Quantity
from ..known_layouts import charges, register_layout
from ..layout import Layout

__all__ = ["PHYSLITE"]

_MUON_MASS = 0.105658  # GeV (PDG); the file has none


def _physlite(name: str, mass: Branch | None = None, /, **extras: Extra) -> ObjectBranches:
    pt, eta, phi, m = (
        f"{name}{'' if '.' in name else 'AuxDyn.'}{x}" for x in ("pt", "eta", "phi", "m")
    )
    return ObjectBranches(pt, eta, phi, m if mass is None else mass, unit=1e-3, extras=extras)


def _flow_isolation(tracks: str, neutral: str) -> Extra:
    return (Quantity(tracks, over_pt=True), Quantity(neutral, over_pt=True, scale=0.4))


PHYSLITE = register_layout(
    Layout(
        "physlite",
        trees=("CollectionTree",),
        collections={
            "fat_jets": (
                _physlite(
                    "AnalysisLargeRJets",
                    **{
                        f"tau{k}": Quantity(f"AnalysisLargeRJetsAuxDyn.Tau{k}_wta")
                        for k in (1, 2, 3)
                    },
                    c2=Quantity("AnalysisLargeRJetsAuxDyn.C2"),
                    d2=Quantity("AnalysisLargeRJetsAuxDyn.D2"),
                ),
            ),
            "jets": (_physlite("AnalysisJets"),),
            "leptons": (
                _physlite(
                    "AnalysisElectrons",
                    **charges("AnalysisElectronsAuxDyn.charge", 11),
                    isolation=_flow_isolation(
                        "AnalysisElectronsAuxDyn."
                        "ptvarcone30_Nonprompt_All_MaxWeightTTVALooseCone_pt1000",
                        "AnalysisElectronsAuxDyn.neflowisol20",
                    ),
                    identified=Quantity(
                        "AnalysisElectronsAuxDyn.DFCommonElectronsLHMedium", at_least=1
                    ),
                ),
                _physlite(
                    "AnalysisMuons",
                    _MUON_MASS,
                    **charges("AnalysisMuonsAuxDyn.charge", 13),
                    isolation=_flow_isolation(
                        "AnalysisMuonsAuxDyn.ptvarcone30_Nonprompt_All_MaxWeightTTVA_pt500",
                        "AnalysisMuonsAuxDyn.neflowisol20",
                    ),
                    # the low three bits: 0 tight, 1 medium, 2 loose
                    identified=Quantity("AnalysisMuonsAuxDyn.quality", mask=7, at_most=1),
                ),
            ),
            "gen_fat_jets": (_physlite("AntiKt10TruthSoftDropBeta100Zcut10JetsAux."),),
            "gen_jets": (_physlite("AntiKt4TruthDressedWZJetsAux."),),
        },
        numbers=(
            "EventInfoAuxDyn.runNumber",
            "EventInfoAuxDyn.lumiBlock",
            "EventInfoAuxDyn.eventNumber",
        ),
        channel="EventInfoAuxDyn.mcChannelNumber",
        weight=Quantity("EventInfoAuxDyn.mcEventWeights", index=0),
        rho=Quantity("Kt4EMPFlowEventShapeAuxDyn.Density", index=0, scale=1e-3),
    )
)
