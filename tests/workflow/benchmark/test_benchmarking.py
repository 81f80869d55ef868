"""`overdensity benchmark` on toys: who learns from what, what is kept, table, figures, refusals."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from overdensity.core import ConfigError, InputError, OverdensityError
from overdensity.ml import Method, Sample, Window, fold_of
from overdensity.ml.method import METHODS
from overdensity.workflow.benchmark.benchmark_result import (
    BenchmarkResults,
    BenchmarkRun,
    as_markdown,
    summary,
)
from overdensity.workflow.benchmark.benchmarking import (
    benchmark_tasks,
    run_benchmark,
    run_task,
    training_file,
)
from overdensity.workflow.benchmark.events import (
    check_benchmark,
    load_source,
    strengths_of,
    training_events,
)
from overdensity.workflow.commands import command_line
from overdensity.workflow.config.benchmark import BenchmarkConfig
from overdensity.workflow.config.reading import load_benchmark

WINDOW = {"center": 3500, "low": 3300, "high": 3700, "sideband_low": 2900, "sideband_high": 4200}
FILES = {
    "background": "background",
    "extra_background": "background",
    "injected": "signal",
    "training_signal": "signal",
    "test_signal": "signal",
}
SEEN: list[dict[str, Any]] = []  # what toy methods were given


@dataclass(frozen=True)
class ToyHyper:
    sign: float = 1.0


class Toy(Method[ToyHyper]):
    """Scores by a feature, and writes down what it was given."""

    source: ClassVar[str] = "a test"
    Hyper: ClassVar[type[ToyHyper]] = ToyHyper

    def fit(self, data: Sample, window: Window, *, simulation: Sample | None = None, seed: int):
        self.seen = {
            "method": self.name,
            "data": data.event,
            "label": data.label,
            "simulation": None if simulation is None else simulation.event,
            "scored": [],
        }
        SEEN.append(self.seen)
        self.noise = np.random.default_rng(seed)
        return self

    def score(self, data: Sample):
        assert data.label is None
        self.seen["scored"].append(data.event)
        noise = self.noise.normal(0, 0.02, len(data))
        return np.float32(self.hyper.sign * (noise - data.features[:, 0]))

    def arrays(self):
        return {}

    def restore(self, arrays):
        pass


@pytest.fixture(autouse=True)
def _toys(monkeypatch: pytest.MonkeyPatch):
    SEEN.clear()
    for name, needs in (("plain", ()), ("told", ("labels",)), ("simulated", ("simulation",))):
        toy = type(name, (Toy,), {"name": name, "needs": ("features", *needs)})
        monkeypatch.setitem(METHODS._known, name, toy)


def write(path: Path, n: int, *, signal: bool, seed: int) -> str:
    rng = np.random.default_rng(seed)
    mass = rng.normal(3500, 60, n) if signal else 2900 + rng.exponential(600, n) % 1290
    tau21 = rng.beta(3, 12, n) if signal else rng.beta(5, 4, n)
    table = {"mjj": mass, "j1_tau21": tau21.astype(np.float32), "label": np.full(n, int(signal))}
    pq.write_table(pa.table(table), path)
    return str(path)


@pytest.fixture(scope="module")
def values(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("events")
    background = write(folder / "background.parquet", 8000, signal=False, seed=1)
    signal = write(folder / "signal.parquet", 2000, signal=True, seed=2)
    return {
        "background": {"files": background, "rows": [0, 4000]},
        "extra_background": {"files": background, "rows": [4000, 8000]},
        "injected": {"files": signal, "rows": [0, 300]},
        "training_signal": {"files": signal, "rows": [300, 1000]},
        "test_signal": {"files": signal, "rows": [1000, 2000]},
        "simulation": write(folder / "simulation.parquet", 500, signal=False, seed=3),
        "features": ["j1_tau21"],
        "window": WINDOW,
        "methods": ["plain"],
        "strengths": [100],
        "seeds": 2,
        "selections": [0.1, 0.03],
        "folds": 3,
        "min_background": 5,
        "cluster": "threads",
        "workers": 1,
    }


@pytest.fixture
def config(values: dict[str, Any], tmp_path: Path) -> Callable[..., BenchmarkConfig]:
    def make(**changes: Any) -> BenchmarkConfig:
        given = {**values, "out": str(tmp_path / "out"), **changes}
        path = tmp_path / "benchmark.yaml"
        path.write_text(yaml.safe_dump({key: v for key, v in given.items() if v is not None}))
        return load_benchmark(path)

    return make


def trained(config: BenchmarkConfig) -> list[BenchmarkRun]:
    """Run all tasks here, without a cluster and figures."""
    check_benchmark(config)
    found = []
    for task in benchmark_tasks(config):
        path = Path(config.out) / f"{task}.json"
        run_task(config, task, path)
        found.append(BenchmarkRun.from_json(path))
    return found


def background_events(values: dict[str, Any], rows: slice) -> set[int]:
    sample = Sample.from_parquet(values["background"]["files"], features=["j1_tau21"])
    return set(sample.event[rows].tolist())


@pytest.mark.figures
def test_table_record_and_figures_are_written(config) -> None:
    results = run_benchmark(config(methods=["plain", "told"], strengths=[50, 100]))
    out = Path(results.provenance.configuration["out"])
    assert BenchmarkResults.from_json(out / "benchmark.json") == results
    assert (out / "benchmark.md").read_text() == as_markdown(results)
    assert {path.name for path in out.glob("*.png")} == {
        *("sic-50.png", "sic-100.png", "max_sic.png", "spectra-0.1.png", "spectra-0.03.png")
    }
    assert [(row.method, row.n_signal, row.seeds) for row in results.rows] == [
        *(("plain", 50, 2), ("plain", 100, 2), ("told", None, 2))
    ]
    assert set(results.smallest) == {"plain"}


def test_figures_are_those_of_the_scores(config) -> None:
    ((row,), _) = summary(trained(config()))
    assert row.auc.median > 0.9
    assert row.sic[0].median > 2
    assert row.chi2_per_ndf[0].median < 2.5  # the feature does not know the mass
    ((worse,), _) = summary(trained(config(methods={"plain": {"sign": -1.0}})))
    assert worse.auc.median == pytest.approx(1 - row.auc.median, abs=0.01)


def test_without_labels_all_data_are_learnt_and_the_extra_background_only_tested(
    config, values
) -> None:
    trained(config(seeds=1))
    (seen,) = SEEN
    assert seen["label"] is None
    assert len(seen["data"]) == 4100
    assert background_events(values, slice(0, 4000)) < set(seen["data"].tolist())
    assert list(seen["data"]) == sorted(seen["data"])
    (scored,) = seen["scored"]
    assert not set(scored.tolist()) & set(seen["data"].tolist())


def test_with_labels_extra_background_is_scored_out_of_fold(config, values) -> None:
    trained(config(methods=["told"], seeds=1))
    assert len(SEEN) == 3
    scored: list[int] = []
    for seen in SEEN:
        assert np.count_nonzero(seen["label"] == 1) == 700
        (mine,) = seen["scored"]
        assert not set(mine.tolist()) & set(seen["data"].tolist())
        scored += mine.tolist()
    assert len(scored) == len(set(scored))
    learnt = {event for seen in SEEN for event in seen["data"][seen["label"] == 0].tolist()}
    assert learnt == background_events(values, slice(4000, 8000))


def test_simulation_extra_holds_the_tested_fold_back_and_keeps_all_data(config) -> None:
    trained(config(methods={"simulated": {"simulation": "extra"}}, seeds=1))
    assert len(SEEN) == 3
    for seen in SEEN:
        assert len(seen["data"]) == 4100
        assert not set(seen["simulation"].tolist()) & set(seen["scored"][0].tolist())


def test_simulation_file_is_given_whole_and_once(config) -> None:
    trained(config(methods={"simulated": {"simulation": "file"}}, seeds=1))
    (seen,) = SEEN
    assert len(seen["simulation"]) == 500


def test_test_background_of_its_own_needs_no_folds(config, values) -> None:
    extra = values["extra_background"]["files"]
    trained(
        config(
            methods=["told"],
            seeds=1,
            extra_background={"files": extra, "rows": [4000, 6000]},
            test_background={"files": extra, "rows": [6000, 8000]},
        )
    )
    (seen,) = SEEN
    assert np.count_nonzero(seen["label"] == 0) == 2000


def test_what_is_done_is_not_made_again(config) -> None:
    first = run_benchmark(config())
    assert len(SEEN) == 2
    assert run_benchmark(config(seeds=3)).runs[:2] == first.runs
    assert len(SEEN) == 3


def test_other_settings_are_made_anew(config) -> None:
    def file(made: BenchmarkConfig) -> str:
        return training_file(made, benchmark_tasks(made)[0])

    changes = (
        {"strengths": [101]},
        {"shift": {"j1_tau21": 1e-5}},
        {"selections": [0.2]},
        {"window": {**WINDOW, "low": 3310}},
        {"methods": {"plain": {"sign": 2.0}}},
        {"draw": "first"},
    )
    files = {file(config()), *(file(config(**change)) for change in changes)}
    assert len(files) == 1 + len(changes)
    assert file(config(folds=4)) in files  # nothing is cross-fitted


def test_signal_to_background_is_that_of_the_signal_region(config) -> None:
    made = config(strengths=None, signal_to_background=[0.01, 0.05])
    assert all(number > 0 for number in strengths_of(made))
    rows, _ = summary(trained(made))
    for row, wanted in zip(rows, (0.01, 0.05), strict=True):
        assert row.signal_to_background == pytest.approx(wanted, rel=0.2)


def test_label_takes_one_kind_from_a_mixed_file(config, tmp_path: Path, values) -> None:
    mixed = pa.concat_tables(
        [pq.read_table(values["background"]["files"]), pq.read_table(values["injected"]["files"])]
    )
    path = str(tmp_path / "mixed.parquet")
    pq.write_table(mixed, path)
    made = config(
        background={"files": path, "label": 0},
        injected={"files": path, "label": 1},
    )
    data, _ = training_events(made, "plain", n_signal=2000, seed=1)
    assert np.bincount(data.label).tolist() == [8000, 2000]
    with pytest.raises(InputError, match="2000 of 10000 events do not have the label 0"):
        trained(config(background=path))


def test_one_seed_more_runs_one_task_more(config) -> None:
    made = config(methods=["plain", "told"], strengths=[50, 100], seeds=3)
    assert len(benchmark_tasks(made)) == 3 * (2 + 1)


def test_failed_training_is_told_and_the_others_are_kept(
    config, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self, data):
        msg = "the scores ran away"
        raise InputError(msg)

    monkeypatch.setattr(METHODS._known["told"], "score", broken)
    made = config(methods=["plain", "told"], seeds=1)
    with pytest.raises(OverdensityError, match=r"1 of 2 tasks failed.*told, labels"):
        run_benchmark(made)
    assert len(list((Path(made.out) / "trainings").glob("plain-*.json"))) == 1


@pytest.mark.parametrize(
    ("changes", "error", "complaint"),
    [
        ({"methods": ["plian"]}, ConfigError, r"methods.plian.*no method .*did you mean 'plain'"),
        ({"methods": {"plain": {"sgin": 1}}}, ConfigError, "no hyperparameter 'sgin'"),
        ({"methods": ["simulated"]}, ConfigError, "say simulation: extra"),
        ({"methods": {"plain": {"simulation": "file"}}}, ConfigError, "takes no simulation"),
        ({"methods": ["told"], "training_signal": None}, ConfigError, "'training_signal'"),
        (
            {"methods": {"simulated": {"simulation": "file"}}, "simulation": None},
            ConfigError,
            "needs the key 'simulation'",
        ),
        ({"features": ["j1_tau12"]}, InputError, "no column 'j1_tau12'; did you mean"),
        ({"strengths": [301]}, InputError, "300 signal events cannot give a strength of 301"),
        ({"selections": [1e-5]}, InputError, "the figures need 100000; give more events, or"),
        (
            {"spectrum": {"low": 9000, "high": 9001}},
            InputError,
            "0 of .* events lie in the spectrum of 9000 to 9001 GeV, and the figures need",
        ),
        ({"background": "none.parquet"}, InputError, "none.parquet: no such file"),
    ],
)
def test_what_cannot_be_run_is_refused_before_any_training(
    config, changes, error, complaint
) -> None:
    with pytest.raises(error, match=complaint):
        trained(config(**changes))
    assert not SEEN


def test_rows_that_are_not_there_are_refused(config, values) -> None:
    too_many = {"files": values["injected"]["files"], "rows": [1500, 2500]}
    with pytest.raises(InputError, match="rows 1500 to 2500 are asked for, and 2000 are there"):
        trained(config(test_signal=too_many))


def test_events_of_the_test_among_those_learnt_are_refused(config, values) -> None:
    overlapping = {"files": values["injected"]["files"], "rows": [900, 2000]}
    with pytest.raises(InputError, match="test_signal and training_signal have 100 events in"):
        trained(config(methods=["told"], test_signal=overlapping))
    again = {"files": values["background"]["files"], "rows": [3000, 8000]}
    with pytest.raises(InputError, match="1000 events in common"):
        trained(config(extra_background=again))


def test_files_that_a_method_learns_by_itself_are_not_those_of_the_test(
    config, tmp_path: Path, values
) -> None:
    other = write(tmp_path / "prior.parquet", 100, signal=True, seed=9)

    def with_prior(path: str) -> BenchmarkConfig:
        return config(methods={"double_disco": {"signals": [path], "simulation": "extra"}})

    with pytest.raises(ConfigError, match=r"test_signal: .*signal\.parquet is learnt by method"):
        trained(with_prior(values["test_signal"]["files"]))
    made = with_prior(other)
    first = training_file(made, benchmark_tasks(made)[0])
    write(tmp_path / "prior.parquet", 101, signal=True, seed=9)
    assert training_file(made, benchmark_tasks(made)[0]) != first


def test_command_prints_the_table_and_chooses_methods(
    config, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(command_line, "_set_up", lambda *, quiet: None)
    monkeypatch.setenv("COLUMNS", "250")
    config(methods=["plain", "told"], seeds=1)

    def call(*words: str) -> int:
        with pytest.raises(SystemExit) as stopped:
            command_line.main(["benchmark", str(tmp_path / "benchmark.yaml"), *words])
        return stopped.value.code or 0

    assert call("--methods", "plain") == 0
    shown = capfd.readouterr().out
    assert "max SIC" in shown
    assert "told" not in shown
    assert json.loads((tmp_path / "out" / "benchmark.json").read_text())["rows"]
    assert call("--methods", "plian") == 2
    assert "no method of the benchmark is called 'plian'" in capfd.readouterr().err


def test_example_reproduces_the_benchmark_split(
    shared_data: Path,
) -> None:
    root = Path(__file__).resolve().parents[3]
    made = load_benchmark(
        root / "examples" / "benchmark" / "rnd.yaml",
        [f"{key}.files={shared_data}/reference/rnd_{kind}.parquet" for key, kind in FILES.items()],
    )
    data, _ = training_events(made, "cwola", n_signal=strengths_of(made)[0], seed=1)
    region = made.window.window().signal(data.mass)
    assert np.bincount(data.label).tolist() == [250_000, 565]
    assert np.count_nonzero(region & (data.label == 1)) == 426  # DATA.md
    extra = load_source(made, "test_background", made.features)
    assert np.count_nonzero(made.window.window().signal(extra.mass)) == 35_456  # DATA.md


def test_folds_of_the_test_are_independent_of_the_inner_ones() -> None:
    event = np.arange(20_000, dtype=np.uint64)
    one, other = (
        fold_of(event, 2, seed=1, salt="benchmark"),
        fold_of(event, 2, seed=1, salt="inner"),
    )
    assert np.mean(one == other) == pytest.approx(0.5, abs=0.02)
