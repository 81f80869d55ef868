"""NanoAOD and TreeMaker of CMS."""

from __future__ import annotations

from pathlib import Path

import awkward as ak
import numpy as np
import uproot

from overdensity.processors import RootSource, read_events
from overdensity.processors.sources.layouts.cms import NANO, TREEMAKER


def write_nano(path: Path, n_events: int = 5, *, puppi: bool = True) -> str:
    rng = np.random.default_rng(4)
    counts = rng.integers(0, 9, n_events)
    names = ["pt", "eta", "phi", "mass", *(["puppiWeight"] if puppi else [])]
    candidates = {name: ak.unflatten(rng.random(counts.sum()), counts) for name in names}
    with uproot.recreate(path) as file:
        columns = {
            "PFCands": ak.zip(candidates),
            "run": np.full(n_events, 2, np.uint32),
            "luminosityBlock": np.arange(n_events, dtype=np.uint32),
            "event": np.arange(n_events, dtype=np.uint64),
        }
        file.mktree("Events", columns)
    return str(path)


def test_nano_candidates_are_scaled_by_their_puppi_weight(tmp_path) -> None:
    path = write_nano(tmp_path / "a.root")
    stored = uproot.open(path)["Events"].arrays()
    particles = read_events(RootSource(), path).particles
    kept = stored.PFCands_puppiWeight > 0
    expected = (stored.PFCands_pt * stored.PFCands_puppiWeight)[kept]
    assert ak.all(particles.pt == expected)
    raw = read_events(RootSource(NANO), path, collections=("raw_particles",)).raw_particles
    assert ak.all(raw.mass == stored.PFCands_mass)


def test_candidates_without_puppi_weight_are_taken_as_they_are(tmp_path) -> None:
    path = write_nano(tmp_path / "a.root", puppi=False)
    events = read_events(RootSource(), path, collections=("particles", "raw_particles"))
    assert ak.array_equal(events.particles.pt, events.raw_particles.pt)


def test_nano_ids_are_of_run_block_and_event(tmp_path) -> None:
    one = read_events(RootSource(), write_nano(tmp_path / "a.root", 5)).event
    other = read_events(RootSource(), write_nano(tmp_path / "b.root", 3)).event
    assert len(np.unique(ak.to_numpy(one))) == 5
    assert other.tolist() == one[:3].tolist()


def test_leptons_are_electrons_and_muons_with_the_sign_of_the_pdg(shared_data) -> None:
    path = str(shared_data / "root" / "nano_dimuon.root")
    leptons = read_events(RootSource(), path, collections=("leptons",)).leptons
    tree = uproot.open(path)["Events"]
    stored = ak.concatenate([tree["Electron_pdgId"].array(), tree["Muon_pdgId"].array()], axis=1)
    assert leptons.pdg_id.to_list() == stored.to_list()
    assert ak.all(np.sign(leptons.pdg_id) == -leptons.charge)


def test_energy_becomes_mass(shared_data) -> None:
    path = str(shared_data / "root" / "treemaker.root")
    jets = read_events(RootSource(TREEMAKER), path, collections=("fat_jets",)).fat_jets
    stored = uproot.open(path)["PreSelection"]["JetsAK8/JetsAK8.fCoordinates.fE"].array()
    np.testing.assert_allclose(ak.flatten(jets.E), ak.flatten(stored), rtol=1e-9)
