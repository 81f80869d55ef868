from __future__ import annotations

import json
import os
import shutil
import threading
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pyhf
import pytest

from overdensity.core import InputError
from overdensity.core.files.locks import locked
from overdensity.processors.columns.histograms import from_uhi
from overdensity.stats import WindowResult
from overdensity.workflow import SearchResults, load_config, run_search
from overdensity.workflow.search_run import calibrate_search, hunt_search
from overdensity.workflow.stages.run import Run
from overdensity.workflow.stages.scores import Scores, read_scores
from overdensity.workflow.stages.search_result import HIDES_SIGNAL
from overdensity.workflow.stages.selecting import calibrated_scores

from ..conftest import make_box, write_search

CONTRACT_BEST = {
    "mass", "mass_error", "window", "efficiency", "p_local", "p_global", "z_local", "z_global",
    "n_signal", "n_signal_error",
}  # fmt: skip
CONTRACT_SELECTION = {"efficiency", "observed", "expected", "expected_error", "p_local"}


@pytest.fixture
def results(finished_run: Path, tmp_path: Path) -> SearchResults:
    """Return the results of a finished search, which stands in this test's own folder."""
    shutil.copytree(finished_run, tmp_path / "run")
    return SearchResults.from_json(tmp_path / "run" / "results.json")


def test_hidden_resonance_is_found(results: SearchResults) -> None:
    best = results.best
    assert best is not None
    assert best.mass == pytest.approx(3800, rel=0.03)
    assert best.p_global < 0.01
    assert best.low < 3800 < best.high
    assert results.flags == ()


def test_results_file_keeps_the_contract(results: SearchResults, tmp_path: Path) -> None:
    stored = json.loads((tmp_path / "run" / "results.json").read_text())
    assert set(stored) >= {"windows", "best", "fit", "flags", "provenance"}
    assert set(stored["best"]) >= CONTRACT_BEST
    assert len(stored["windows"]) == 3
    for window in stored["windows"]:
        assert set(window) >= {"center", "low", "high", "selections"}
        assert [row["efficiency"] for row in window["selections"]] == [0.1, 0.02]
        assert all(set(row) >= CONTRACT_SELECTION for row in window["selections"])
    assert all(set(row) >= {"chi2", "ndf", "p_value"} for row in stored["fit"])
    assert stored["provenance"]["configuration"]["seed"] == 1
    assert SearchResults.from_json(tmp_path / "run" / "results.json") == results


def test_observed_counts_are_those_of_the_selected_events(
    results: SearchResults, search_file: Path
) -> None:
    run = Run(load_config(search_file))
    scores = read_scores(run)
    window = results.windows[1]
    kept = _kept(calibrated_scores(run, scores), window, 0.1)
    assert kept == pytest.approx(window.selections[0].observed, abs=3)  # ties at the threshold


def _kept(scores: Scores, window: WindowResult, efficiency: float) -> int:
    """Count events of the signal region among the best of each fold."""
    kept = 0
    for fold in range(3):
        of_fold = scores.values[1][scores.fold == fold]
        threshold = np.sort(of_fold)[-round(efficiency * len(of_fold))]
        mass = scores.sample.mass[scores.fold == fold]
        inside = (mass >= window.low) & (mass < window.high)
        kept += np.count_nonzero(inside & (of_fold >= threshold))
    return kept


def test_global_p_values_stand_side_by_side(results: SearchResults) -> None:
    best, trials = results.best, results.trials
    assert best is not None
    assert trials is not None
    assert best.p_global == (
        trials.gross_vitells if best.p_global_extrapolated else trials.pseudo_experiments
    )
    assert trials.n_tests == 9
    assert best.p_local < trials.gross_vitells < 0.01
    assert best.p_local < trials.sidak < 9.1 * best.p_local


def test_no_spurious_signal_is_measured_on_the_searched_data(results: SearchResults) -> None:
    assert results.spurious is None
    assert results.windows[1].selections[1].spurious == 0
    assert results.quotable


def test_a_spurious_signal_of_the_searched_data_makes_nothing_to_quote(
    results: SearchResults, search_file: Path, tmp_path: Path
) -> None:
    study = run_search(load_config(search_file, ["fit.spurious=data"]))
    assert study.spurious is not None
    windows = study.windows
    assert study.spurious.observed == tuple(row.unselected.observed for row in windows)
    for window, fraction in zip(windows, study.spurious.fraction, strict=True):
        for row in window.selections:
            assert row.spurious == pytest.approx(fraction * row.expected)
    assert HIDES_SIGNAL in study.flags
    assert "not to be quoted: mass" in str(study)
    assert "<h1>Not to be quoted" in (tmp_path / "run" / "report.html").read_text()


def test_spurious_signal_is_measured_on_a_simulation(
    results: SearchResults, search_file: Path, tmp_path: Path
) -> None:
    simulation = make_box(tmp_path / "simulation.parquet", background=30_000, signal=0, seed=8)
    on_it = run_search(load_config(search_file, [f"fit.spurious=[{simulation}]"]))
    assert on_it.spurious is not None
    assert on_it.quotable
    seen = sum(window.unselected.observed for window in results.windows)
    assert sum(on_it.spurious.observed) > 3 * seen
    with pytest.raises(InputError, match=r"nowhere\.parquet"):
        run_search(load_config(search_file, ["fit.spurious=[nowhere.parquet]"]))


@pytest.mark.slow(seconds=12)
def test_a_bump_that_looks_like_qcd_is_found_in_the_spectrum_of_all_events(
    search_file: Path, tmp_path: Path
) -> None:
    box = make_box(tmp_path / "like-qcd.parquet", background=6000, signal=400, seed=4)
    table = pq.read_table(box).to_pydict()
    label, rng = np.array(table["label"]), np.random.default_rng(1)
    for name in ("j1_mass", "j1_tau21"):  # features of background for all
        column = np.array(table[name])
        column[label == 1] = rng.choice(column[label == 0], 400)
        table[name] = column.astype(np.float32)
    pq.write_table(pa.table(table), box)
    overrides = [f"events.files=[{box}]", "pseudo_experiments=1000"]
    results = run_search(load_config(search_file, overrides))
    best = results.best
    assert best is not None
    assert (best.efficiency, results.windows[best.window].unselected.searched) == (1, True)
    assert best.p_global <= 1e-3
    assert best.mass == pytest.approx(3800, rel=0.02)
    assert results.truth[0].signal > 200
    run = tmp_path / "run"
    stored = json.loads((run / "histograms.json").read_text())["j1_mass"]
    inside, beside = from_uhi(stored).values(flow=True).sum(axis=1)[:2]
    assert inside == results.windows[best.window].unselected.observed
    assert inside + beside == results.n_events
    assert pyhf.Workspace(json.loads((run / "workspace.json").read_text())).channels == ["mass"]
    assert "is one of the tests" in (run / "report.html").read_text()
    without = hunt_search(load_config(search_file, [*overrides, "selections=[0.1, 0.02]"]))
    assert without.best is None or without.best.z_local < best.z_local - 1


def test_truth_is_counted_for_evaluation(results: SearchResults) -> None:
    assert results.best is not None
    everything, *_, tightest = results.truth
    assert everything.efficiency == 1
    assert everything.signal > 100
    assert tightest.signal * everything.background > 3 * everything.signal * tightest.background


def test_workspace_opens_in_pyhf(results: SearchResults, tmp_path: Path) -> None:
    model = pyhf.Workspace(json.loads((tmp_path / "run" / "workspace.json").read_text())).model()
    assert model.config.poi_name == "mu"


def test_finished_search_is_not_done_again(results: SearchResults, search_file: Path) -> None:
    run = Path(search_file).parent / "run"
    before = {
        path: path.stat().st_mtime_ns for path in [*run.glob("scores/*"), run / "results.json"]
    }
    assert run_search(load_config(search_file)) == results
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_interrupted_scoring_goes_on_to_the_same_result(
    results: SearchResults, search_file: Path
) -> None:
    run = Path(search_file).parent / "run"
    scores = sorted(run.glob("scores/*.parquet"))
    first = pq.read_table(scores[0])
    for path in (scores[0], scores[4], run / "results.json"):
        path.unlink()
    again = run_search(load_config(search_file))
    assert pq.read_table(scores[0]).equals(first)
    assert (again.windows, again.best) == (results.windows, results.best)


def test_another_name_and_another_order_of_the_events_change_no_digit(
    results: SearchResults, search_file: Path, box: Path, tmp_path: Path
) -> None:
    table = pq.read_table(box)
    shuffled = table.take(np.random.default_rng(5).permutation(len(table)))
    (tmp_path / "others").mkdir()
    for name, part in (("z", shuffled.slice(0, 2500)), ("a", shuffled.slice(2500))):
        pq.write_table(part, tmp_path / "others" / f"{name}.parquet")
    overrides = [f"events.files=[{tmp_path / 'others'}]"]
    found = run_search(load_config(search_file, overrides, out=str(tmp_path / "others" / "run")))
    apart = ("provenance", "key")  # names, times and versions
    one, other = (
        {k: v for k, v in x.to_dict().items() if k not in apart} for x in (results, found)
    )
    assert one == other


def test_truth_changes_nothing(results: SearchResults, search_file: Path, box: Path) -> None:
    blind = search_file.parent / "blind" / box.name
    blind.parent.mkdir()
    pq.write_table(pq.read_table(box).drop_columns(["label"]), blind)
    config = load_config(search_file, [f"events.files=[{blind}]"], out=str(blind.parent / "run"))
    without = run_search(config)
    assert (without.windows, without.best) == (results.windows, results.best)
    assert without.truth == ()


def test_box_without_signal_has_no_global_excess(search_file: Path, tmp_path: Path) -> None:
    empty = make_box(tmp_path / "empty.parquet", background=6000, signal=0, seed=3)
    results = run_search(load_config(search_file, [f"events.files=[{empty}]"]))
    assert results.best is not None
    assert results.best.p_global > 0.05


@pytest.mark.parametrize(
    ("overrides", "complaint"),
    [
        (["features=[j1_mas]"], "no column 'j1_mas'; did you mean 'j1_mass'"),
        (["mass=mj"], "no column 'mj'; did you mean 'mjj'"),
        (["method.name=cwolla"], "did you mean 'cwola'"),
        (["method.classifier.membrs=2"], "'classifier.membrs'; did you mean 'members'"),
        (["scan.low=6000", "scan.high=9000"], "none of 6120 events has mjj between"),
        (["events.files=[none.parquet]"], "none.parquet: no such file"),
        (["method={name: salad}"], "'salad' needs simulated background: name its Parquet files"),
        (["method={name: salad}", "simulation=none.parquet"], "none.parquet: no such file"),
    ],
)
def test_bad_input_is_one_sentence_and_leaves_no_result(
    overrides: list[str], complaint: str, search_file: Path, tmp_path: Path
) -> None:
    with pytest.raises(Exception, match=complaint) as caught:
        run_search(load_config(search_file, overrides))
    assert type(caught.value).__module__.startswith("overdensity")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run" / "results.json").exists()
    assert not list((tmp_path / "run").glob("scores/*"))


def test_nan_in_a_feature_is_named(search_file: Path, box: Path, tmp_path: Path) -> None:
    table = pq.read_table(box)
    broken = table["j1_mass"].to_numpy().copy()
    broken[:3] = np.nan
    index = table.column_names.index("j1_mass")
    pq.write_table(table.set_column(index, "j1_mass", [broken]), tmp_path / "nan.parquet")
    config = load_config(search_file, [f"events.files=[{tmp_path / 'nan.parquet'}]"])
    with pytest.raises(InputError, match=r"'j1_mass'.* 3 of 6120 values are NaN"):
        run_search(config)


def test_method_that_learns_from_simulation_finds_the_resonance(
    search_file: Path, tmp_path: Path
) -> None:
    simulation = make_box(tmp_path / "simulation.parquet", background=9000, signal=0, seed=9)
    idealised = "method={name: idealised, classifier: {inner_folds: 2, members: 1}}"
    config = load_config(search_file, [idealised, f"simulation={simulation}"])
    best = run_search(config).best
    assert best is not None
    assert best.mass == pytest.approx(3800, rel=0.05)
    assert best.z_local > 4
    before = set((tmp_path / "run" / "scores").iterdir())
    make_box(simulation, background=9100, signal=0, seed=10)
    assert run_search(config).best != best
    assert not before & set((tmp_path / "run" / "scores").iterdir())


def test_simulation_without_a_feature_or_at_other_masses_is_refused(
    search_file: Path, tmp_path: Path
) -> None:
    full = make_box(tmp_path / "simulation.parquet", background=500, signal=0, seed=9)
    method = "method={name: idealised}"
    table = pq.read_table(full).drop_columns(["j1_tau21"])
    pq.write_table(table, tmp_path / "less.parquet")
    with pytest.raises(InputError, match=r"less\.parquet: no column 'j1_tau21'"):
        run_search(load_config(search_file, [method, f"simulation={tmp_path}/less.parquet"]))
    with pytest.raises(InputError, match="none of 500 simulated events has mjj between"):
        run_search(
            load_config(
                search_file,
                [method, f"simulation={full}", "scan={low: 4998, high: 9900, bins: 9}"],
            )
        )


def test_results_of_another_version_are_made_again(
    results: SearchResults, search_file: Path, tmp_path: Path
) -> None:
    path = tmp_path / "run" / "results.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "an_older_field": 1}))
    assert run_search(load_config(search_file)).best == results.best


def test_weighted_events_are_refused(search_file: Path, box: Path, tmp_path: Path) -> None:
    table = pq.read_table(box)
    weighted = tmp_path / "weighted.parquet"
    weights = np.where(np.arange(len(table)) % 2, 0.5, 1.0)
    pq.write_table(table.append_column("weight", [weights]), weighted)
    with pytest.raises(InputError, match="different weights"):
        run_search(load_config(search_file, [f"events.files=[{weighted}]"]))
    results = run_search(
        load_config(search_file, [f"events.files=[{weighted}]", "events.weights=dropped"])
    )
    assert any("weights (0.75 on average) and count as one each" in flag for flag in results.flags)


def test_published_cross_fitting_is_flagged(search_file: Path) -> None:
    results = run_search(load_config(search_file, ["cross_fitting=all"]))
    assert any("the p-values are too small" in flag for flag in results.flags)


def test_no_own_file_in_the_folder_of_scores_is_deleted(search_file: Path, box: Path) -> None:
    mine = search_file.parent / "run" / "scores" / "mine.parquet"
    mine.parent.mkdir(parents=True)
    mine.write_bytes(box.read_bytes())
    run_search(load_config(search_file))
    assert mine.is_file()


def test_thin_windows_do_not_end_a_search_and_are_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    few = make_box(tmp_path / "few.parquet", background=3300, signal=0, seed=1)
    config = load_config(write_search(tmp_path, few), ["pseudo_datasets.number=1"])
    results = run_search(config)
    (thin,) = results.left_out
    assert (len(results.windows), thin.low > results.windows[-1].low) == (2, True)
    assert str(thin) in results.flags
    assert str(thin) in caplog.messages
    assert "2 of 3 windows searched" in (Path(config.out or "") / "report.html").read_text()
    assert SearchResults.from_json(Path(config.out or "") / "results.json") == results
    if results.best is not None:
        assert len(calibrate_search(config).datasets) == 1


def test_a_folder_in_which_another_run_is_at_work_is_left_alone(search_file: Path) -> None:
    folder = search_file.parent / "run"
    config = load_config(search_file)
    said: list[str] = []

    def second() -> None:
        for command in (run_search, hunt_search, calibrate_search):
            with pytest.raises(InputError) as error:
                command(config)
            said.append(str(error.value))

    with locked(folder / ".lock", what="run"):
        before = sorted(folder.iterdir())
        thread = threading.Thread(target=second)
        thread.start()
        thread.join()
        assert sorted(folder.iterdir()) == before
    assert len(said) == 3
    assert all(f"{folder}: process {os.getpid()} on " in each for each in said)
