"""Files of CMS: NanoAOD and PFNano, scouting, TreeMaker.

What counts as an identified lepton is the conventional medium working point of each format, and
``isolation`` the sum of pT around it over its own, without a cut:

============  =================================================  ==================================
format        ``identified``                                     ``isolation``
============  =================================================  ==================================
``nano``      e: cut-based medium (``cutBased >= 3``, includes   particle flow in ΔR 0.3 (e, area
              its isolation); μ: ``mediumId``                    corrected) and 0.4 (μ, Δβ corrected)
``scouting``  e: H/E < 0.1, at most one missing hit; μ: > 5      tracks (e: and calorimeters) in
              tracker layers, a pixel hit, χ²/ndf < 10           ΔR 0.3
              (CMS EXO-20-014)
``treemaker`` ``mediumID`` of both                               mini-isolation
============  =================================================  ==================================
"""

from __future__ import annotations

from ..branches import Branch, Extra, ObjectBranches, Quantity
from ..known_layouts import TAUS, charges, register_layout
from ..layout import Layout

__all__ = ["NANO", "SCOUTING", "TREEMAKER"]


def _nano(name: str | tuple[str, ...], **extras: Extra) -> ObjectBranches:
    names = name if isinstance(name, tuple) else (name,)

    def branch(*tails: str) -> Branch:
        return tuple(f"{n}_{tail}" for n in names for tail in tails)

    return ObjectBranches(
        branch("pt"), branch("eta"), branch("phi"), branch("mass", "m"), extras=extras
    )


def _of(name: str, **ours: str) -> dict[str, Extra]:
    return {key: Quantity(f"{name}_{tail}") for key, tail in ours.items()}


NANO = register_layout(
    Layout(
        "nano",
        trees=("Events",),
        collections={
            "fat_jets": (
                _nano(
                    "FatJet",
                    **_of("FatJet", **{tau: tau for tau in TAUS}, softdrop_mass="msoftdrop"),
                    **_of("FatJet", n="nConstituents", raw_factor="rawFactor", area="area"),
                ),
            ),
            "jets": (
                _nano("Jet", **_of("Jet", n="nConstituents", raw_factor="rawFactor", area="area")),
            ),
            "leptons": (
                _nano(
                    "Electron",
                    **charges("Electron_charge", 11),
                    isolation=Quantity("Electron_pfRelIso03_all"),
                    identified=Quantity("Electron_cutBased", at_least=3),
                ),
                _nano(
                    "Muon",
                    **charges("Muon_charge", 13),
                    isolation=Quantity("Muon_pfRelIso04_all"),
                    identified=Quantity("Muon_mediumId", at_least=1),
                ),
            ),
            # NanoAOD v15 stores the constituents of AK8 jets as PFCand, scaled by PUPPI already;
            # PFNano all candidates as PFCands, with the weights (Bertolini et al., arXiv:1407.6013).
            "particles": (
                ObjectBranches(
                    ("PFCands_pt", "PFCand_pt"),
                    ("PFCands_eta", "PFCand_eta"),
                    ("PFCands_phi", "PFCand_phi"),
                    ("PFCands_mass", "PFCand_mass"),
                    weight="PFCands_puppiWeight",
                    extras={"charge": Quantity("PFCands_charge")},
                ),
            ),
            "raw_particles": (_nano("PFCands", charge=Quantity("PFCands_charge")),),
            "gen_fat_jets": (_nano("GenJetAK8"),),
            "gen_jets": (_nano("GenJet"),),
        },
        numbers=("run", "luminosityBlock", "event"),
        weight=Quantity("genWeight"),
        rho=Quantity(("Rho_fixedGridRhoFastjetAll", "fixedGridRhoFastjetAll")),
        sum_weights=("Runs", ("genEventSumw", "genEventSumw_")),
    )
)

SCOUTING = register_layout(
    Layout(
        "scouting",
        trees=("Events",),
        collections={
            "fat_jets": (
                _nano(
                    ("ScoutingFatJet", "ScoutingFatPFJetRecluster"),
                    **{
                        key: Quantity(
                            (f"ScoutingFatJet_{tail}", f"ScoutingFatPFJetRecluster_{tail}")
                        )
                        for key, tail in (
                            *((tau, tau) for tau in TAUS),
                            ("softdrop_mass", "msoftdrop"),
                            ("n", "nConstituents"),
                            ("area", "area"),
                        )
                    },
                ),
            ),
            "jets": (_nano("ScoutingPFJet", area=Quantity("ScoutingPFJet_jetArea")),),
            "leptons": (
                _nano(
                    "ScoutingElectron",
                    **charges("ScoutingElectron_charge", 11),
                    isolation=tuple(
                        Quantity(f"ScoutingElectron_{part}Iso", over_pt=True)
                        for part in ("track", "ecal", "hcal")
                    ),
                    identified=(
                        Quantity("ScoutingElectron_hOverE", at_most=0.1),
                        Quantity("ScoutingElectron_missingHits", at_most=1),
                    ),
                ),
                _nano(
                    "ScoutingMuon",
                    **charges("ScoutingMuon_charge", 13),
                    isolation=Quantity("ScoutingMuon_trackIso", over_pt=True),
                    identified=(
                        Quantity("ScoutingMuon_nTrackerLayersWithMeasurement", at_least=6),
                        Quantity("ScoutingMuon_nValidPixelHits", at_least=1),
                        Quantity("ScoutingMuon_normchi2", at_most=10),
                    ),
                ),
            ),
            "particles": (
                ObjectBranches(
                    "ScoutingParticle_pt",
                    "ScoutingParticle_eta",
                    "ScoutingParticle_phi",
                    ("ScoutingParticle_mass", "ScoutingParticle_m", 0.0),
                    extras={"charge": Quantity("ScoutingParticle_charge")},
                ),
            ),
            "gen_fat_jets": (_nano("GenJetAK8"),),
            "gen_jets": (_nano("GenJet"),),
        },
        numbers=("run", "luminosityBlock", "event"),
        weight=Quantity("genWeight"),
        rho=Quantity(("ScoutingRho", "ScoutingRho_fixedGridRhoFastjetAll")),
        sum_weights=("Runs", "genEventSumw"),
    )
)


def _lorentz(name: str, **extras: Extra) -> ObjectBranches:
    pt, eta, phi, energy = (f"{name}.fCoordinates.f{x}" for x in ("Pt", "Eta", "Phi", "E"))
    return ObjectBranches(pt, eta, phi, energy=energy, extras=extras)


TREEMAKER = register_layout(
    Layout(
        "treemaker",
        trees=("PreSelection", "TreeMaker2/PreSelection"),
        collections={
            "fat_jets": (
                _lorentz(
                    "JetsAK8",
                    **{f"tau{k}": Quantity(f"JetsAK8_NsubjettinessTau{k}") for k in (1, 2, 3)},
                    softdrop_mass=Quantity("JetsAK8_softDropMass"),
                    n=Quantity("JetsAK8_multiplicity"),
                ),
            ),
            "jets": (_lorentz("Jets", n=Quantity("Jets_multiplicity")),),
            "leptons": tuple(
                _lorentz(
                    name,
                    **charges(f"{name}_charge", pdg_id),
                    isolation=Quantity(f"{name}_iso"),
                    identified=Quantity(f"{name}_mediumID", at_least=1),
                )
                for name, pdg_id in (("Electrons", 11), ("Muons", 13))
            ),
            "gen_fat_jets": (_lorentz("GenJetsAK8"),),
            "gen_jets": (_lorentz("GenJets"),),
        },
        numbers=("RunNum", "LumiBlockNum", "EvtNum"),
        weight=Quantity("Weight"),  # cross section in pb over generated events, with the sign
        rho=Quantity("fixedGridRhoFastjetAll"),
    )
)
