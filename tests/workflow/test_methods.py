"""A whole search with a method other than the default: the same command, the same results."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from overdensity.ml import methods
from overdensity.workflow import SearchResults, load_config, run_search
from overdensity.workflow.scoring import read_losses

from ..conftest import make_box
from ..ml.test_contract import FAST


@pytest.fixture(scope="module")
def simulation(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Simulated background, other events than those of the box."""
    folder = tmp_path_factory.mktemp("simulation")
    return make_box(folder / "simulation.parquet", background=12_000, signal=0, seed=9)


def search_with(search_file: Path, name: str, *sets: str) -> SearchResults:
    method = {"name": name, **FAST.get(name, {})}
    return run_search(load_config(search_file, [f"method={json.dumps(method)}", *sets]))


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


@pytest.mark.slow
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


def test_loss_curves_of_the_best_window_are_in_the_report(search_file: Path) -> None:
    results = search_with(search_file, "cathode", "scan.bins=7")  # a single window
    run = search_file.parent / "run"
    curves = read_losses(run, 0)
    assert sorted(curves) == [0, 1, 2]
    epochs = FAST["cathode"]["flow"]["epochs"]
    assert all(len(curve.train) == epochs for of_fold in curves.values() for curve in of_fold)
    assert not list((run / "scores").glob("*.part"))
    assert ("How the networks learnt" in (run / "report.html").read_text()) == (
        results.best is not None
    )


def test_trees_have_no_loss_curves(finished_run: Path) -> None:
    assert set(read_losses(finished_run, 0).values()) == {()}
    assert "How the networks learnt" not in (finished_run / "report.html").read_text()
