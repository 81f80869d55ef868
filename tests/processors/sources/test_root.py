"""The source of ROOT files: by itself, and through coffea's Runner."""

from __future__ import annotations

import shutil

import awkward as ak
import pytest
import uproot

from overdensity.core import InputError
from overdensity.processors import RootSource, read_events


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
