"""The source of ROOT files: by itself, and through coffea's Runner."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
import uproot
from coffea.processor import FuturesExecutor, IterativeExecutor

from overdensity.core import ConfigError, InputError
from overdensity.processors import RootSource, read_events
from overdensity.processors.sources.chunks import split


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


class Counter:
    """A writer that counts events; `broken` is the chunk it cannot write."""

    collections = ("fat_jets",)

    def __init__(self, *, broken: str = "", there: tuple[str, ...] = ()) -> None:
        self.broken, self.there = broken, there

    def finished(self, name: str, chunk: Any) -> dict[str, Any] | None:
        return {"events": 0, "reused": 1} if name in self.there else None

    def write(self, name: str, chunk: Any, events: Any) -> dict[str, Any]:
        if name == self.broken:
            msg = "disk full"
            raise InputError(msg)
        try:
            return {"events": len(events()), "ids": {name: events().event.to_list()}}
        except InputError as error:
            return {"bad": {name: str(error)}}


@pytest.fixture
def files(shared_data, tmp_path) -> list[str]:
    names = [str(tmp_path / f"{name}.root") for name in "abc"]
    for name in names:
        shutil.copy(shared_data / "root" / "delphes_qcd.root", name)
    return names


def pieces(files: list[str]) -> dict[str, Any]:
    source = RootSource()
    return {c.name: c for f in files for c in split(source.inspect(f, ("fat_jets",)), 100)}


def test_nano_candidates_are_scaled_by_their_puppi_weight(tmp_path) -> None:
    path = write_nano(tmp_path / "a.root")
    stored = uproot.open(path)["Events"].arrays()
    particles = read_events(RootSource(), path).particles
    kept = stored.PFCands_puppiWeight > 0
    expected = (stored.PFCands_pt * stored.PFCands_puppiWeight)[kept]
    assert ak.all(particles.pt == expected)
    raw = read_events(RootSource("nano"), path, collections=("raw_particles",)).raw_particles
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


def test_delphes_events_hold_tracks_photons_and_neutral_hadrons(shared_data) -> None:
    path = str(shared_data / "root" / "delphes_qcd.root")
    tree = uproot.open(path)["Delphes"]
    events = read_events(RootSource(), path)
    expected = sum(
        ak.sum(tree[name].array(), axis=1)
        for name in ("EFlowTrack.PT", "EFlowPhoton.ET", "EFlowNeutralHadron.ET")
    )
    np.testing.assert_allclose(ak.sum(events.particles.pt, axis=1), expected, rtol=1e-5)
    charged = ak.num(tree["EFlowTrack.PT"].array())
    assert ak.sum(events.particles.charge != 0, axis=1).tolist() == charged.tolist()
    assert len(np.unique(ak.to_numpy(events.event))) == len(events) == 250


def test_a_range_is_the_slice_of_the_whole(shared_data) -> None:
    path = str(shared_data / "root" / "delphes_qcd.root")
    whole = read_events(RootSource("delphes"), path)
    assert ak.array_equal(read_events(RootSource("delphes"), path, 100, 130), whole[100:130])


def test_ids_do_not_depend_on_what_is_read(shared_data) -> None:
    path = str(shared_data / "root" / "delphes_ttbar.root")
    ids = [
        read_events(RootSource(), path, collections=(name,)).event.to_list()
        for name in ("particles", "fat_jets", "leptons")
    ]
    assert ids[0] == ids[1] == ids[2]


def test_a_copy_under_another_name_keeps_its_ids(files) -> None:
    assert len({RootSource().inspect(name).identity for name in files}) == 1


def test_the_sum_of_weights_is_of_the_runs_tree(shared_data) -> None:
    source, folder = RootSource(), shared_data / "root"
    assert source.inspect(folder / "nano_dy.root", ("jets",)).sum_weights == pytest.approx(
        uproot.open(folder / "nano_dy.root")["Runs"]["genEventSumw_"].array()[0]
    )
    assert source.inspect(folder / "nano_dimuon.root", ("jets",)).sum_weights is None
    assert source.inspect(folder / "delphes_qcd.root", ("jets",)).sum_weights == 250


def test_a_file_without_particles_says_what_it_has(shared_data) -> None:
    with pytest.raises(
        InputError,
        match=r"nano_dy\.root: no particles in its tree Events, read as nano; it lacks PFCands_pt "
        r".*the collections it has are fat_jets, jets, leptons, gen_fat_jets, gen_jets",
    ):
        RootSource().inspect(str(shared_data / "root" / "nano_dy.root"))


def test_an_unknown_layout_is_refused() -> None:
    with pytest.raises(ConfigError, match="no layout 'delfes': did you mean 'delphes'"):
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


@pytest.mark.parametrize("executor", [IterativeExecutor(), FuturesExecutor(workers=2)])
def test_the_runner_reads_what_uproot_reads(files, executor) -> None:
    result = RootSource().execute(executor, pieces(files[:1]), Counter())
    expected = read_events(RootSource(), files[0], collections=("fat_jets",)).event.to_list()
    found = [x for name in sorted(result["ids"]) for x in result["ids"][name]]
    assert found == expected
    assert result["bad"] == {}


@pytest.mark.filterwarnings("ignore::UserWarning:coffea")
@pytest.mark.parametrize("executor", [IterativeExecutor(), FuturesExecutor(workers=2)])
def test_files_lost_or_damaged_after_inspection_do_not_stop_the_others(files, executor) -> None:
    chunks = pieces(files)
    Path(files[1]).unlink()
    content = bytearray(Path(files[2]).read_bytes())
    content[2000:-60000] = bytes(len(content) - 62000)
    Path(files[2]).write_bytes(content)
    result = RootSource(retries=1).execute(executor, chunks, Counter())
    assert result["events"] == 250
    assert {name for name in result["bad"] if name.startswith(files[1])} == {
        f"{files[1]} [0:100]", f"{files[1]} [100:200]", f"{files[1]} [200:250]"
    }  # fmt: skip
    assert result["bad"][f"{files[1]} [0:100]"] == f"{files[1]}: no such file"
    assert len(result["bad"]) == 6


def test_an_error_of_the_writer_is_raised_as_it_is(files) -> None:
    writer = Counter(broken="a-000000100-000000200")
    with pytest.raises(InputError) as error:
        RootSource().execute(IterativeExecutor(), pieces(files[:1]), writer)
    assert str(error.value) == "disk full"


def test_a_finished_chunk_is_not_opened(files) -> None:
    chunks = pieces(files[:1])
    Path(files[0]).unlink()
    result = RootSource("delphes").execute(
        IterativeExecutor(), chunks, Counter(there=tuple(chunks))
    )
    assert result == {"events": 0, "reused": 3, "bad": {}}
