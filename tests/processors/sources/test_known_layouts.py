"""The table of formats: every real file, every schema of coffea, and a user's own layout."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from functools import cache

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
from overdensity.processors import (
    LAYOUTS,
    Layout,
    RootSource,
    make_source,
    read_events,
    register_layout,
)
from overdensity.processors.sources.branches import ObjectBranches
from overdensity.processors.sources.known_layouts import charges

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


@pytest.fixture(scope="module")
def events_of(shared_data) -> Callable[[str], ak.Array]:
    """What is read of a file, once."""

    @cache
    def read(name: str) -> ak.Array:
        path = str(shared_data / "root" / f"{name}.root")
        return read_events(RootSource(), path, collections=FILES[name][1])

    return read


@pytest.mark.parametrize("name", FILES)
def test_every_real_file_is_recognised_and_read(events_of, name) -> None:
    events, collections = events_of(name), FILES[name][1]
    assert len(np.unique(ak.to_numpy(events.event))) == len(events)
    for collection in set(collections) - {"rho"}:
        objects = events[collection]
        assert objects.fields[:4] == ["pt", "eta", "phi", "mass"]
        assert ak.all(objects.pt > 0)
        assert ak.all(abs(objects.phi) < 3.1416)


@pytest.mark.parametrize(
    ("name", "schema"),
    [
        pytest.param("pfnano", BaseSchema, marks=pytest.mark.slow(seconds=10)),
        ("pfnano", NanoAODSchema),
        ("scouting_nano", ScoutingNanoAODSchema),
        ("treemaker", TreeMakerSchema),
        pytest.param("PHYSLITE_example", BaseSchema, marks=pytest.mark.slow(seconds=10)),
        ("PHYSLITE_example", PHYSLITESchema),
        ("delphes_ttbar", BaseSchema),
    ],
)
@pytest.mark.filterwarnings("ignore::RuntimeWarning:coffea", "ignore::UserWarning:coffea")
def test_a_view_makes_the_same_events_in_a_runner(
    shared_data, events_of, name, schema, capsys
) -> None:
    kind, collections = FILES[name]
    if schema is PHYSLITESchema:  # which does not keep the density of pile-up
        collections = tuple(x for x in collections if x != "rho")
    path = str(shared_data / "root" / f"{name}.root")
    view = pickle.loads(pickle.dumps(LAYOUTS[kind].view(*collections)))
    run = Runner(executor=IterativeExecutor(retries=0), schema=schema, chunksize=100)
    chunks = run.run(
        {"data": [path]},
        processor_instance=lambda events: {"events": [view(events)]},
        treename=LAYOUTS[kind].trees[0],
    )["out"]["events"]
    expected = events_of(name)
    fields = set(chunks[0].fields)
    assert fields >= {*collections, "event"}
    assert len(chunks) == 1 + (len(expected) > 100)
    for field in fields:
        found = ak.concatenate([chunk[field] for chunk in chunks])
        assert ak.array_equal(found, expected[field], equal_nan=True), field


def test_a_layout_from_outside_reads_files(tmp_path) -> None:
    jets = ObjectBranches("j_pt", "j_eta", "j_phi")
    layout = register_layout(Layout("mine", trees=("mine",), collections={"jets": (jets,)}))
    try:
        with uproot.recreate(tmp_path / "a.root") as file:
            file.mktree("mine", {f"j_{x}": ak.Array([[1.0], []]) for x in ("pt", "eta", "phi")})
        for source in (RootSource(), RootSource("mine"), make_source("root", layout="mine")):
            events = read_events(source, tmp_path / "a.root", collections=("jets",))
            assert events.jets.pt.to_list() == [[1.0], []]
    finally:
        LAYOUTS.remove(layout.name)


def test_a_name_is_taken_once() -> None:
    other = Layout("nano", trees=(), collections={})
    with pytest.raises(ConfigError, match="two layouts are called 'nano'"):
        register_layout(other)


@pytest.mark.parametrize("name", ["nano", "scouting", "treemaker", "physlite", "delphes", "flat"])
def test_all_of_a_layout_is_plain_json(name) -> None:
    assert json.loads(json.dumps(LAYOUTS[name].settings()))["name"] == name


def test_the_pdg_code_has_the_sign_of_the_particle() -> None:
    made = charges("Muon_charge", 13)
    charge = np.array([-1, 1])
    assert {name: x.of(charge, charge).tolist() for name, x in made.items()} == {
        "charge": [-1, 1],
        "pdg_id": [13, -13],
    }
