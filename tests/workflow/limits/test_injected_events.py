from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from overdensity.core import InputError
from overdensity.ml import Sample
from overdensity.stats.spectra.functions import basis
from overdensity.stats.spectra.poisson import seed_theta
from overdensity.workflow import load_config
from overdensity.workflow.limits.injected_events import (
    InjectionTask,
    check_strengths,
    draw_signal,
    events_with_signal,
    load_base,
)
from overdensity.workflow.stages.run import Run


@pytest.fixture
def run(search_file: Path) -> Run:
    return Run(load_config(search_file))


@pytest.fixture
def task(box: Path) -> InjectionTask:
    """No signal into the data of the box."""
    return InjectionTask(
        model="Z'",
        signal=("signal.parquet",),
        base=(str(box),),
        window=1,
        strength=0.0,
        repeat=0,
        pseudo_events=None,
        spurious=0.0,
        refused=(False, False),
        odds_widths=((0.1,),),
    )


def test_injected_events_are_nested_in_the_strength_and_never_measure_the_efficiency(
    task: InjectionTask,
) -> None:
    few, kept = draw_signal(1000, dataclasses.replace(task, strength=50), 1)
    many, kept_again = draw_signal(1000, dataclasses.replace(task, strength=300), 1)
    assert set(few) < set(many)
    assert np.array_equal(kept, kept_again)
    assert not set(many) & set(kept)
    assert len(kept) == 500


def test_the_run_itself_is_measured_with_all_events_and_no_name_decides_which(
    task: InjectionTask,
) -> None:
    injected, measure = draw_signal(1000, task, 1)
    assert not len(injected)
    assert sorted(measure) == list(range(1000))
    assert sorted(measure[:500]) != list(range(500))  # where not all are scored, any are
    for strength in (0.0, 50.0):  # into pseudo-data
        named = [
            dataclasses.replace(task, model=name, strength=strength, pseudo_events=3000)
            for name in ("Z' 3.5", "z")
        ]
        for one, other in zip(*(draw_signal(1000, each, 1) for each in named), strict=True):
            assert np.array_equal(one, other)
        assert len(draw_signal(1000, named[0], 1)[1]) == 500


def test_number_of_injected_events_is_poisson(task: InjectionTask) -> None:
    sizes = [
        len(draw_signal(1000, dataclasses.replace(task, strength=40.0, repeat=repeat), 1)[0])
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
    samples = [load_base(run, dataclasses.replace(task, repeat=repeat)) for repeat in range(3)]
    for sample in samples:
        assert abs(len(sample) - 3000) < 5 * np.sqrt(3000)
        assert len(np.unique(sample.event)) == len(sample)
    assert set(samples[0].event) != set(samples[1].event)
    with pytest.raises(InputError, match=r"pseudo-data of .* give more"):
        load_base(run, dataclasses.replace(task, pseudo_events=9000))


def test_the_data_are_taken_whole(run: Run, task: InjectionTask) -> None:
    assert np.array_equal(load_base(run, task).event, load_base(run, task).event)
    assert len(load_base(run, task)) > 6000


def test_the_data_with_smeared_masses_keep_their_events_and_lose_their_peak(
    run: Run, task: InjectionTask
) -> None:
    theta = tuple(
        seed_theta(basis("dijet3", run.fit_edges), np.full(run.fit_edges.size - 1, 300.0))
    )
    task = dataclasses.replace(task, theta=theta)
    data = load_base(run, dataclasses.replace(task, theta=None))
    samples = [load_base(run, dataclasses.replace(task, repeat=repeat)) for repeat in range(2)]
    for sample in samples:
        assert len(sample) == len(data)
        assert sample.label is None
        assert np.array_equal(np.sort(sample.features, axis=0), np.sort(data.features, axis=0))
    assert not np.array_equal(samples[0].mass, samples[1].mass)
    assert str(task).endswith("0 events into pseudo-data, repeat 0")


def test_signal_comes_last_and_is_labelled_where_the_data_are() -> None:
    data = Sample.from_arrays([3000.0, 3100.0], [[0.1], [0.2]], ["a"], label=[0, 0])
    signal = Sample.from_arrays([3500.0], [[0.9]], ["a"])
    both = events_with_signal(data, signal)
    assert both.mass.tolist() == [3000.0, 3100.0, 3500.0]
    assert both.label is not None
    assert both.label.tolist() == [0, 0, 1]


def test_a_task_says_itself_in_words(task: InjectionTask) -> None:
    assert str(dataclasses.replace(task, strength=40.0, repeat=2)) == (
        "Z', 40 events into the data, repeat 2"
    )
    assert str(task) == "Z', its efficiency in the search as it is"
