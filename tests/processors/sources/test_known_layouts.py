"""The table of formats: every real file, every schema of coffea, and a user's own layout."""

from __future__ import annotations

import pickle

import awkward as ak
import numpy as np
import pytest
import uproot
from coffea.nanoevents import (
    BaseSchema,
    NanoAODSchema,
    PHYSLITESchema,
    ScoutingNanoAODSchema,
    TreeMakerSchema,
)
from coffea.processor import IterativeExecutor, Runner

from overdensity.core import ConfigError
from overdensity.processors import LAYOUTS, RootSource, layout_from, read_events

FILES = {
    "pfnano": ("nano", ("particles", "raw_particles", "fat_jets", "jets", "leptons", "rho")),
    "nano_tt_v15": ("nano", ("particles", "fat_jets", "jets", "leptons", "gen_jets", "rho")),
    "nano_dy": ("nano", ("fat_jets", "jets", "leptons", "gen_fat_jets", "gen_jets", "rho")),
    "nano_dimuon": ("nano", ("fat_jets", "jets", "leptons", "rho")),
    "scouting_nano": ("scouting", ("fat_jets", "jets", "leptons", "gen_jets", "rho")),
    "treemaker": ("treemaker", ("fat_jets", "jets", "leptons", "gen_fat_jets", "rho")),
    "PHYSLITE_example": ("physlite", ("fat_jets", "jets", "leptons", "gen_jets", "rho")),
    "delphes_qcd": ("delphes", ("particles", "fat_jets", "jets", "leptons", "gen_jets")),
    "delphes_ttbar": ("delphes", ("particles", "fat_jets", "jets", "leptons")),
    "delphes_zz4l": ("delphes", ("particles", "fat_jets", "jets", "leptons")),
}


@pytest.mark.parametrize("name", FILES)
def test_every_real_file_is_recognised_and_read(shared_data, name) -> None:
    _, collections = FILES[name]
    path = str(shared_data / "root" / f"{name}.root")
    events = read_events(RootSource(), path, collections=collections)
    assert len(np.unique(ak.to_numpy(events.event))) == len(events)
    for collection in set(collections) - {"rho"}:
        objects = events[collection]
        assert objects.fields[:4] == ["pt", "eta", "phi", "mass"]
        assert ak.all(objects.pt > 0)
        assert ak.all(abs(objects.phi) < 3.1416)


@pytest.mark.parametrize(
    ("name", "schema"),
    [
        ("pfnano", BaseSchema),
        ("pfnano", NanoAODSchema),
        ("scouting_nano", ScoutingNanoAODSchema),
        ("treemaker", TreeMakerSchema),
        ("PHYSLITE_example", BaseSchema),
        ("PHYSLITE_example", PHYSLITESchema),
        ("delphes_ttbar", BaseSchema),
    ],
)
@pytest.mark.filterwarnings("ignore::RuntimeWarning:coffea", "ignore::UserWarning:coffea")
def test_a_view_makes_the_same_events_in_a_runner(shared_data, name, schema, capsys) -> None:
    kind, collections = FILES[name]
    if schema is PHYSLITESchema:  # which does not keep the density of pile-up
        collections = tuple(x for x in collections if x != "rho")
    path = str(shared_data / "root" / f"{name}.root")
    view = pickle.loads(pickle.dumps(LAYOUTS[kind].view(*collections)))
    run = Runner(executor=IterativeExecutor(retries=0), schema=schema, chunksize=60)
    chunks = run.run(
        {"data": [path]},
        processor_instance=lambda events: {"events": [view(events)]},
        treename=LAYOUTS[kind].trees[0],
    )["out"]["events"]
    expected = read_events(RootSource(), path, collections=collections)
    for field in expected.fields:
        found = ak.concatenate([chunk[field] for chunk in chunks])
        assert ak.array_equal(found, expected[field], equal_nan=True), field


def test_atlas_energies_become_gev(shared_data) -> None:
    path = str(shared_data / "root" / "PHYSLITE_example.root")
    jets = read_events(RootSource(), path, collections=("jets",)).jets
    stored = uproot.open(path)["CollectionTree"]["AnalysisJetsAuxDyn.pt"].array()
    np.testing.assert_allclose(ak.flatten(jets.pt), ak.flatten(stored) / 1000, rtol=1e-6)


def test_leptons_are_electrons_and_muons_with_the_sign_of_the_pdg(shared_data) -> None:
    path = str(shared_data / "root" / "nano_dimuon.root")
    leptons = read_events(RootSource(), path, collections=("leptons",)).leptons
    tree = uproot.open(path)["Events"]
    stored = ak.concatenate([tree["Electron_pdgId"].array(), tree["Muon_pdgId"].array()], axis=1)
    assert leptons.pdg_id.to_list() == stored.to_list()
    assert ak.all(np.sign(leptons.pdg_id) == -leptons.charge)


def test_energy_becomes_mass(shared_data) -> None:
    path = str(shared_data / "root" / "treemaker.root")
    jets = read_events(RootSource(), path, collections=("fat_jets",)).fat_jets
    stored = uproot.open(path)["PreSelection"]["JetsAK8/JetsAK8.fCoordinates.fE"].array()
    np.testing.assert_allclose(ak.flatten(jets.E), ak.flatten(stored), rtol=1e-9)


def test_a_layout_of_ones_own_reads_the_branches_it_names(tmp_path) -> None:
    with uproot.recreate(tmp_path / "a.root") as file:
        columns = {f"jet_{x}": ak.Array([[30e3, 20e3], [10e3]]) for x in ("pt", "m")}
        columns |= {f"jet_{x}": ak.Array([[0.5, -1.0], [2.0]]) for x in ("eta", "phi")}
        file.mktree("ntuple", {**columns, "number": np.array([7, 8])})
    layout = layout_from(
        {
            "tree": "ntuple",
            "collections": {
                "jets": {
                    "pt": "jet_pt", "eta": "jet_eta", "phi": "jet_phi", "mass": "jet_m",
                    "unit": 1e-3, "extras": {"tau1": {"branch": "jet_eta", "scale": 2}},
                }
            },
            "numbers": ["number"],
        }
    )  # fmt: skip
    source = RootSource(layout)
    events = read_events(source, tmp_path / "a.root", collections=("jets",))
    assert events.jets.pt.to_list() == [[30.0, 20.0], [10.0]]
    assert events.jets.tau1.to_list() == [[1.0, -2.0], [4.0]]
    assert source.settings()["layouts"][0]["collections"]["jets"][0]["unit"] == 1e-3


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"tre": "t"}, r"layout has no key 'tre': did you mean 'tree'"),
        ({"tree": "t"}, "say where the particles or jets are"),
        ({"collections": {"jet": {}}}, "no key 'jet': did you mean 'jets'"),
        ({"collections": {"jets": {"pt": "a"}}}, r"layout\.collections\.jets\.eta is missing"),
        (
            {"collections": {"jets": {"pt": "a", "eta": "b", "phi": "c", "unit": "MeV"}}},
            r"jets\.unit is 'MeV'; it takes a number",
        ),
    ],
)
def test_a_bad_description_is_refused(values, message) -> None:
    with pytest.raises(ConfigError, match=message):
        layout_from(values)
