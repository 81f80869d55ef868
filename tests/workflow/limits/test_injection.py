from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from overdensity.stats.limits.with_injections import injected_limit
from overdensity.workflow import SearchResults, load_config
from overdensity.workflow.limits.injected_events import InjectionTask
from overdensity.workflow.limits.injection import inject, injection_key
from overdensity.workflow.limits.injection_results import Injection
from overdensity.workflow.stages.run import Run

from ...conftest import HIGH, LOW, make_box, write_search


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
    )


def made(run: Run, task: InjectionTask, folder: Path) -> Injection:
    inject(run, task, folder / "injection.json")
    return Injection.from_json(folder / "injection.json")


def test_no_signal_is_the_search_itself(
    run: Run, task: InjectionTask, finished_run: Path, tmp_path: Path
) -> None:
    results = SearchResults.from_json(finished_run / "results.json")
    fraction = 0.0 if results.spurious is None else results.spurious.fraction[1]
    again = made(run, dataclasses.replace(task, spurious=fraction), tmp_path)
    for found, published in zip(again.selections, results.windows[1].searched, strict=True):
        row = found.selection
        assert row.observed == published.observed
        assert row.expected == pytest.approx(published.expected, rel=1e-9)
        assert row.p_local == pytest.approx(published.p_local, rel=1e-9)
        assert (found.selected_signal, found.absorbed) == (0, 0.0)
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
        assert abs(row.absorbed) < 0.01


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
    assert 0.2 * row.selected_signal < row.absorbed < 1.5 * row.selected_signal


@pytest.mark.parametrize(
    "change",
    [
        {"strength": 1.0},
        {"repeat": 1},
        {"model": "another"},
        {"window": 0},
        {"pseudo_events": 100},
        {"spurious": 0.1},
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


@pytest.mark.slow(seconds=100)
def test_limit_covers_a_signal_of_its_strength(
    task: InjectionTask, signal_file: Path, tmp_path: Path
) -> None:
    """Searches of pseudo-data that hold signal put their limit below its strength in 5 % at most.

    The strength is the median expected limit: the experiments without signal exclude it in half
    of the cases, those that hold it must not.
    """
    background = make_box(tmp_path / "pool.parquet", background=60_000, signal=0, seed=21)
    run = Run(load_config(write_search(tmp_path, background)))
    pool = dataclasses.replace(task, base=(str(background),), pseudo_events=6000)
    strengths = [0.0, 15.0, 25.0, 35.0, 50.0, 80.0]

    def searches(strength: float, repeats: range) -> list[Injection]:
        return [
            made(run, dataclasses.replace(pool, strength=strength, repeat=repeat), tmp_path)
            for repeat in repeats
        ]

    campaign = [searches(strength, range(8)) for strength in strengths]
    index = -1  # the tight selection
    eps = [[each.selections[index].eps_s for each in some] for some in campaign]

    def limit(each: Injection) -> float | None:
        row = each.selections[index].selection
        return injected_limit(
            row.observed, row.expected, row.total_error, strengths=strengths, efficiencies=eps
        ).observed

    without = [limit(each) for each in campaign[0]]
    true = float(np.median([np.inf if value is None else value for value in without]))
    assert 15 < true < 80
    number = 50
    limits = [limit(each) for each in searches(true, range(100, 100 + number))]
    excluded = np.mean([value is not None and value < true for value in limits])
    assert excluded <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / number)
