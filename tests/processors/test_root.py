"""Sources of ROOT files."""

from __future__ import annotations

from pathlib import Path

import awkward as ak
import numpy as np
import pytest
import uproot

from overdensity.core import ConfigError, InputError
from overdensity.processors import DelphesEFlow, PFNano, RootSource, read_events


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
    raw = read_events(RootSource("nano_unweighted"), path).particles
    assert ak.all(raw.mass == stored.PFCands_mass)


def test_candidates_without_puppi_weight_are_recognised(tmp_path) -> None:
    path = write_nano(tmp_path / "a.root", puppi=False)
    assert len(read_events(RootSource(), path)) == 5
    with pytest.raises(InputError, match=r"needed are nano: .*PFCands_puppiWeight"):
        RootSource("nano").inspect(path)


def test_nano_ids_are_of_run_block_and_event(tmp_path) -> None:
    one = read_events(RootSource(), write_nano(tmp_path / "a.root", 5)).event
    other = read_events(RootSource(), write_nano(tmp_path / "b.root", 3)).event
    assert len(np.unique(ak.to_numpy(one))) == 5
    assert other.tolist() == one[:3].tolist()


def test_delphes_events_hold_tracks_photons_and_neutral_hadrons(shared_data) -> None:
    path = str(shared_data / "root" / "delphes_qcd.root")
    tree = uproot.open(path)["Delphes"]
    events = read_events(RootSource(), path)
    expected = sum(
        ak.sum(tree[name].array(), axis=1)
        for name in ("EFlowTrack.PT", "EFlowPhoton.ET", "EFlowNeutralHadron.ET")
    )
    np.testing.assert_allclose(ak.sum(events.particles.pt, axis=1), expected, rtol=1e-5)
    assert len(np.unique(ak.to_numpy(events.event))) == len(events) == 250


def test_a_range_is_the_slice_of_the_whole(shared_data) -> None:
    path = str(shared_data / "root" / "delphes_qcd.root")
    whole = read_events(RootSource("delphes"), path)
    assert ak.array_equal(read_events(RootSource("delphes"), path, 100, 130), whole[100:130])


def test_a_file_without_particles_says_what_is_needed(shared_data) -> None:
    with pytest.raises(
        InputError, match=r"nano_dy\.root: no particles in its trees Events, Runs; needed"
    ):
        RootSource().inspect(str(shared_data / "root" / "nano_dy.root"))


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ConfigError, match="no particles 'delfes': did you mean 'delphes'"):
        RootSource("delfes")


def test_a_missing_file_is_named() -> None:
    with pytest.raises(InputError, match=r"nowhere/a\.root: no such file"):
        RootSource().inspect("nowhere/a.root")


def test_a_file_of_another_kind_is_refused(tmp_path) -> None:
    (tmp_path / "a.root").write_text("not ROOT at all, but long enough to have a header" * 20)
    with pytest.raises(InputError, match=r"a\.root: not a readable ROOT file"):
        RootSource().inspect(str(tmp_path / "a.root"))


def test_a_truncated_file_is_refused(tmp_path) -> None:
    content = Path(write_nano(tmp_path / "a.root", 5000)).read_bytes()
    (tmp_path / "cut.root").write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match=r"cut\.root: not a readable ROOT file, perhaps truncated"):
        read_events(RootSource(), str(tmp_path / "cut.root"))


def test_views_name_branches_that_exist(shared_data) -> None:
    for view, name in ((PFNano(), "pfnano"), (DelphesEFlow(), "delphes_qcd")):
        tree = uproot.open(shared_data / "root" / f"{name}.root")[view.tree]
        assert {key.rpartition("/")[2] for key in tree.iterkeys()}.issuperset(view.branches)
