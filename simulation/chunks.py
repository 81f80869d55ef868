"""Chunks: the unit of simulation that runs in one process with a seed of its own."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from typing import ParamSpec, TypeVar

import numpy as np

from ..core import InputError
from .detector import detect
from .generator import Process, Signal, generate
from .selection import Events, select
from .settings import DetectorSettings, GeneratorSettings, Selection

__all__ = ["ChunkResult", "ChunkTask", "InProcess", "Tally", "run_chunk", "selected_events"]

_P = ParamSpec("_P")
_R = TypeVar("_R")

_STREAM = {"background": 0, "signal": 1}  # part of the seed
_PYTHIA_SEEDS = 900_000_000
_HOPELESS = 20_000  # generated events after which one should have been selected


@dataclass(frozen=True)
class ChunkTask:
    """All that determines the events of one chunk."""

    process: Process
    index: int
    events: int  # to generate
    seed: int
    signal: Signal
    generator: GeneratorSettings
    detector: DetectorSettings
    selection: Selection


@dataclass(frozen=True)
class ChunkResult:
    """Selected events of one chunk, the number generated, and the cross section in pb."""

    events: Events
    generated: int
    cross_section: float


@dataclass
class Tally:
    """Running sums over the chunks that were used."""

    generated: int = 0
    selected: int = 0
    chunks: int = 0
    weighted_cross_section: float = 0.0  # pb, times events generated

    def add(self, result: ChunkResult) -> None:
        """Count one more chunk."""
        self.generated += result.generated
        self.selected += len(result.events)
        self.chunks += 1
        self.weighted_cross_section += result.cross_section * result.generated

    @property
    def efficiency(self) -> float:
        """Selected over generated events; 1 before there are any."""
        return self.selected / self.generated if self.generated else 1.0


def run_chunk(task: ChunkTask) -> ChunkResult:
    """Generate, measure and select the events of one chunk; the same wherever it runs."""
    sequence = np.random.SeedSequence(task.seed, spawn_key=(_STREAM[task.process], task.index))
    pythia_seed = 1 + int(sequence.generate_state(1)[0]) % _PYTHIA_SEEDS
    batch = generate(task.process, task.events, pythia_seed, task.generator, task.signal)
    rng = np.random.default_rng(sequence.spawn(1)[0])
    objects = detect(batch.particles, rng, task.detector)
    events = select(objects, batch.generated, task.selection)
    return ChunkResult(events, batch.generated, batch.cross_section)


def selected_events(
    make_task: Callable[[int], ChunkTask],
    wanted: int,
    executor: Executor,
    workers: int,
    tally: Tally,
) -> Iterator[Events]:
    """Run chunks until there are enough selected events, and yield them in the chunks' order.

    How many chunks are under way depends on timing, which of them are used does not: always the
    first ones, up to the one that completes the number.

    Parameters
    ----------
    make_task : callable
        ``make_task(index)`` describes a chunk.
    wanted : int
        Selected events in all.
    executor : concurrent.futures.Executor
        Where chunks run.
    workers : int
        How many run at the same time.
    tally : Tally
        Counts the chunks used.

    Yields
    ------
    Events
        Of one chunk; the last one is cut to the number wanted.
    """
    pending: deque[Future[ChunkResult]] = deque()
    submitted = 0
    missing = wanted
    ahead = 1 if workers == 1 else workers + 1  # one more than can run, so that none waits
    try:
        while missing > 0:
            size = make_task(submitted).events
            while len(pending) < ahead and len(pending) * size * tally.efficiency < missing:
                pending.append(executor.submit(run_chunk, make_task(submitted)))
                submitted += 1
            result = pending.popleft().result()
            tally.add(result)
            if tally.generated >= _HOPELESS and not tally.selected:
                msg = (
                    f"none of {tally.generated} generated events passes the selection: choose a "
                    "heavier resonance, or lower Selection.jet_pt_min"
                )
                raise InputError(msg)
            events = result.events.split(missing)[0]
            missing -= len(events)
            yield events
    finally:
        for future in pending:
            future.cancel()


class InProcess(Executor):
    """The executor of a single worker: calls at once, in this process."""

    def submit(self, fn: Callable[_P, _R], /, *args: _P.args, **kwargs: _P.kwargs) -> Future[_R]:
        """Call the function now."""
        future: Future[_R] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:  # noqa: BLE001 - handed to whoever asks for the result
            future.set_exception(error)
        return future
