"""The source of ROOT files: by itself, and through coffea's Runner."""

from __future__ import annotations

import shutil
from typing import Any

import awkward as ak
import numpy as np
import pytest
import uproot
from coffea.processor import IterativeExecutor

from overdensity.core import InputError
from overdensity.processors import RootSource, read_events
from overdensity.processors.sources.chunks import split


class Collected:
    """A writer that keeps the ids of the events."""

    collections = ("fat_jets",)

    def finished(self, name: str, chunk: Any) -> None:
        return None

    def write(self, name: str, chunk: Any, events: Any) -> dict[str, Any]:
        return {"ids": {name: events().event.to_list()}}


@pytest.fixture
def files(shared_data, tmp_path) -> list[str]:
    names = [str(tmp_path / f"{name}.root") for name in "ab"]
    for name in names:
        shutil.copy(shared_data / "root" / "delphes_qcd.root", name)
    return names


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


def test_a_missing_file_is_named() -> None:
    with pytest.raises(InputError, match=r"nowhere/a\.root: no such file"):
        RootSource().inspect("nowhere/a.root")


def test_a_file_of_another_kind_is_refused(tmp_path) -> None:
    (tmp_path / "a.root").write_text("not ROOT at all, but long enough to have a header" * 20)
    with pytest.raises(InputError, match=r"a\.root: not a readable ROOT file"):
        RootSource().inspect(str(tmp_path / "a.root"))


def test_a_truncated_file_is_refused(shared_data, tmp_path) -> None:
    content = (shared_data / "root" / "delphes_qcd.root").read_bytes()
    (tmp_path / "cut.root").write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match=r"cut\.root: not a readable ROOT file, perhaps truncated"):
        read_events(RootSource(), str(tmp_path / "cut.root"))


def written(path, *, kind: str, nested: bool) -> str:
    """Write the same 60 events of two jets as NanoAOD or Delphes has them, as an RNTuple or a TTree."""
    rng = np.random.default_rng(2)
    names = {"Events": ("pt", "eta", "phi", "mass"), "Delphes": ("PT", "Eta", "Phi", "Mass")}[kind]
    columns = (rng.uniform(lo, hi, 120) for lo, hi in ((300, 900), (-2, 2), (-3, 3), (0, 90)))
    jets = {
        name: ak.unflatten(x.astype(np.float32), np.full(60, 2))
        for name, x in zip(names, columns, strict=True)
    }
    with uproot.recreate(path) as file:
        if kind == "Delphes":
            number = ak.unflatten(np.arange(60), np.ones(60, np.int64))
            weight = ak.values_astype(number * 0.5, np.float32)
            event = ak.zip({"Number": number, "Weight": weight})
            file.mkrntuple("Delphes", {"FatJet": ak.zip(jets), "Event": event})
            return str(path)
        rest = {name: np.ones(60, np.uint32) for name in ("run", "luminosityBlock")}
        rest |= {"event": np.arange(60, dtype=np.uint64), "genWeight": np.full(60, 2.0)}
        flat = {f"FatJet_{name}": x for name, x in jets.items()}
        file.mkrntuple("Events", rest | ({"FatJet": ak.zip(jets)} if nested else flat))
        file.mkrntuple("Runs", {"genEventSumw": np.array([150.0, 50.0])})
    return str(path)


@pytest.mark.parametrize(
    ("kind", "nested", "total"),
    [("Events", False, 200.0), ("Events", True, 200.0), ("Delphes", True, 885.0)],
)
def test_an_rntuple_is_read_as_a_tree_is(tmp_path, kind, nested, total) -> None:
    path = written(tmp_path / "a.root", kind=kind, nested=nested)
    summary = RootSource().inspect(path, ("fat_jets",))
    assert (summary.n_events, summary.sum_weights) == (60, total)
    assert 100 < summary.event_bytes < 400
    events = read_events(RootSource(), path, collections=("fat_jets",))
    pt = np.random.default_rng(2).uniform(300, 900, 120).astype(np.float32)
    assert ak.flatten(events.fat_jets.pt).to_list() == pt.tolist()
    assert ak.array_equal(
        read_events(RootSource(), path, 7, 9, collections=("fat_jets",)), events[7:9]
    )
    chunks = {c.name: c for c in split(summary, 25)}
    result = RootSource().execute(IterativeExecutor(), chunks, Collected())
    found = [x for name in sorted(result["ids"]) for x in result["ids"][name]]
    assert (found, result["bad"]) == (events.event.to_list(), {})


def test_two_colons_in_a_name_are_said_to_be_the_reason(tmp_path) -> None:
    (tmp_path / "a::b.root").touch()
    with pytest.raises(InputError, match=r"a::b\.root: .* rename the file"):
        RootSource().inspect(tmp_path / "a::b.root")


def nano(path, **changed: Any) -> str:
    """Write five events as NanoAOD has them, with other branches."""
    two = ak.Array([[30.0, 20.0]] * 5)
    columns = {"run": np.ones(5, np.uint32), "luminosityBlock": np.ones(5, np.uint32)}
    columns |= {"event": np.arange(5, dtype=np.uint64), "genWeight": np.ones(5)}
    columns |= {f"FatJet_{name}": two for name in ("pt", "eta", "phi", "mass")}
    with uproot.recreate(path) as file:
        file.mktree("Events", {name: x for name, x in (columns | changed).items() if x is not None})
    return str(path)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"FatJet_pt": np.ones(5)}, "FatJet_pt has one number an event, not a list"),
        ({"FatJet_eta": np.ones(5)}, "FatJet_eta has one number an event, not a list"),
        ({"event": ak.Array([[1.0, 2.0]] * 5)}, r"event holds lists or records \(var"),
        ({"genWeight": ak.Array([[1.0]] * 5)}, r"genWeight holds lists or records \(var"),
        (
            {"FatJet_eta": None},
            "no fat_jets in its tree Events, read as nano; it lacks FatJet_eta;",
        ),
    ],
)
def test_a_tree_of_another_layout_is_said_to_be_one(tmp_path, changed, said) -> None:
    path = nano(tmp_path / "a.root", **changed)
    with pytest.raises(InputError, match=rf"a\.root: {said}"):
        read_events(RootSource(), path, collections=("fat_jets",))


def test_what_is_no_tree_is_named_by_its_class(tmp_path) -> None:
    with uproot.recreate(tmp_path / "a.root") as file:
        file["Events"] = np.histogram([1.0, 2.0])
    with pytest.raises(InputError, match=r"a\.root: its 'Events' is a TH1D and no tree"):
        RootSource().inspect(tmp_path / "a.root")
