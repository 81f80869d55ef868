"""A whole search with a method other than the default: the same command, the same results."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from overdensity.ml import cross_fit, make_method, methods
from overdensity.workflow import SearchConfig, SearchResults, load_config, run_search
from overdensity.workflow.stages.columns import column_files
from overdensity.workflow.stages.scoring import read_scores, read_trainings, windows_of

from ..conftest import make_box
from ..ml.test_contract import FAST


@pytest.fixture(scope="module")
def simulation(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Simulated background, other events than those of the box."""
    folder = tmp_path_factory.mktemp("simulation")
    return make_box(folder / "simulation.parquet", background=12_000, signal=0, seed=9)


def config_with(search_file: Path, name: str, *sets: str) -> SearchConfig:
    method = {"name": name, **FAST.get(name, {})}
    return load_config(search_file, [f"method={json.dumps(method)}", *sets])


def search_with(search_file: Path, name: str, *sets: str) -> SearchResults:
    return run_search(config_with(search_file, name, *sets))


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A box in which methods that need the truth find enough of it: signal at two masses."""
    path = tmp_path_factory.mktemp("known") / "known.parquet"
    table = pq.read_table(make_box(path, background=6000, signal=300, seed=4))
    label, mass = table["label"].to_numpy().copy(), table["mjj"].to_numpy().copy()
    second = np.flatnonzero(label == 1)[::2]
    label[second] = 2
    mass[second] += 400.0
    mass[label == 1] -= 200.0
    for name, column in (("label", label), ("mjj", mass)):
        table = table.set_column(table.column_names.index(name), name, pa.array(column))
    pq.write_table(table, path)
    return path


@pytest.mark.slow(seconds=10)
@pytest.mark.parametrize("info", methods(), ids=lambda info: info.name)
def test_every_method_takes_a_box_to_results(
    info, search_file: Path, simulation: Path, known: Path
) -> None:
    simulated = [f"simulation={simulation}"] if "simulation" in info.needs else []
    truth = [f"events.files={known}"] if "labels" in info.needs else []
    masses = ["method.masses=[3600.0, 4200.0]"] if "masses" in info.hyperparameters else []
    results = search_with(search_file, info.name, *simulated, *truth, *masses)
    assert len(results.windows) == 3
    if results.best is None:  # two signals that strong leave no window with good sidebands
        assert truth
        assert results.flags
    else:
        assert 0 < results.best.p_global <= 1
    assert results.provenance.configuration["method"]["name"] == info.name


@pytest.mark.figures
def test_loss_curves_of_the_best_window_are_in_the_report(search_file: Path) -> None:
    results = search_with(search_file, "cathode", "scan.bins=7")  # a single window
    run = search_file.parent / "run"
    seen = read_trainings(config_with(search_file, "cathode"), run, 0)
    assert sorted(seen) == [0, 1, 2]
    epochs = FAST["cathode"]["flow"]["epochs"]
    assert all(len(curve.train) == epochs for of in seen.values() for curve in of.losses)
    assert all(len(of.losses) == len(of.reliability) == 1 for of in seen.values())
    assert not list((run / "scores").glob("*.part"))
    assert ("loss curves" in (run / "report.html").read_text()) == (results.best is not None)


def test_classifiers_without_networks_show_how_reliable_they_are(
    finished_run: Path, search_file: Path
) -> None:
    seen = read_trainings(load_config(search_file), finished_run, 0)
    assert len(seen) == 3
    for of_fold in seen.values():
        assert of_fold.losses == ()
        (curve,) = of_fold.reliability
        assert np.average(curve.found) == pytest.approx(0.5, abs=0.1)  # both classes weigh the same
    report = (finished_run / "report.html").read_text()
    assert "reliability diagrams" in report
    assert "loss curves" not in report


def test_method_that_ignores_the_window_is_trained_once_a_fold(search_file: Path) -> None:
    results = search_with(search_file, "pca")
    run, config = search_file.parent / "run", config_with(search_file, "pca")
    assert len(results.windows) > 1
    assert len(list((run / "scores").glob("window*.parquet"))) == config.folds
    scores = read_scores(config, column_files(config, run), run)
    last = windows_of(config)[-1]
    direct = cross_fit(
        make_method("pca"), scores.sample, last, folds=config.folds, seed=config.seed
    )
    np.testing.assert_array_equal(scores.values[-1], direct)
