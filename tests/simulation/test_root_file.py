"""ROOT files of simulated events, read by our own source and by uproot."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import awkward as ak
import numpy as np
import pytest
import uproot

from overdensity.core import InputError
from overdensity.processors import LeptonProcessor, LhcoSource, RootSource, read_events
from overdensity.simulation.lhco_file import frame_writer, padded_rows
from overdensity.simulation.root_file import tree_writer
from overdensity.simulation.selection import Events

EVENTS = Events(
    counts=np.array([3, 1]),
    objects=np.array(
        [[50.0, 0.1, 3.1], [20.0, 0.2, -3.1], [9.0, 0.1, 0.0], [30.0, 2.0, 1.0]], np.float32
    ),
    pdg_id=np.array([13, 211, -11, 22], np.int16),
    origin=np.array([[6, 24], [21, 0]], np.int32),
    prongs=np.array([[3, 2], [1, 0]], np.int8),
    weight=np.ones(2),
)
PROCESS, LABEL = np.array([1, 0], np.int16), np.array([1, 0], np.int8)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Events written in two blocks."""
    with tree_writer(tmp_path / "a.root") as tree:
        tree.append(EVENTS, PROCESS, LABEL)
        tree.append(EVENTS, PROCESS, LABEL)
        assert not (tmp_path / "a.root").exists()
    return tmp_path / "a.root"


def test_our_source_reads_particles_labels_and_leptons(path: Path) -> None:
    events = read_events(RootSource(), path, collections=("particles", "leptons"))
    assert events.particles.pt.tolist()[:2] == [[50.0, 20.0, 9.0], [30.0]]
    assert events.particles.charge.tolist()[:2] == [[-1, 1, 1], [0]]
    assert events.label.tolist() == [1, 0, 1, 0]
    assert events.leptons.pdg_id.tolist()[:2] == [[13], []]
    assert events.leptons.charge.tolist()[0] == [-1]
    np.testing.assert_allclose(events.leptons.isolation[0], [20.0 / 50.0], rtol=1e-6)
    assert LeptonProcessor().select(events).cutflow["events read"] == 4


def test_an_event_has_the_id_that_it_has_in_an_h5_file(path: Path, tmp_path: Path) -> None:
    with frame_writer(tmp_path / "a.h5", 2, 2100) as frame:
        frame.append(padded_rows(EVENTS, None))
    ids = read_events(LhcoSource(), tmp_path / "a.h5").event.tolist()
    assert len(set(ids)) == 2
    assert read_events(RootSource(), path, collections=("leptons",)).event.tolist() == 2 * ids


def test_the_truth_is_there_for_who_asks_for_it(path: Path) -> None:
    with uproot.open(path) as file:
        tree = file["events"]
        assert tree["process"].array().tolist() == [1, 0, 1, 0]
        assert tree["jet_origin"].array().tolist()[0] == [6, 24]
        assert tree["jet_prongs"].array().tolist()[1] == [1, 0]


def test_without_truth_no_branch_gives_it_away(tmp_path: Path) -> None:
    with tree_writer(tmp_path / "a.root", truth=False) as tree:
        tree.append(EVENTS, PROCESS, LABEL)
    with uproot.open(tmp_path / "a.root") as file:
        names = set(file["events"].keys())
    assert not names & {"label", "process", "jet_origin", "jet_prongs"}


def test_an_error_leaves_no_file(tmp_path: Path) -> None:
    def stopped() -> None:
        with tree_writer(tmp_path / "a.root") as tree:
            tree.append(EVENTS, PROCESS, LABEL)
            tree.append(EVENTS, PROCESS[:1], LABEL)

    with pytest.raises(ValueError, match="same number of entries"):
        stopped()
    assert list(tmp_path.iterdir()) == []


def test_files_like_those_of_delphes_have_weights_and_leptons_for_the_processor(
    tmp_path: Path,
) -> None:
    pt = [60.0, 50.0, 40.0, 30.0]
    four = Events(
        counts=np.array([5, 1]),
        objects=np.array([[x, 2.0 * (x < 30), 0.05 * x] for x in [*pt, 25.0, 20.0]], np.float32),
        pdg_id=np.array([11, -11, 13, -13, 130, 22], np.int16),
        origin=EVENTS.origin,
        prongs=EVENTS.prongs,
        weight=np.array([0.25, -3.0]),
    )
    path = tmp_path / "a.delphes.root"
    with tree_writer(path, layout="delphes") as tree:
        tree.append(four, PROCESS, LABEL)
        tree.append(four, PROCESS, LABEL)
    events = read_events(RootSource(), path, collections=("particles", "leptons"))
    assert events.weight.tolist() == [0.25, -3.0, 0.25, -3.0]
    assert ak.num(events.particles).tolist() == [5, 1, 5, 1]
    assert ak.sum(events.particles.charge != 0, axis=1).tolist() == [4, 0, 4, 0]
    columns = LeptonProcessor().select(events).columns
    assert columns["weight"].tolist() == [0.25, 0.25]
    assert [columns[f"l{i}_flavour"][0] for i in (1, 2, 3, 4)] == [11, 11, 13, 13]
    np.testing.assert_allclose([columns[f"l{i}_pt"][0] for i in (1, 2, 3, 4)], pt, rtol=1e-5)


def test_weights_of_the_generator_are_a_branch(tmp_path: Path) -> None:
    weighted = replace(EVENTS, weight=np.array([0.5, 2.0]))
    with tree_writer(tmp_path / "a.root") as tree:
        tree.append(weighted, PROCESS, LABEL)
    assert read_events(RootSource(), tmp_path / "a.root").weight.tolist() == [0.5, 2.0]
    with tree_writer(tmp_path / "b.root") as tree:
        tree.append(EVENTS, PROCESS, LABEL)
        with pytest.raises(InputError, match="simulate those with weights to a file of their own"):
            tree.append(weighted, PROCESS, LABEL)
