"""What follows from a configuration, and the keys under which finished stages are kept."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import yaml

from overdensity.core import ConfigError, InputError
from overdensity.workflow.config.dependencies import AFFECTS, STAGES
from overdensity.workflow.config.reading import load_config, parse_config
from overdensity.workflow.stages.run import Run, open_run

from ...conftest import make_box, write_search

OTHER = {  # a value of each key that is not the one of the search file or its default
    "events": "events.chunk_events=7",
    "processor": "processor=multijet",
    "systematics": "systematics={file: jec.json}",
    "region": "region={cuts: {j1_mass: {below: 200}}}",
    "columns": "columns=memory://elsewhere",
    "mass": "mass=m3j",
    "features": "features=[j1_mass]",
    "decorrelate": "decorrelate=[j1_mass]",
    "method": "method.classifier.members=2",
    "scan": "scan.low=3100",
    "folds": "folds=5",
    "cross_fitting": "cross_fitting=all",
    "repeats": "repeats=2",
    "seed": "seed=8",
    "selections": "selections=[0.1]",
    "calibration": "calibration=none",
    "fit": "fit.efficiency.order=1",
    "pseudo_experiments": "pseudo_experiments=600",
    "limits": "limits.level=0.9",
    "expect": "expect.toys=700",
    "pseudo_datasets.number": "pseudo_datasets.number=3",
    "pseudo_datasets.smearing": "pseudo_datasets.smearing=0.2",
    "uncertainties.luminosity": "uncertainties.luminosity=0.02",
    "uncertainties.tagger": "uncertainties.tagger=0.1",
    "uncertainties.position": "uncertainties.position=0.01",
    "uncertainties.width": "uncertainties.width=0.1",
    "uncertainties.functions": "uncertainties.functions=dijet4",
    "cluster": "cluster=local",
    "workers": "workers=3",
    "out": "out=runs/elsewhere",
}


def test_windows_regions_and_edges_belong_together(search_file: Path) -> None:
    run = Run(load_config(search_file, ["fit.bins_per_bin=3"]))
    assert run.edges == pytest.approx(3000 * (5 / 3) ** (np.arange(10) / 9))
    assert run.fit_edges[::3] == pytest.approx(run.edges)
    assert len(run.fit_edges) == 28
    assert len(run.windows) == 3
    assert run.regions == [(window.low, window.high) for window in run.windows]
    assert run.in_scan(np.array([2999.0, 3000.0, 4999.0, 5000.0])).tolist() == [0, 1, 1, 0]


def test_method_has_the_hyperparameters_of_the_configuration(search_file: Path) -> None:
    run = Run(load_config(search_file))
    assert (run.method.name, run.method.hyper.classifier.members) == ("cwola", 1)
    assert run.training_windows == (0, 1, 2)
    assert Run(load_config(search_file, ["method={name: pca}"])).training_windows == (0, 0, 0)
    with pytest.raises(ConfigError, match="did you mean 'cwola'"):
        _ = Run(load_config(search_file, ["method={name: cwla}"])).method


def test_opened_run_has_a_folder_with_its_whole_configuration(search_file: Path) -> None:
    run = open_run(load_config(search_file))
    stored = yaml.safe_load((run.folder / "config.yaml").read_text())
    assert parse_config(stored) == run.config


def test_columns_are_those_given(search_file: Path, box: Path) -> None:
    assert Run(load_config(search_file)).columns == (str(box),)


def test_a_worker_is_sent_the_columns_and_nothing_that_is_large(search_file: Path) -> None:
    run = Run(load_config(search_file))
    assert (run.columns, len(run.windows), len(run.fit_edges)) != ()
    there = pickle.loads(pickle.dumps(run))
    assert set(there.__dict__) == {"config", "repeat", "columns", "left_out", "start"}
    assert there.windows == run.windows
    np.testing.assert_array_equal(there.fit_edges, run.fit_edges)


def test_partitions_have_folds_and_keys_of_their_own(search_file: Path) -> None:
    run = Run(load_config(search_file, ["repeats=3"]))
    assert run.partitions[0] is run
    assert [part.repeat for part in run.partitions] == [0, 1, 2]
    assert len({part.folding for part in run.partitions}) == 3
    assert len({part.key("scores") for part in run.partitions}) == 3
    alone = Run(load_config(search_file))
    assert (run.folding, run.key("scores")) == (alone.folding, alone.key("scores"))
    assert pickle.loads(pickle.dumps(run.partitions[2])).folding == run.partitions[2].folding


def test_columns_are_looked_for_anew_when_others_were_made(search_file: Path, box: Path) -> None:
    run = Run(load_config(search_file))
    assert run.columns
    run.forget_columns()
    assert "columns" not in run.__dict__
    assert run.columns == (str(box),)


@pytest.mark.parametrize("key", OTHER)
def test_a_key_changes_the_stages_that_the_table_names(key: str, search_file: Path) -> None:
    before, after = Run(load_config(search_file)), Run(load_config(search_file, [OTHER[key]]))
    changed = {stage for stage in STAGES if before.key(stage) != after.key(stage)}
    assert changed == set(AFFECTS[key])


def test_all_keys_but_those_of_files_are_tried() -> None:
    files = {"signal", "simulation", "pseudo_datasets.simulation", "uncertainties.variations"}
    assert set(AFFECTS) - set(OTHER) == files


@pytest.mark.parametrize(
    ("key", "override"),
    [
        ("signal", "signal={}"),
        ("simulation", "simulation={}"),
        ("pseudo_datasets.simulation", "pseudo_datasets.simulation={}"),
        ("fit", "fit.spurious=[{}]"),
    ],
)
def test_files_count_by_what_they_are_and_not_by_their_names(
    key: str, override: str, search_file: Path, tmp_path: Path
) -> None:
    path = make_box(tmp_path / "more.parquet", background=10, signal=0, seed=1)
    learns = ["method={name: idealised}", override.format(path)]
    before = Run(load_config(search_file, learns))
    keys = {stage: before.key(stage) for stage in AFFECTS[key]}
    make_box(path, background=20, signal=0, seed=1)
    assert all(before.key(stage) != keys[stage] for stage in AFFECTS[key])


def test_files_that_a_method_learns_count_by_what_they_are(
    search_file: Path, tmp_path: Path
) -> None:
    path = make_box(tmp_path / "prior.parquet", background=0, signal=10, seed=1)
    learns = load_config(search_file, ["method={name: quak, priors: [" + str(path) + "]}"])
    before = Run(learns).key("scores")
    assert Run(learns).key("scores") == before
    make_box(path, background=0, signal=20, seed=1)
    assert Run(learns).key("scores") != before


def test_simulation_does_not_matter_to_a_method_that_takes_none(
    search_file: Path, tmp_path: Path
) -> None:
    path = make_box(tmp_path / "more.parquet", background=10, signal=0, seed=1)
    before, after = load_config(search_file), load_config(search_file, [f"simulation={path}"])
    assert Run(before).key("scores") == Run(after).key("scores")


def test_defaults_of_the_method_count_as_if_they_were_written(search_file: Path) -> None:
    run = Run(load_config(search_file))
    written = Run(load_config(search_file, ["method.classifier.inner_folds=4"]))
    assert run.key("scores") == written.key("scores")


def test_columns_that_changed_change_all_that_is_made_of_them(
    search_file: Path, tmp_path: Path
) -> None:
    path = make_box(tmp_path / "own.parquet", background=10, signal=0, seed=1)
    run = Run(load_config(search_file, [f"events.files=[{path}]"]))
    before = run.key("scores"), run.key("injections", files=[str(path)])
    make_box(path, background=20, signal=0, seed=1)
    assert run.key("scores") != before[0]
    assert run.key("injections", files=[str(path)]) != before[1]


def test_more_that_a_stage_depends_on_changes_its_key(search_file: Path) -> None:
    run = Run(load_config(search_file))
    assert run.key("injections", {"strength": 1.0}) != run.key("injections", {"strength": 2.0})


def test_columns_that_are_missing_say_what_to_do(tmp_path: Path) -> None:
    config = parse_config({"events": {"files": "a.root"}, "out": str(tmp_path)})
    with pytest.raises(InputError, match="run 'overdensity process' first"):
        _ = Run(config).columns


@pytest.mark.parametrize("name", ["supervised", "parametrised"])
def test_method_that_learns_from_the_truth_is_refused(search_file: Path, name: str) -> None:
    run = Run(load_config(search_file, [f"method={{name: {name}}}"]))
    with pytest.raises(ConfigError, match=f"method '{name}' learns from the truth"):
        _ = run.method


def thin_run(folder: Path, background: int, *overrides: str) -> Run:
    """Return the run of a box with few events, of three windows."""
    box = make_box(folder / "few.parquet", background=background, signal=0, seed=1)
    return Run(load_config(write_search(folder, box), overrides))


def test_windows_too_thin_to_be_trained_on_are_left_out(tmp_path: Path) -> None:
    run = thin_run(tmp_path, 3300)
    assert run.windows == run.all_windows[:2]
    assert (len(run.regions), run.training_windows) == (2, (0, 1))
    (thin,) = run.left_out
    assert (thin.low, thin.high) == (run.all_windows[2].low, run.all_windows[2].high)
    there = pickle.loads(pickle.dumps(run))
    assert there.windows == run.windows


def test_a_method_without_windows_leaves_out_none(tmp_path: Path) -> None:
    assert thin_run(tmp_path, 300, "method={name: pca}").left_out == ()


def test_a_scan_of_thin_windows_alone_is_refused_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none of the 3 windows of the scan has enough events"):
        _ = thin_run(tmp_path, 1000).windows


def test_simulation_can_be_too_thin_as_well(tmp_path: Path) -> None:
    few = make_box(tmp_path / "simulated.parquet", background=1500, signal=0, seed=2)
    run = thin_run(tmp_path, 9000, "method={name: idealised}", f"simulation={few}")
    assert run.windows == run.all_windows[:2]
    assert "simulated events" in run.left_out[0].reason


def test_features_are_decorrelated_where_the_configuration_says(search_file: Path) -> None:
    run = Run(load_config(search_file, ["decorrelate=j1_mass"]))
    assert run.method.hyper.features == ("j1_mass",)
    assert run.key("scores") != Run(load_config(search_file)).key("scores")
    with pytest.raises(ConfigError, match="decorrelate: 'j1_mas' is none of the features"):
        _ = Run(load_config(search_file, ["decorrelate=[j1_mas]"])).method
