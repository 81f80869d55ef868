"""The kinds of files that are known, as one table; `layout_from` adds a user's own.

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
``physlite``  e: likelihood medium; μ: quality medium or         ``ptvarcone30 + 0.4 neflowisol20``:
              tight                                              ATLAS's ``PflowLoose`` is < 0.16
``delphes``   all: the card has applied its efficiencies         ``IsolationVar``
============  =================================================  ==================================
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from ...core import ConfigError, nearest_names
from .layout import COLLECTIONS, Branch, Extra, Layout, Objects, Quantity, View

__all__ = ["COLLECTIONS", "LAYOUTS", "Layout", "Objects", "Quantity", "View", "layout_from"]

_ELECTRON_MASS, _MUON_MASS = 0.000511, 0.105658  # GeV (PDG), where a file has none
_TAUS = ("tau1", "tau2", "tau3", "tau4")


def _nano(name: str | tuple[str, ...], **extras: Extra) -> Objects:
    names = name if isinstance(name, tuple) else (name,)

    def branch(*tails: str) -> Branch:
        return tuple(f"{n}_{tail}" for n in names for tail in tails)

    return Objects(branch("pt"), branch("eta"), branch("phi"), branch("mass", "m"), extras=extras)


def _of(name: str, **ours: str) -> dict[str, Extra]:
    return {key: Quantity(f"{name}_{tail}") for key, tail in ours.items()}


def _charges(branch: str, pdg_id: int) -> dict[str, Extra]:
    return {"charge": Quantity(branch), "pdg_id": Quantity(branch, scale=-pdg_id)}


_NANO = Layout(
    "nano",
    trees=("Events",),
    collections={
        "fat_jets": (
            _nano(
                "FatJet",
                **_of("FatJet", **{tau: tau for tau in _TAUS}, softdrop_mass="msoftdrop"),
                **_of("FatJet", n="nConstituents", raw_factor="rawFactor", area="area"),
            ),
        ),
        "jets": (
            _nano("Jet", **_of("Jet", n="nConstituents", raw_factor="rawFactor", area="area")),
        ),
        "leptons": (
            _nano(
                "Electron",
                **_charges("Electron_charge", 11),
                isolation=Quantity("Electron_pfRelIso03_all"),
                identified=Quantity("Electron_cutBased", at_least=3),
            ),
            _nano(
                "Muon",
                **_charges("Muon_charge", 13),
                isolation=Quantity("Muon_pfRelIso04_all"),
                identified=Quantity("Muon_mediumId", at_least=1),
            ),
        ),
        # NanoAOD v15 stores the constituents of AK8 jets as PFCand, scaled by PUPPI already;
        # PFNano all candidates as PFCands, with the weights (Bertolini et al., arXiv:1407.6013).
        "particles": (
            Objects(
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

_SCOUTING = Layout(
    "scouting",
    trees=("Events",),
    collections={
        "fat_jets": (
            _nano(
                ("ScoutingFatJet", "ScoutingFatPFJetRecluster"),
                **{
                    key: Quantity((f"ScoutingFatJet_{tail}", f"ScoutingFatPFJetRecluster_{tail}"))
                    for key, tail in (
                        *((tau, tau) for tau in _TAUS),
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
                **_charges("ScoutingElectron_charge", 11),
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
                **_charges("ScoutingMuon_charge", 13),
                isolation=Quantity("ScoutingMuon_trackIso", over_pt=True),
                identified=(
                    Quantity("ScoutingMuon_nTrackerLayersWithMeasurement", at_least=6),
                    Quantity("ScoutingMuon_nValidPixelHits", at_least=1),
                    Quantity("ScoutingMuon_normchi2", at_most=10),
                ),
            ),
        ),
        "particles": (
            Objects(
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


def _lorentz(name: str, **extras: Extra) -> Objects:
    pt, eta, phi, energy = (f"{name}.fCoordinates.f{x}" for x in ("Pt", "Eta", "Phi", "E"))
    return Objects(pt, eta, phi, energy=energy, extras=extras)


_TREEMAKER = Layout(
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
                **_charges(f"{name}_charge", pdg_id),
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


def _physlite(name: str, mass: Branch | None = None, /, **extras: Extra) -> Objects:
    pt, eta, phi, m = (
        f"{name}{'' if '.' in name else 'AuxDyn.'}{x}" for x in ("pt", "eta", "phi", "m")
    )
    return Objects(pt, eta, phi, m if mass is None else mass, unit=1e-3, extras=extras)


def _flow_isolation(tracks: str, neutral: str) -> Extra:
    return (Quantity(tracks, over_pt=True), Quantity(neutral, over_pt=True, scale=0.4))


_PHYSLITE = Layout(
    "physlite",
    trees=("CollectionTree",),
    collections={
        "fat_jets": (
            _physlite(
                "AnalysisLargeRJets",
                **{f"tau{k}": Quantity(f"AnalysisLargeRJetsAuxDyn.Tau{k}_wta") for k in (1, 2, 3)},
                c2=Quantity("AnalysisLargeRJetsAuxDyn.C2"),
                d2=Quantity("AnalysisLargeRJetsAuxDyn.D2"),
            ),
        ),
        "jets": (_physlite("AnalysisJets"),),
        "leptons": (
            _physlite(
                "AnalysisElectrons",
                **_charges("AnalysisElectronsAuxDyn.charge", 11),
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
                **_charges("AnalysisMuonsAuxDyn.charge", 13),
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


def _delphes(name: str, pt: str = "PT", mass: Branch = 0.0, /, **extras: Extra) -> Objects:
    return Objects(f"{name}.{pt}", f"{name}.Eta", f"{name}.Phi", mass, extras=extras)


def _delphes_jets(name: str, radius: float | None = None) -> Objects:
    """Return jets; those with a radius have N-subjettiness, which Delphes does not normalise."""
    taus: dict[str, Extra] = {}
    if radius is not None:
        for k, tau in enumerate(_TAUS):
            taus[tau] = Quantity(f"{name}.Tau[5]", index=k, over_pt=True, scale=1 / radius)
    n = (Quantity(f"{name}.NCharged"), Quantity(f"{name}.NNeutrals"))
    return _delphes(name, "PT", f"{name}.Mass", n=n, **taus)


def _delphes_leptons(name: str, pdg_id: int, mass: float) -> Objects:
    extras: dict[str, Extra] = _charges(f"{name}.Charge", pdg_id)
    extras |= {"isolation": Quantity(f"{name}.IsolationVar")}
    return _delphes(name, "PT", mass, identified=1.0, **extras)


_DELPHES = Layout(
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

_FLAT_EXTRAS = (*_TAUS, "softdrop_mass", "n", "raw_factor", "area", "c2", "d2", "charge")
_FLAT_EXTRAS += ("pdg_id", "isolation", "identified")


def _flat(name: str) -> Objects:
    pt, eta, phi, mass = (f"{name}_{x}" for x in ("pt", "eta", "phi", "mass"))
    extras = {
        key: Quantity(f"{name}_{key}", at_least=1 if key == "identified" else None)
        for key in _FLAT_EXTRAS
    }
    return Objects(pt, eta, phi, (mass, 0.0), extras=extras)


_FLAT = Layout(
    "flat",
    trees=("events", "Events", "tree"),
    collections={name: (_flat(name),) for name in COLLECTIONS},
    event="event",
    weight=Quantity("weight"),
    label=Quantity("label"),
    rho=Quantity("rho"),
)

LAYOUTS: dict[str, Layout] = {
    layout.name: layout for layout in (_NANO, _SCOUTING, _TREEMAKER, _PHYSLITE, _DELPHES, _FLAT)
}


def layout_from(values: Mapping[str, Any]) -> Layout:
    """Return the layout that a user describes in YAML.

    Parameters
    ----------
    values : mapping
        ``tree`` (or ``trees``); ``collections``, a mapping of names of `COLLECTIONS` to what
        `Objects` has, or to a list of that; and what `Layout` has besides. A quantity is the name
        of a branch, a mapping of what `Quantity` has, or a list of such.

    Raises
    ------
    ConfigError
        If a key is unknown or missing, or a value of the wrong kind.

    Examples
    --------
    >>> layout = layout_from(
    ...     {
    ...         "tree": "ntuple",
    ...         "collections": {"jets": {"pt": "jpt", "eta": "jeta", "phi": "jphi", "unit": 1e-3}},
    ...         "numbers": ["run", "lumi", "evt"],
    ...     }
    ... )
    >>> sorted(layout.branches(["jets"]))
    ['evt', 'jeta', 'jphi', 'jpt', 'lumi', 'run']
    """
    where = "layout"
    known = {"tree", *(f.name for f in fields(Layout))}
    given = _checked(values, known, where)
    trees = _names(given.get("trees", given.get("tree", ())), f"{where}.tree")
    if not isinstance(given.get("collections"), Mapping) or not given["collections"]:
        msg = f"{where}.collections: say where the particles or jets are, one key a collection"
        raise ConfigError(msg)
    collections = {
        name: _objects(each, f"{where}.collections.{name}")
        for name, each in _checked(
            given["collections"], set(COLLECTIONS), f"{where}.collections"
        ).items()
    }
    numbers = tuple(_branch(x, f"{where}.numbers") for x in _listed(given.get("numbers", ())))
    if len(numbers) > 3:
        msg = f"{where}.numbers has {len(numbers)} branches; run, luminosity block, event: up to 3"
        raise ConfigError(msg)
    sums = given.get("sum_weights")
    if sums is not None:
        sums = _checked(sums, {"tree", "branch"}, f"{where}.sum_weights", all_of_them=True)
        sums = (str(sums["tree"]), _branch(sums["branch"], f"{where}.sum_weights.branch"))
    return Layout(
        str(given.get("name", "own")),
        trees,
        collections,
        numbers=numbers,
        sum_weights=sums,
        event=_branch(given["event"], f"{where}.event") if "event" in given else None,
        channel=_branch(given["channel"], f"{where}.channel") if "channel" in given else None,
        **{
            key: _quantity(given[key], f"{where}.{key}")
            for key in ("weight", "label", "rho")
            if key in given
        },
    )


def _objects(values: Any, where: str) -> tuple[Objects, ...]:
    result: list[Objects] = []
    for each in _listed(values):
        given = _checked(each, {f.name for f in fields(Objects)}, where)
        for key in ("pt", "eta", "phi"):
            if key not in given:
                msg = f"{where}.{key} is missing: the name of a branch"
                raise ConfigError(msg)
        extras: dict[str, Extra] = {}
        for name, extra in _mapping(given.pop("extras", {}), f"{where}.extras").items():
            place = f"{where}.extras.{name}"
            if isinstance(extra, int | float):
                extras[str(name)] = float(extra)
            else:
                extras[str(name)] = tuple(_quantity(q, place) for q in _listed(extra))
        unit = _number(given.pop("unit", 1.0), f"{where}.unit")
        branches = {key: _branch(x, f"{where}.{key}") for key, x in given.items()}
        result.append(Objects(**branches, unit=unit, extras=extras))
    return tuple(result)


def _quantity(values: Any, where: str) -> Quantity:
    if not isinstance(values, Mapping):
        return Quantity(_branch(values, where))
    given = _checked(values, {f.name for f in fields(Quantity)}, where)
    if "branch" not in given:
        msg = f"{where}.branch is missing: the name of a branch"
        raise ConfigError(msg)
    branch = _branch(given.pop("branch"), f"{where}.branch")
    numbers = {key: _number(x, f"{where}.{key}") for key, x in given.items() if x is not None}
    for key in numbers.keys() & {"index", "mask"}:
        numbers[key] = int(numbers[key])
    if "over_pt" in numbers:
        numbers["over_pt"] = bool(numbers["over_pt"])
    return Quantity(branch, **numbers)


def _branch(value: Any, where: str) -> Branch:
    spellings = _listed(value)
    for x in spellings:
        if isinstance(x, bool) or not isinstance(x, str | int | float):
            msg = f"{where} is {x!r}; it takes the name of a branch"
            raise ConfigError(msg)
    return tuple(spellings) if len(spellings) > 1 else spellings[0]


def _checked(
    values: Any, known: set[str], where: str, *, all_of_them: bool = False
) -> dict[str, Any]:
    given = dict(_mapping(values, where))
    for key in given:
        if key not in known:
            msg = f"{where} has no key {key!r}: {nearest_names(str(key), known)}"
            raise ConfigError(msg)
    if all_of_them and (lacks := known - given.keys()):
        msg = f"{where} lacks {', '.join(sorted(lacks))}"
        raise ConfigError(msg)
    return given


def _mapping(values: Any, where: str) -> Mapping[Any, Any]:
    if not isinstance(values, Mapping):
        msg = f"{where} is {values!r}; it takes keys and values"
        raise ConfigError(msg)
    return values


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]


def _names(value: Any, where: str) -> tuple[str, ...]:
    names = _listed(value)
    if not all(isinstance(name, str) for name in names):
        msg = f"{where} is {value!r}; it takes the name of a tree"
        raise ConfigError(msg)
    return tuple(names)


def _number(value: Any, where: str) -> Any:
    if not isinstance(value, int | float):
        msg = f"{where} is {value!r}; it takes a number"
        raise ConfigError(msg)
    return value
