from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from overdensity.stats.reach.significances import asimov_significances
from overdensity.workflow import load_config
from overdensity.workflow.expect.blind_data import background_of, blind_fit
from overdensity.workflow.expect.blind_training import (
    BlindTraining,
    TrainedResponse,
    measure_response,
    response_of,
    training_key,
)
from overdensity.workflow.limits.injected_events import InjectionTask
from overdensity.workflow.limits.injection import inject
from overdensity.workflow.limits.injection_results import Injection
from overdensity.workflow.stages.run import Run

from ...conftest import make_box


@pytest.fixture
def run(search_file: Path) -> Run:
    return Run(load_config(search_file))


@pytest.fixture
def task(run: Run, signal_file: Path) -> BlindTraining:
    theta, expected = blind_fit(run, 1)
    injected = InjectionTask(
        model="Z'",
        signal=(str(signal_file),),
        base=run.columns,
        window=1,
        strength=100.0,
        repeat=0,
        pseudo_events=None,
        spurious=0.0,
        refused=(),
        theta=theta,
    )
    return BlindTraining(injected, inside=float(expected.sum() / 4))


def measured(run: Run, task: BlindTraining, folder: Path) -> TrainedResponse:
    measure_response(run, task, folder / "response.json")
    return TrainedResponse.from_json(folder / "response.json")


def test_what_is_kept_is_nested_and_in_the_bins_of_the_signal(
    run: Run, task: BlindTraining, signal_file: Path, tmp_path: Path
) -> None:
    found = measured(run, task, tmp_path)
    fractions = np.array(found.fractions)
    assert fractions.shape == (3, len(run.fit_edges) - 1)
    assert np.all(np.diff(fractions, axis=0) <= 1e-12)
    assert fractions[0].sum() == pytest.approx(1.0)
    peak = run.fit_edges[fractions[0].argmax()]
    assert 3600 < peak < 3900
    assert fractions[1].sum() > 0.5  # 100 events train a good selection
    assert abs(found.injected - 100) < 50


def test_a_selection_learns_from_the_strength(
    run: Run, task: BlindTraining, tmp_path: Path
) -> None:
    without = dataclasses.replace(task, injected=dataclasses.replace(task.injected, strength=0.0))
    some, none = (np.array(measured(run, each, tmp_path).fractions) for each in (task, without))
    assert some[2].sum() > 2 * none[2].sum()
    assert np.array_equal(some[0], none[0])  # the same events measure it


def test_simulated_background_takes_the_place_of_the_data(
    run: Run, task: BlindTraining, tmp_path: Path
) -> None:
    pool = make_box(tmp_path / "pool.parquet", background=12_000, signal=0, seed=3)
    drawn = dataclasses.replace(task.injected, base=(str(pool),), theta=None, pseudo_events=6000)
    found = measured(run, dataclasses.replace(task, injected=drawn), tmp_path)
    assert abs(found.events - 6100) < 500


def test_trainings_are_put_in_order() -> None:
    made = [
        TrainedResponse("A", strength, repeat, 0, 10, 10, ((0.5,), (strength / 100 + repeat / 10,)))
        for strength in (20.0, 0.0)
        for repeat in (1, 0)
    ]
    response = response_of(made)
    assert response.strengths.tolist() == [0.0, 20.0]
    assert response.fractions[:, :, 1, 0] == pytest.approx(np.array([[0.0, 0.1], [0.2, 0.3]]))


def test_key_knows_training_and_search(run: Run, task: BlindTraining, search_file: Path) -> None:
    key = training_key(run, task)
    assert training_key(run, dataclasses.replace(task, inside=1.0)) != key
    other = dataclasses.replace(task, injected=dataclasses.replace(task.injected, repeat=1))
    assert training_key(run, other) != key
    assert training_key(Run(load_config(search_file, ["seed=2"])), task) != key
    assert training_key(Run(load_config(search_file, ["expect.toys=200"])), task) == key


@pytest.mark.slow(seconds=30)
def test_searches_trained_anew_read_on_average_what_is_expected(
    run: Run, task: BlindTraining, tmp_path: Path
) -> None:
    """Other background, other signal: the whole search of a window against its expected reach."""
    pool = make_box(tmp_path / "pool.parquet", background=40_000, signal=0, seed=21)
    trained = []
    for strength in (0.0, 60.0):
        for repeat in range(8):
            injected = dataclasses.replace(task.injected, strength=strength, repeat=repeat)
            trained.append(measured(run, dataclasses.replace(task, injected=injected), tmp_path))
    expected = asimov_significances(background_of(run, 1), response_of(trained), [60.0])[0]
    found = []
    for repeat in range(24):
        injected = dataclasses.replace(
            task.injected,
            base=(str(pool),),
            theta=None,
            pseudo_events=6000,
            strength=60.0,
            repeat=100 + repeat,
            refused=(False, False),
        )
        inject(run, injected, tmp_path / "search.json")
        rows = Injection.from_json(tmp_path / "search.json").selections
        found.append([row.z_or_zero for row in rows])
    mean, error = np.mean(found, axis=0), np.std(found, axis=0) / np.sqrt(24)
    assert expected[2] > 2
    assert np.all(np.abs(mean - expected) < 3 * error), (mean, error, expected)
