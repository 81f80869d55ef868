from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from overdensity.stats import WindowResult
from overdensity.workflow import SearchResults, load_config
from overdensity.workflow.calibrate.retraining import background_parameters
from overdensity.workflow.cluster.connecting import connect
from overdensity.workflow.limits.injected_events import InjectionTask
from overdensity.workflow.limits.injection import inject, injection_key
from overdensity.workflow.limits.injection_results import Injection
from overdensity.workflow.limits.strength_limits import (
    efficiency_errors,
    limit_without_retraining,
)
from overdensity.workflow.limits.yield_limits import window_limits
from overdensity.workflow.stages.run import Run
from overdensity.workflow.stages.scoring import make_scores

from ...conftest import HIGH, LOW, make_box

N_LIMITS = 20


@pytest.fixture(scope="module")
def signal_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("signal")
    return make_box(folder / "signal.parquet", background=0, signal=1500, seed=11)


@pytest.fixture
def run(search_file: Path) -> Run:
    return Run(load_config(search_file))


@pytest.fixture
def task(box: Path, signal_file: Path) -> InjectionTask:
    """No signal into the data of the finished run."""
    return InjectionTask(
        model="Z'",
        signal=(str(signal_file),),
        base=(str(box),),
        window=1,
        strength=0.0,
        repeat=0,
        pseudo_events=None,
        spurious=0.0,
        refused=(False, False),
        odds_widths=((0.1,) * 4, (0.1,) * 4),
    )


def made(run: Run, task: InjectionTask, folder: Path) -> Injection:
    inject(run, task, folder / "injection.json")
    return Injection.from_json(folder / "injection.json")


def test_no_signal_is_the_search_itself(
    run: Run, task: InjectionTask, finished_run: Path, tmp_path: Path
) -> None:
    results = SearchResults.from_json(finished_run / "results.json")
    fraction = 0.0 if results.spurious is None else results.spurious.fraction[1]
    task = dataclasses.replace(task, spurious=fraction, odds_widths=results.odds_widths)
    again = made(run, task, tmp_path)
    for found, published in zip(again.selections, results.windows[1].searched, strict=True):
        row = found.selection
        assert row.observed == published.observed
        assert row.expected == pytest.approx(published.expected, rel=1e-6)
        assert row.expected_error == pytest.approx(published.expected_error, rel=1e-6)
        assert found.selected_signal == 0
        assert 0 < found.eps_error < found.eps_s
    assert again.injected == 0


def test_injected_signal_is_found_and_its_efficiency_is_that_of_events_left_out(
    run: Run, task: InjectionTask, tmp_path: Path
) -> None:
    found = made(run, dataclasses.replace(task, strength=150), tmp_path)
    assert abs(found.injected - 150) < 5 * np.sqrt(150)
    everything, loose, _ = found.selections
    assert loose.selection.z_local > max(5, everything.selection.z_local)
    assert loose.eps_s < everything.eps_s < 1  # not all of the signal is in the window
    spread = np.sqrt(found.injected * loose.eps_s * (1 - loose.eps_s)) + 1
    assert abs(loose.selected_signal - loose.eps_s * found.injected) < 4 * spread
    assert loose.eps_s > 0.5


def test_signal_inside_the_signal_region_is_not_absorbed(
    run: Run, task: InjectionTask, tmp_path: Path
) -> None:
    rng = np.random.default_rng(3)
    narrow = tmp_path / "narrow.parquet"
    columns = {
        "mjj": rng.uniform(3700, 3900, 2000),
        "j1_mass": rng.normal(500, 30, 2000),
        "j1_tau21": rng.beta(3, 12, 2000),
    }
    pq.write_table(pa.table(columns), narrow)
    task = dataclasses.replace(task, signal=(str(narrow),), strength=200)
    for row in made(run, task, tmp_path).selections:
        assert row.selected_signal > 50
        assert abs(row.absorbed) < 0.01 * row.eps_s


def test_same_task_same_result(run: Run, task: InjectionTask, tmp_path: Path) -> None:
    task = dataclasses.replace(task, strength=40)
    first = made(run, task, tmp_path)
    assert made(run, task, tmp_path) == first
    assert made(run, dataclasses.replace(task, repeat=1), tmp_path) != first


def test_signal_beside_the_signal_region_raises_its_background(
    run: Run, task: InjectionTask, tmp_path: Path
) -> None:
    rng = np.random.default_rng(2)
    wide = tmp_path / "wide.parquet"
    columns = {
        "mjj": rng.uniform(LOW, HIGH, 2000),
        "j1_mass": rng.normal(500, 30, 2000),
        "j1_tau21": rng.beta(3, 12, 2000),
    }
    pq.write_table(pa.table(columns), wide)
    task = dataclasses.replace(task, signal=(str(wide),), strength=400)
    row = made(run, task, tmp_path).selections[1]
    assert 0.2 * row.eps_s < row.absorbed < 1.5 * row.eps_s
    assert row.net_efficiency < 0.8 * row.eps_s


@pytest.mark.parametrize(
    "change",
    [
        {"strength": 1.0},
        {"repeat": 1},
        {"model": "another"},
        {"window": 0},
        {"pseudo_events": 100},
        {"spurious": 0.1},
        {"theta": (1.0, 2.0, 3.0)},
        {"odds_widths": ((0.2,) * 4, (0.1,) * 4)},
    ],
)
def test_key_knows_the_task(run: Run, task: InjectionTask, change: dict) -> None:
    assert injection_key(run, dataclasses.replace(task, **change)) != injection_key(run, task)


@pytest.mark.parametrize(
    "override",
    [
        "method.classifier.members=2",
        "seed=2",
        "folds=4",
        "selections=[0.1]",
        "scan.bins=8",
        "calibration=none",
    ],
)
def test_key_knows_the_search(search_file: Path, task: InjectionTask, override: str) -> None:
    changed = Run(load_config(search_file, [override]))
    assert injection_key(changed, task) != injection_key(Run(load_config(search_file)), task)


@pytest.mark.parametrize("override", ["cluster=local", "pseudo_experiments=200"])
def test_key_leaves_out_what_does_not_matter(
    search_file: Path, task: InjectionTask, override: str
) -> None:
    changed = Run(load_config(search_file, [override]))
    assert injection_key(changed, task) == injection_key(Run(load_config(search_file)), task)


@pytest.mark.slow(seconds=25)
def test_training_on_smeared_data_that_hold_signal_is_that_on_pure_background(
    run: Run, task: InjectionTask, tmp_path: Path
) -> None:
    """The box holds 120 signal events: injected on top they train twice, smeared they hardly do.

    Of the way from pure background to twice the signal, smeared events go 0.21 ± 0.06 (96 repeats);
    one training gives anything from none to all of the signal.
    """
    theta = background_parameters(scored(run))
    pool = make_box(tmp_path / "pool.parquet", background=30_000, signal=0, seed=21)
    pure = dataclasses.replace(task, base=(str(pool),), pseudo_events=6000)

    def efficiency(into: InjectionTask) -> float:
        tasks = [dataclasses.replace(into, strength=30.0, repeat=k) for k in range(72)]
        return float(np.mean([made(run, each, tmp_path).selections[-1].eps_s for each in tasks]))

    alone = efficiency(pure)
    smeared = efficiency(dataclasses.replace(task, theta=theta))
    twice = efficiency(task)
    assert alone < 0.7 * twice
    assert smeared - alone < 0.4 * (twice - alone)


def scored(run: Run) -> Run:
    """Score the events of a run."""
    with connect("threads", 1) as client:
        make_scores(run, client)
    return run


@pytest.mark.slow(seconds=20)
def test_limits_of_the_training_of_the_run_cover(
    search_file: Path, task: InjectionTask, tmp_path: Path
) -> None:
    """Where the signal fills a selection: 2 % of the events are 100."""
    more = ["method.classifier.inner_folds=2", "selections=[0.1, 0.02]"]
    run, rng, n_signal = Run(load_config(search_file, more)), np.random.default_rng(5), 120
    task = dataclasses.replace(task, odds_widths=())
    covered, there, expected = 0, 0.0, 0.0
    for number in range(N_LIMITS):
        in_box = int(rng.poisson(n_signal))
        base = make_box(tmp_path / "box.parquet", background=5000, signal=in_box, seed=100 + number)
        found = made(run, dataclasses.replace(task, base=(str(base),), repeat=number), tmp_path)
        rows = tuple(each.selection for each in found.selections)
        window = WindowResult(0.0, 0.0, 0.0, dataclasses.replace(rows[0], searched=False), rows)
        limit = limit_without_retraining(
            found, window_limits(window, 0.95, of_rows=efficiency_errors(found)), None
        )
        covered += limit is None or limit.observed is None or limit.observed >= n_signal
        tightest = found.selections[-1]
        there += rows[-1].observed - rows[-1].expected
        expected += tightest.net_efficiency * in_box
    assert covered >= N_LIMITS - 4  # of 95 %, fewer have a chance of 0.3 %
    assert there == pytest.approx(expected, rel=0.06)
