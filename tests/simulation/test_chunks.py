"""Streams of chunks: order, end and seeds do not depend on timing."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor, Future
from dataclasses import replace

import numpy as np
import pytest

from overdensity.core import InputError
from overdensity.core.local_workers import InProcess
from overdensity.simulation import chunks
from overdensity.simulation.chunks import (
    ChunkResult,
    ChunkTask,
    Tally,
    run_chunk,
    selected_events,
)
from overdensity.simulation.processes.qcd import Qcd
from overdensity.simulation.selection import Events
from overdensity.simulation.settings import DetectorSettings, GeneratorSettings, Selection

from .conftest import events_of

TASK = ChunkTask(
    "background", Qcd(), (), 0, 20, 1, GeneratorSettings(), DetectorSettings(), Selection()
)


def fake_chunk(task: ChunkTask) -> ChunkResult:
    """Keep three events of ten, marked with the chunk's index."""
    events = events_of(np.ones(3), np.full((3, 3), task.index))
    return ChunkResult(events, 10, 2.0, 10.0)


class Counting(InProcess):
    """Remembers what was submitted."""

    def __init__(self) -> None:
        self.submitted: list[int] = []

    def submit(self, fn: Callable, /, *args, **kwargs) -> Future:
        self.submitted.append(args[0].index)
        return super().submit(fn, *args, **kwargs)


def indices(executor: Executor, wanted: int, workers: int, tally: Tally) -> list[int]:
    def task(index: int) -> ChunkTask:
        return replace(TASK, index=index, events=10)

    parts = list(selected_events(task, wanted, executor, workers, tally))
    return Events.concatenate(parts).objects[:, 0].astype(int).tolist()


@pytest.mark.parametrize("workers", [1, 2, 7])
def test_events_come_in_the_order_of_chunks(monkeypatch, workers: int) -> None:
    monkeypatch.setattr(chunks, "run_chunk", fake_chunk)
    tally = Tally()
    assert indices(Counting(), 8, workers, tally) == [0, 0, 0, 1, 1, 1, 2, 2]
    assert (tally.chunks, tally.generated, tally.selected) == (3, 30, 9)
    assert tally.efficiency == pytest.approx(0.3)


def test_no_more_chunks_are_started_than_are_expected_to_be_needed(monkeypatch) -> None:
    monkeypatch.setattr(chunks, "run_chunk", fake_chunk)
    executor = Counting()
    assert len(indices(executor, 30, 4, Tally())) == 30
    assert executor.submitted == list(range(10))


def test_nothing_wanted_starts_nothing(monkeypatch) -> None:
    monkeypatch.setattr(chunks, "run_chunk", fake_chunk)
    executor = Counting()
    assert indices(executor, 0, 4, Tally()) == []
    assert executor.submitted == []


def test_an_error_in_a_chunk_reaches_the_caller(monkeypatch) -> None:
    def broken(task: ChunkTask) -> ChunkResult:
        raise ValueError(task.index)

    monkeypatch.setattr(chunks, "run_chunk", broken)
    with pytest.raises(ValueError, match="0"):
        indices(InProcess(), 5, 1, Tally())


def test_a_chunk_is_the_same_every_time_and_differs_from_others() -> None:
    pytest.importorskip("pythia8mc")
    first, again = run_chunk(TASK), run_chunk(TASK)
    np.testing.assert_array_equal(first.events.objects, again.events.objects)
    for other in (replace(TASK, index=1), replace(TASK, seed=2), replace(TASK, process="signal")):
        changed = run_chunk(other)
        assert not np.array_equal(first.events.objects[:5], changed.events.objects[:5])


def test_a_selection_that_nothing_passes_ends_in_an_error(monkeypatch) -> None:
    def nothing(task: ChunkTask) -> ChunkResult:
        return ChunkResult(Events.empty(), 5_000, 2.0, 5_000.0)

    monkeypatch.setattr(chunks, "run_chunk", nothing)
    with pytest.raises(InputError, match="none of 20000 generated events of background passes the"):
        indices(Counting(), 8, 1, Tally())
