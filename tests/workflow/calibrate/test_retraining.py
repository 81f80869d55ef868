"""The search repeated on pseudo-datasets: made as they should be, resumable, and calibrated."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from scipy.stats import ks_2samp

from overdensity.core import InputError
from overdensity.workflow import SearchConfig, SearchResults, load_config
from overdensity.workflow.calibrate.retrained import PseudoDataset, Retrained, retrained_figure
from overdensity.workflow.calibrate.retraining import _recipe, pseudo_sample
from overdensity.workflow.commands import command_line
from overdensity.workflow.search_run import calibrate_search
from overdensity.workflow.stages.background_function import all_counts, fabricated_fraction
from overdensity.workflow.stages.run import Run
from overdensity.workflow.stages.samples import load_sample
from overdensity.workflow.stages.scores import read_scores

from ...conftest import make_box

THETA = (5.0, -1.3, 0.0)  # a falling spectrum, on the columns of the fits
NUMBER = 2


@pytest.fixture(scope="module")
def calibrated(finished_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a search that was repeated on two pseudo-datasets."""
    folder = tmp_path_factory.mktemp("calibrated")
    shutil.copytree(finished_run, folder / "run")
    calibrate_search(config_in(folder))
    return folder


def config_in(folder: Path, *overrides: str) -> SearchConfig:
    """Return the configuration of a run that was copied into a folder."""
    run = folder / "run"
    return load_config(
        run / "config.yaml", [f"pseudo_datasets.number={NUMBER}", *overrides], out=str(run)
    )


@pytest.fixture
def copy(calibrated: Path, tmp_path: Path) -> SearchConfig:
    """The same in this test's own folder."""
    shutil.copytree(calibrated / "run", tmp_path / "run")
    return config_in(tmp_path)


def stored(config: SearchConfig) -> dict[str, str]:
    folder = Path(config.out or "") / "pseudodata"
    return {path.name: path.read_text() for path in sorted(folder.iterdir())}


def test_features_are_those_of_the_data_each_once(copy: SearchConfig) -> None:
    run = Run(copy)
    data = load_sample(run)
    for index in range(2):
        made = pseudo_sample(run, THETA, index)
        assert len(made) == len(data)
        assert np.array_equal(
            np.sort(made.features.view("f4,f4").ravel()),
            np.sort(data.features.view("f4,f4").ravel()),
        )
        assert np.unique(made.event).size == len(data)
        assert not np.isin(made.event, data.event).any()
        assert made.label is None


def test_pseudo_datasets_differ_and_come_again_under_the_same_seed(copy: SearchConfig) -> None:
    run = Run(copy)
    one, again, other = (pseudo_sample(run, THETA, index) for index in (0, 0, 1))
    assert np.array_equal(one.mass, again.mass)
    assert np.array_equal(one.event, again.event)
    assert not np.isin(one.event, other.event).any()
    assert not np.isin(one.mass, other.mass).any()


def test_signal_of_the_data_is_gone_from_pseudo_datasets(calibrated: Path) -> None:
    config = config_in(calibrated)
    run = Run(config)
    data = load_sample(run)

    def excess(sample) -> float:
        """Signal-like events between 3.6 and 4 TeV, relative to 400 GeV on either side."""
        like = (sample.features[:, 0] > 430) & (sample.features[:, 1] < 0.35)
        near = np.abs(sample.mass - 3800) < 200
        beside = (np.abs(sample.mass - 3800) < 600) & ~near
        return np.mean(like[near]) - np.mean(like[beside])

    made = [excess(pseudo_sample(run, THETA, index)) for index in range(5)]
    assert excess(data) > 0.04
    assert abs(np.mean(made)) < 0.15 * excess(data)


def test_resonance_is_beyond_all_pseudo_datasets(calibrated: Path) -> None:
    found = Retrained.from_json(calibrated / "run" / "pseudodata.json")
    results = SearchResults.from_json(calibrated / "run" / "results.json")
    assert results.best is not None
    assert found.z_local == results.best.z_local
    assert found.global_p.p_global == 1 / (NUMBER + 1)
    assert found.global_p.is_limit
    assert [each.index for each in found.datasets] == list(range(NUMBER))
    assert max(each.smallest.z_local for each in found.datasets) < 4
    assert found.ks_p_value == pytest.approx(
        ks_2samp(found.global_p.largest_z, results.pseudo_z).pvalue
    )
    assert any("signal among the events" in sentence for sentence in found.assumptions)
    page = (calibrated / "run" / "report.html").read_text()
    assert "<h2>The search repeated, training included</h2>" in page
    assert found.assumptions[0] in page


def test_finished_pseudo_datasets_are_not_done_again(copy: SearchConfig) -> None:
    folder = Path(copy.out or "") / "pseudodata"
    times = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    first = Retrained.from_json(folder.parent / "pseudodata.json")
    assert calibrate_search(copy) == first
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == times
    assert {path.suffix for path in times} == {".json"}


def test_interrupted_calibration_goes_on_to_the_same_result(
    copy: SearchConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    from overdensity.workflow.calibrate import retraining as pseudodata

    before, folder = stored(copy), Path(copy.out or "") / "pseudodata"
    (folder / sorted(before)[1]).unlink()
    real, calls = pseudodata.score_fold, []

    def tired(*arguments, **options):
        calls.append(arguments[3])
        if len(calls) > 4:
            msg = "no more"
            raise InputError(msg)
        return real(*arguments, **options)

    monkeypatch.setattr(pseudodata, "score_fold", tired)
    with pytest.raises(InputError, match="no more"):
        calibrate_search(copy)
    kept = len(list(folder.glob("*.npz")))
    assert 0 < kept < 9
    monkeypatch.setattr(
        pseudodata, "score_fold", lambda *a, **o: (calls.append(a[3]), real(*a, **o))[1]
    )
    calls.clear()
    calibrate_search(copy)
    assert len(calls) == 9 - kept
    assert stored(copy) == before


def test_a_pseudo_dataset_is_searched_in_as_many_partitions_as_the_data(
    repeated_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from overdensity.workflow.calibrate import retraining

    shutil.copytree(repeated_run, tmp_path / "run")
    config = config_in(tmp_path, "pseudo_datasets.number=1")
    real, seen = retraining.smallest_p, []

    def noted(fits, largest, **options):
        seen.append([each.observed.tolist() for each in fits])
        return real(fits, largest, **options)

    monkeypatch.setattr(retraining, "smallest_p", noted)
    found = calibrate_search(config)
    assert len(seen[0]) == 3
    assert seen[0][0] != seen[0][1]  # other folds, other selections
    assert [each[0] for each in seen[0]] == [seen[0][0][0]] * 3  # of the same events
    assert list(stored(config)) == [f"dataset0000-{found.key}.json"]


def test_more_pseudo_datasets_are_added_to_those_there(copy: SearchConfig) -> None:
    before = stored(copy)
    more = copy.model_copy(
        update={"pseudo_datasets": copy.pseudo_datasets.model_copy(update={"number": NUMBER + 1})}
    )
    assert len(calibrate_search(more).datasets) == NUMBER + 1
    assert stored(copy).items() > before.items()


def test_other_settings_replace_them(copy: SearchConfig) -> None:
    before = stored(copy)
    folder = Path(copy.out or "").parent
    other = config_in(folder, "pseudo_datasets.smearing=0.2", "pseudo_datasets.number=1")
    assert calibrate_search(other).smearing == 0.2
    assert len(stored(copy)) == 1
    assert not before.keys() & stored(copy).keys()


def test_simulated_background_takes_the_place_of_the_data(
    copy: SearchConfig, tmp_path: Path
) -> None:
    simulated = make_box(tmp_path / "simulated.parquet", background=15_000, signal=0, seed=77)
    config = config_in(tmp_path, f"pseudo_datasets.simulation={simulated}")
    run = Run(config)
    one, two = (pseudo_sample(run, THETA, index) for index in range(2))
    n = len(load_sample(run))
    assert (len(one), len(two)) == (n, n)
    pool = pq.read_table(simulated)["mjj"].to_numpy()
    assert np.isin(one.mass.astype(np.float32), pool).all()
    events = [np.ascontiguousarray(each.features).view("f4,f4").ravel() for each in (one, two)]
    assert np.intersect1d(*events).size == 0
    small = make_box(tmp_path / "small.parquet", background=3000, signal=0, seed=78)
    run = Run(config_in(tmp_path, f"pseudo_datasets.simulation={small}"))
    with pytest.raises(InputError, match="simulate more"):
        pseudo_sample(run, THETA, 0)


def test_figure_shows_all_pseudo_datasets(copy: SearchConfig) -> None:
    figure = retrained_figure(Path(copy.out or ""))
    steps = {line.get_label(): line for line in figure.axes[0].lines}
    results = SearchResults.from_json(Path(copy.out or "") / "results.json")
    assert len(steps[f"{NUMBER} trained anew"].get_xdata()) == NUMBER
    assert len(steps[f"{len(results.pseudo_z)} pseudo-experiments"].get_xdata()) == len(
        results.pseudo_z
    )
    assert results.best is not None
    assert steps["data"].get_xdata()[0] == results.best.z_local


def test_pseudo_dataset_that_cannot_be_fitted_counts_as_without_excess(
    copy: SearchConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    from overdensity.core import FitError
    from overdensity.workflow.calibrate import retraining as pseudodata

    real, calls = pseudodata.scan, []

    def fails_later(*arguments, **options):
        calls.append(1)
        if len(calls) == 1:  # that of the data
            return real(*arguments, **options)
        msg = "no fit"
        raise FitError(msg)

    shutil.rmtree(Path(copy.out or "") / "pseudodata")
    monkeypatch.setattr(pseudodata, "scan", fails_later)
    found = calibrate_search(
        copy.model_copy(
            update={"pseudo_datasets": copy.pseudo_datasets.model_copy(update={"number": 1})}
        )
    )
    assert found.datasets[0].smallest.p_local == 1
    assert found.datasets[0].problem == "no fit"
    path = next((Path(copy.out or "") / "pseudodata").glob("*.json"))
    assert PseudoDataset.from_json(path) == found.datasets[0]


def test_command_line_says_both_p_values(
    copy: SearchConfig, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command_line, "_set_up", lambda *, quiet: None)
    run = str(copy.out)
    with pytest.raises(SystemExit) as stopped:
        command_line.main(
            ["calibrate", f"{run}/config.yaml", "--out", run, "--pseudo-datasets", "2"]
        )
    assert not stopped.value.code
    out = capfd.readouterr().out
    assert "p_global ≤ 0.33" in out
    assert "2 pseudo-datasets trained anew" in out
    assert len(json.loads(Path(run, "pseudodata.json").read_text())["datasets"]) == 2


def test_calibration_before_the_search_says_what_to_do(search_file: Path) -> None:
    with pytest.raises(InputError, match="run 'overdensity score' first"):
        calibrate_search(load_config(search_file))


def test_pseudo_datasets_know_what_other_functions_say_of_the_background(
    copy: SearchConfig,
) -> None:
    results = SearchResults.from_json(Path(copy.out) / "results.json")
    run = Run(config_in(Path(copy.out).parent, "uncertainties.functions=[dijet4, dijet5]"))
    fraction = fabricated_fraction(run, all_counts(run, read_scores(run)), None)
    assert max(fraction) > 0
    assert _recipe(run, results).spurious == tuple(fraction)
    assert run.key("pseudo_datasets") != Run(copy).key("pseudo_datasets")
