"""Whole files: truth, selection, determinism, reports and errors."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from concurrent.futures import Executor, Future
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from pathlib import Path

import fastjet
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from overdensity.core import InputError, OverdensityError
from overdensity.core.local_workers import InProcess
from overdensity.processors import LeptonProcessor, RootSource, process, read_events
from overdensity.simulation import (
    Recipe,
    SimulationReport,
    ZprimeMasses,
    read_recipe,
    simulate,
    simulate_recipe,
)
from overdensity.simulation.production import _chunk_size
from overdensity.simulation.recipes.reading import recipe_of

pytest.importorskip("pythia8mc")


def frame_of(report: SimulationReport) -> pd.DataFrame:
    frame = pd.read_hdf(report.path)
    assert isinstance(frame, pd.DataFrame)
    return frame


def test_file_has_the_shape_and_the_truth_of_the_format(small_run: SimulationReport) -> None:
    frame = frame_of(small_run)
    assert frame.shape == (100, 2101)
    assert (frame.dtypes == np.float64).all()
    assert sorted(frame[2100]) == [0.0] * 80 + [1.0] * 20


def test_events_are_shuffled(small_run: SimulationReport) -> None:
    label = frame_of(small_run)[2100].to_numpy()
    # Runs of equal labels in 100 places with 20 ones: 33 ± 3.2 if shuffled, 2 if not.
    assert (np.diff(label) != 0).sum() > 15


def test_rows_are_ordered_and_padded(small_run: SimulationReport) -> None:
    objects = frame_of(small_run).to_numpy()[:, :2100].reshape(-1, 700, 3)
    used = objects[..., 0] > 0
    counts = used.sum(axis=1)
    assert 20 < counts.min() <= counts.max() < 700
    assert (np.diff(objects[..., 0], axis=1) <= 0).all()  # also: no gaps before the padding
    assert not objects[~used].any()
    assert np.abs(objects[..., 1]).max() <= 5.0
    assert np.abs(objects[..., 2]).max() <= np.float32(np.pi)


def test_every_event_has_its_hard_jet(small_run: SimulationReport) -> None:
    definition = fastjet.JetDefinition(fastjet.antikt_algorithm, 1.0)
    for row in frame_of(small_run).to_numpy()[:40, :2100].reshape(-1, 700, 3):
        particles = [
            fastjet.PseudoJet(
                pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta), pt * np.cosh(eta)
            )
            for pt, eta, phi in row[row[:, 0] > 0]
        ]
        jets = fastjet.ClusterSequence(particles, definition).inclusive_jets()
        assert max(jet.pt() for jet in jets) > 1200.0


def test_report_says_what_was_done(small_run: SimulationReport, tmp_path: Path) -> None:
    background, signal = (small_run.processes[name] for name in ("background", "signal"))
    assert (background.written, signal.written) == (80, 20)
    assert background.generated > 80
    assert background.chunks > 1
    assert background.efficiency is not None
    assert 0.5 < background.efficiency < 0.9
    assert background.cross_section is not None
    assert 4.0 < background.cross_section < 7.0  # pb, for pT-hat > 1.1 TeV at leading order
    assert signal.cross_section is None
    assert small_run.versions["pythia8mc"].startswith("8.")
    assert SimulationReport.from_json(small_run.to_json(tmp_path / "report.json")) == small_run


def test_key_file_holds_the_truth_and_the_events_do_not(
    small_run: SimulationReport, tmp_path: Path
) -> None:
    box = simulate(
        tmp_path / "box.h5",
        background=80,
        signal=20,
        seed=3,
        workers=1,
        chunk_events=60,
        key_file=True,
    )
    assert box.key_path == str(tmp_path / "box.key.h5")
    frame, key = frame_of(box), pd.read_hdf(box.key_path)
    assert frame.shape == (100, 2100)
    assert key.shape == (100, 1)
    labelled = frame_of(small_run)
    np.testing.assert_array_equal(frame, labelled.iloc[:, :2100])
    np.testing.assert_array_equal(key[0], labelled[2100])


def test_pure_signal_has_its_resonance_at_the_mass(tmp_path: Path) -> None:
    masses = ZprimeMasses(zprime=5000.0, x=500.0, y=100.0)
    report = simulate(tmp_path / "s.h5", background=0, signal=80, seed=1, masses=masses, workers=1)
    objects = frame_of(report).to_numpy()[:, :2100].reshape(-1, 700, 3)
    pt, eta, phi = np.moveaxis(objects, 2, 0)
    # All objects within |eta| < 2.5 are nearly all of the two jets.
    central = np.where(np.abs(eta) < 2.5, pt, 0.0)
    energy, pz = (central * np.cosh(eta)).sum(1), (central * np.sinh(eta)).sum(1)
    px, py = (central * np.cos(phi)).sum(1), (central * np.sin(phi)).sum(1)
    mass = np.sqrt(energy**2 - px**2 - py**2 - pz**2)
    assert np.median(mass) == pytest.approx(5000.0, rel=0.06)
    assert report.processes["background"].efficiency is None


@pytest.mark.parametrize(("wanted", "largest"), [(1, 2000), (2000, 2000), (40_000, 2000), (80, 60)])
def test_chunks_are_equal_and_make_little_more_than_needed(wanted: int, largest: int) -> None:
    size = _chunk_size(wanted, largest)
    n_chunks = np.ceil(1.5 * wanted / size)
    assert size <= largest
    assert 1.5 * wanted <= n_chunks * size <= 1.5 * wanted + 21 * n_chunks


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"background": -1}, "background: events must be a whole number from 0 up, not -1"),
        (
            {"background": 1, "signal": -5},
            "signal: events must be a whole number from 0 up, not -5",
        ),
        ({"background": 0}, "nothing to simulate: .* have 0 events in all"),
        ({"background": 1, "seed": -1}, "seed must be a whole number from 0 up, not -1"),
        ({"background": 1, "workers": 0}, "workers must be at least 1, not 0"),
        (
            {"background": 1, "chunk_events": 0},
            "chunk_events must be a whole number from 1 up, not 0",
        ),
        ({"background": 1, "signal": 1, "prongs": 5}, "prongs must be 2 .* not 5"),
    ],
)
def test_impossible_requests_are_refused(tmp_path: Path, arguments: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        simulate(tmp_path / "x.h5", **{"seed": 1, **arguments})
    assert list(tmp_path.iterdir()) == []


def test_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere: no such folder to write x\.h5 to"):
        simulate(tmp_path / "nowhere" / "x.h5", background=1, seed=1)


def test_folder_as_output_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is a folder: give the name of an HDF5 or ROOT file"):
        simulate(tmp_path, background=1, seed=1)


class Dying(Executor):
    """Fails as a pool does whose process was killed."""

    def submit(self, fn, /, *args, **kwargs) -> Future:
        future: Future = Future()
        future.set_exception(BrokenProcessPool("killed"))
        return future


def test_a_killed_worker_is_one_clear_sentence_and_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(OverdensityError, match=r"a worker process died .* try fewer workers"):
        simulate(tmp_path / "x.h5", background=10, seed=1, executor=Dying(), workers=2)
    assert list(tmp_path.iterdir()) == []


SMALL = replace(
    read_recipe("bb3").with_events({"qcd": 15, "dijets": 3, "trijets": 6}), chunk_events=10
)


class Stopping(InProcess):
    """Works for a while, and is then interrupted; remembers what it ran."""

    def __init__(self, chunks: int) -> None:
        self.left = chunks
        self.ran: list[tuple[str, int]] = []

    def submit(self, fn, /, *args, **kwargs) -> Future:
        if self.left == 0:
            raise KeyboardInterrupt
        self.left -= 1
        self.ran.append((args[0].process, args[0].index))
        return super().submit(fn, *args, **kwargs)


@pytest.fixture(scope="module")
def boxes_of_a_recipe(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list, list]:
    """A file that was stopped in the middle, and what was run before and after."""
    out = tmp_path_factory.mktemp("stopped") / "box.h5"
    first, second = Stopping(3), Stopping(-1)
    with pytest.raises(KeyboardInterrupt):
        simulate_recipe(SMALL, out, executor=first, workers=1)
    assert [path.name for path in out.parent.iterdir()] == ["box.h5.parts"]
    simulate_recipe(SMALL, out, executor=second, workers=1)
    return out, first.ran, second.ran


def test_a_stopped_simulation_goes_on_where_it_was(boxes_of_a_recipe) -> None:
    out, before, after = boxes_of_a_recipe
    assert len(before) == 3
    assert after
    assert not set(before) & set(after)
    assert list(out.parent.iterdir()) == [out]


def test_a_recipe_gives_the_same_bytes_on_two_workers_and_after_a_stop(
    boxes_of_a_recipe, tmp_path: Path
) -> None:
    report = simulate_recipe(SMALL, tmp_path / "two.h5", workers=2)
    assert (tmp_path / "two.h5").read_bytes() == boxes_of_a_recipe[0].read_bytes()
    assert {name: each.written for name, each in report.processes.items()} == {
        "qcd": 15,
        "dijets": 3,
        "trijets": 6,
    }
    assert report.processes["trijets"].cross_section is None
    frame = frame_of(report)
    assert frame.shape == (24, 2101)
    assert frame[2100].sum() == 9


def test_a_seed_in_place_of_the_recipe_s_gives_other_events(tmp_path: Path) -> None:
    few = SMALL.with_events({"qcd": 3, "dijets": 0, "trijets": 0})
    one, other = (
        frame_of(simulate_recipe(few, tmp_path / f"{k}.h5", seed=seed, workers=1))
        for k, seed in enumerate((1, 2**127 + 1))
    )
    assert not np.isin(one[0], other[0]).any()


def test_settings_that_pythia_refuses_are_named_before_anything_is_written(tmp_path: Path) -> None:
    qcd, *others = SMALL.processes
    wrong = replace(SMALL, processes=(replace(qcd, pythia=("Tune:ppp = 3",)), *others))
    with pytest.raises(InputError, match=r"process qcd: Pythia refuses .*: did you mean 'Tune:pp'"):
        simulate_recipe(wrong, tmp_path / "x.h5", workers=1)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow(seconds=8)
def test_a_killed_simulation_goes_on_and_gives_the_same_bytes(
    boxes_of_a_recipe, tmp_path: Path
) -> None:
    (tmp_path / "recipe.json").write_text(json.dumps(SMALL.to_dict()))
    code = (
        "import json, sys; from overdensity.simulation import Recipe, simulate_recipe;"
        "recipe = Recipe.from_dict(json.load(open('recipe.json')));"
        "simulate_recipe(recipe, 'box.h5', workers=1)"
    )
    running = subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path)
    parts = tmp_path / "box.h5.parts"
    while running.poll() is None and len(list(parts.glob("[!.]*.npz"))) < 2:
        time.sleep(0.02)
    running.kill()
    running.wait()
    assert len(list(parts.glob("[!.]*.npz"))) >= 2
    simulate_recipe(SMALL, tmp_path / "box.h5", workers=1)
    assert (tmp_path / "box.h5").read_bytes() == boxes_of_a_recipe[0].read_bytes()


def pairs_of_z(*lines: str, events: int) -> Recipe:
    """Z pairs that decay to electrons and muons."""
    on_shell = ("23:onMode = off", "23:onIfAny = 11 13", "23:mMin = 60")
    values = {
        "processes": {
            "zz": {
                "kind": "pythia",
                "pythia": ["WeakDoubleBoson:ffbar2gmZgmZ = on", *on_shell, *lines],
            }
        },
        "composition": {"zz": events},
        "selection": {"jet_radius": 0.4, "jet_pt_min": 20},
        "chunk_events": 20,
    }
    return recipe_of(values, origin="zz.yaml")


def test_root_files_of_two_seeds_are_read_together_and_one_file_twice_is_not(
    tmp_path: Path,
) -> None:
    files = [tmp_path / f"{seed}.root" for seed in (1, 2)]
    for seed, file in enumerate(files, 1):
        simulate_recipe(pairs_of_z(events=20), file, seed=seed, workers=1)
    leptons = LeptonProcessor(max_isolation=None)
    process(files, tmp_path / "both", source=RootSource(), processor=leptons)
    parts = sorted((tmp_path / "both" / "columns").glob("*.parquet"))
    ids = [pq.read_table(part)["event"].to_pylist() for part in parts]
    assert [len(each) > 3 for each in ids] == [True, True]
    assert len({*ids[0], *ids[1]}) == len(ids[0]) + len(ids[1])
    (tmp_path / "copy.root").write_bytes(files[0].read_bytes())
    with pytest.raises(InputError, match="hold the same events; give one of them"):
        process([*files, tmp_path / "copy.root"], tmp_path / "x", source=RootSource())


def test_generator_weights_come_to_the_columns_and_their_sum_to_the_report(tmp_path: Path) -> None:
    weighted = ("PhaseSpace:mHatMin = 180", "PhaseSpace:bias2Selection = on")
    recipe = pairs_of_z(*weighted, events=10)
    report = simulate_recipe(recipe, tmp_path / "zz.delphes.root", workers=1)
    events = read_events(RootSource(), report.path, collections=("leptons",))
    weights = np.asarray(events.weight)
    assert len(np.unique(weights)) == 10
    found = report.processes["zz"]
    assert found.efficiency is not None
    assert found.sum_weights is not None
    assert weights.sum() <= found.sum_weights * (1 + 1e-6) < 2 * weights.sum()
    columns = LeptonProcessor(max_isolation=None).select(events).columns
    assert 0 < len(columns["m4l"]) < 10
    assert np.isin(columns["weight"].astype(np.float32), weights.astype(np.float32)).all()
