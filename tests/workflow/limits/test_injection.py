from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from overdensity.core import InputError
from overdensity.stats.limits.with_injections import injected_limit
from overdensity.workflow import SearchResults, load_config
from overdensity.workflow.limits.injection import (
    Injection,
    InjectionTask,
    _base,
    _drawn,
    check_strengths,
    inject,
    injection_key,
)
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
    for row, published in zip(again.selections, results.windows[1].selections, strict=True):
        assert row.observed == published.observed
        assert row.expected == pytest.approx(published.expected, rel=1e-9)
        assert row.p_local == pytest.approx(published.p_local, rel=1e-9)
        assert (row.selected_signal, row.absorbed) == (0, 0.0)
    assert again.injected == 0


def test_injected_signal_is_found_and_its_efficiency_is_that_of_events_left_out(
    run: Run, task: InjectionTask, tmp_path: Path
) -> None:
    found = made(run, dataclasses.replace(task, strength=150), tmp_path)
    assert abs(found.injected - 150) < 5 * np.sqrt(150)
    loose = found.selections[0]
    assert loose.z_local > 5
    spread = np.sqrt(found.injected * loose.eps_s * (1 - loose.eps_s)) + 1
    assert abs(loose.selected_signal - loose.eps_s * found.injected) < 4 * spread
    assert loose.eps_s > 0.5


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
    row = made(run, task, tmp_path).selections[0]
    assert 0.2 * row.selected_signal < row.absorbed < 1.5 * row.selected_signal


def test_injected_events_are_nested_in_the_strength_and_never_measure_the_efficiency(
    task: InjectionTask,
) -> None:
    few, kept = _drawn(1000, dataclasses.replace(task, strength=50), 1)
    many, kept_again = _drawn(1000, dataclasses.replace(task, strength=300), 1)
    assert set(few) < set(many)
    assert np.array_equal(kept, kept_again)
    assert not set(many) & set(kept)
    assert len(kept) == 500


def test_number_of_injected_events_is_poisson(task: InjectionTask) -> None:
    sizes = [
        len(_drawn(1000, dataclasses.replace(task, strength=40.0, repeat=repeat), 1)[0])
        for repeat in range(400)
    ]
    assert np.mean(sizes) == pytest.approx(40, abs=4 * np.sqrt(40 / 400))
    assert np.var(sizes) == pytest.approx(40, rel=0.3)


def test_strength_beyond_half_of_the_signal_is_refused() -> None:
    check_strengths(["signal.parquet"], 1000, [400.0])
    with pytest.raises(InputError, match="1000 signal events are too few to inject 480"):
        check_strengths(["signal.parquet"], 1000, [480.0])


def test_pseudo_data_have_the_size_of_the_data_and_no_event_twice(
    run: Run, task: InjectionTask
) -> None:
    task = dataclasses.replace(task, pseudo_events=3000)
    samples = [_base(run, dataclasses.replace(task, repeat=repeat)) for repeat in range(3)]
    for sample in samples:
        assert abs(len(sample) - 3000) < 5 * np.sqrt(3000)
        assert len(np.unique(sample.event)) == len(sample)
    assert set(samples[0].event) != set(samples[1].event)
    with pytest.raises(InputError, match=r"pseudo-data of .* give more"):
        _base(run, dataclasses.replace(task, pseudo_events=9000))


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


@pytest.mark.slow
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

    campaign = [searches(strength, range(12)) for strength in strengths]
    index = 1  # the tight selection
    eps = [[each.selections[index].eps_s for each in some] for some in campaign]

    def limit(each: Injection) -> float | None:
        row = each.selections[index]
        return injected_limit(
            row.observed, row.expected, row.error, strengths=strengths, efficiencies=eps
        ).observed

    without = [limit(each) for each in campaign[0]]
    true = float(np.median([np.inf if value is None else value for value in without]))
    assert 15 < true < 80
    number = 80
    limits = [limit(each) for each in searches(true, range(100, 100 + number))]
    excluded = np.mean([value is not None and value < true for value in limits])
    assert excluded <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / number)
