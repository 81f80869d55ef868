"""A whole search with a method other than the default: the same command, the same results."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from overdensity.core import ConfigError, InputError
from overdensity.ml import Folding, cross_fit, make_method, method_class, methods
from overdensity.workflow import SearchConfig, SearchResults, load_config, run_search
from overdensity.workflow.stages.run import Run
from overdensity.workflow.stages.scores import read_scores, read_trainings

from ..conftest import make_box

BELOW = {"constituents", "images"}
REFUSED = {"labels", *BELOW}
MANY = 200  # events to train on, beyond which the box of 6000 is too small


def two_jets(box: Path) -> Path:
    """Give events a second jet, that of another event."""
    table = pq.read_table(box)
    other = table.take(np.random.default_rng(4).permutation(len(table)))
    for name in ("mass", "tau21"):
        table = table.append_column(f"j2_{name}", other[f"j1_{name}"])
    pq.write_table(table, box)
    return box


@pytest.fixture(scope="module")
def simulation(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Simulated background, other events than those of the box."""
    folder = tmp_path_factory.mktemp("simulation")
    return make_box(folder / "simulation.parquet", background=12_000, signal=0, seed=9)


def config_with(search_file: Path, name: str, *sets: str) -> SearchConfig:
    method = {"name": name, **method_class(name).fast}
    return load_config(search_file, [f"method={json.dumps(method)}", *sets])


def search_with(search_file: Path, name: str, *sets: str) -> SearchResults:
    return run_search(config_with(search_file, name, *sets))


@pytest.mark.slow(seconds=10)
@pytest.mark.parametrize(
    "info", [info for info in methods() if not REFUSED & {*info.needs}], ids=lambda info: info.name
)
def test_every_method_takes_a_box_to_results(info, search_file: Path, simulation: Path) -> None:
    sets = [f"simulation={simulation}"] if "simulation" in info.needs else []
    method = make_method(info.name, **method_class(info.name).fast)
    if method.fewest_events > MANY or hasattr(method.hyper, "observable"):
        box = two_jets(
            make_box(search_file.parent / "large.parquet", background=25_000, signal=500, seed=2)
        )
        sets += [f"events.files={box}", "features=[j1_mass,j2_mass,j1_tau21,j2_tau21]"]
    results = search_with(search_file, info.name, *sets)
    assert len(results.windows) + len(results.left_out) == 3
    assert results.best is not None
    assert 0 < results.best.p_global <= 1
    assert results.provenance.configuration["method"]["name"] == info.name


@pytest.mark.parametrize(
    "info", [info for info in methods() if BELOW & {*info.needs}], ids=lambda info: info.name
)
def test_method_below_the_features_is_refused_on_a_box_of_columns(info, search_file: Path) -> None:
    (need,) = BELOW & {*info.needs}
    with pytest.raises(InputError, match=f"method {info.name!r} needs {need}; no column of"):
        search_with(search_file, info.name)


@pytest.mark.parametrize(
    "info", [info for info in methods() if "labels" in info.needs], ids=lambda info: info.name
)
def test_method_that_learns_from_the_truth_is_not_searched_with(info, search_file: Path) -> None:
    with pytest.raises(ConfigError, match=f"{info.name!r} learns from the truth"):
        search_with(search_file, info.name)


@pytest.mark.figures
def test_loss_curves_of_the_best_window_are_in_the_report(search_file: Path) -> None:
    results = search_with(search_file, "cathode", "scan.bins=7")  # a single window
    run = search_file.parent / "run"
    seen = read_trainings(Run(config_with(search_file, "cathode", "scan.bins=7")), 0)
    assert sorted(seen) == [0, 1, 2]
    epochs = method_class("cathode").fast["flow"]["epochs"]
    assert all(len(curve.train) == epochs for of in seen.values() for curve in of.losses)
    assert all(len(of.losses) == len(of.reliability) == 1 for of in seen.values())
    assert not list((run / "scores").glob("*.part"))
    assert ("loss curves" in (run / "report.html").read_text()) == (results.best is not None)


def test_classifiers_without_networks_show_how_reliable_they_are(
    finished_run: Path, search_file: Path
) -> None:
    seen = read_trainings(Run(load_config(search_file, out=str(finished_run))), 0)
    assert len(seen) == 3
    for of_fold in seen.values():
        assert of_fold.losses == ()
        (curve,) = of_fold.reliability
        # both classes weigh the same
        assert np.average(curve.observed) == pytest.approx(0.5, abs=0.1)
    report = (finished_run / "report.html").read_text()
    assert "reliability diagrams" in report
    assert "loss curves" not in report


def test_method_that_ignores_the_window_is_trained_once_a_fold(search_file: Path) -> None:
    results = search_with(search_file, "pca")
    run, config = Run(config_with(search_file, "pca")), config_with(search_file, "pca")
    assert len(results.windows) > 1
    assert len(list((run.folder / "scores").glob("window*.parquet"))) == config.folds
    scores = read_scores(run)
    last = run.windows[-1]
    folding = Folding(seed=config.seed, folds=config.folds)
    direct = cross_fit(make_method("pca"), scores.sample, last, folding)
    np.testing.assert_array_equal(scores.values[-1], direct)
