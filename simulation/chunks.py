"""Chunks: the unit of simulation that runs in one process with a seed of its own."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ..core import InputError, Record
from ..core.identity import text_digest
from .detector import detect
from .generator import generate
from .processes.kind import ProcessKind
from .selection import Events, select
from .settings import DetectorSettings, GeneratorSettings, Selection

__all__ = ["ChunkResult", "ChunkTask", "Tally", "run_chunk", "selected_events"]

_STREAMS = {"background": 0, "signal": 1}  # part of the seed; 2 is the order of the events
_PYTHIA_SEEDS = 900_000_000
_HOPELESS = 20_000  # generated events after which one should have been selected


@dataclass(frozen=True)
class ChunkTask(Record):
    """All that determines the events of one chunk."""

    process: str
    kind: ProcessKind
    pythia: tuple[str, ...]
    index: int
    events: int  # to generate
    seed: int
    generator: GeneratorSettings
    detector: DetectorSettings
    selection: Selection


@dataclass(frozen=True)
class ChunkResult:
    """Selected events of one chunk, number and weight of those generated, and the cross section in pb."""

    events: Events
    generated: int
    cross_section: float
    weight: float


class Store(Protocol):
    """Where finished chunks are kept."""

    def find(self, task: ChunkTask) -> ChunkResult | None:
        """Return a chunk that is there already."""
        ...

    def keep(self, task: ChunkTask, result: ChunkResult) -> None:
        """Keep a finished chunk."""
        ...


@dataclass
class Tally:
    """Running sums over the chunks that were used."""

    generated: int = 0
    selected: int = 0
    chunks: int = 0
    weighted_cross_section: float = 0.0  # pb, times events generated
    weight: float = 0.0  # of the events generated
    selected_weight: float = 0.0
    written_weight: float = 0.0  # of the first ones selected, up to the number wanted

    def add(self, result: ChunkResult) -> None:
        """Count one more chunk."""
        self.generated += result.generated
        self.selected += len(result.events)
        self.chunks += 1
        self.weighted_cross_section += result.cross_section * result.generated
        self.weight += result.weight
        self.selected_weight += float(result.events.weight.sum())

    @property
    def efficiency(self) -> float:
        """Selected over generated events; 1 before there are any."""
        return self.selected / self.generated if self.generated else 1.0

    @property
    def sum_weights(self) -> float:
        """Weight of the generated events that the written ones stand for."""
        return self.weight * self.written_weight / self.selected_weight


def run_chunk(task: ChunkTask) -> ChunkResult:
    """Generate, measure and select the events of one chunk; the same wherever it runs."""
    stream = _STREAMS.get(task.process, text_digest(task.process))
    sequence = np.random.SeedSequence(task.seed, spawn_key=(stream, task.index))
    pythia_seed = 1 + int(sequence.generate_state(1)[0]) % _PYTHIA_SEEDS
    batch = generate(task.kind, task.events, pythia_seed, task.generator, task.pythia)
    rng = np.random.default_rng(sequence.spawn(1)[0])
    objects = detect(batch.particles, rng, task.detector)
    events = select(
        objects,
        batch.generated,
        task.selection,
        batch.partons,
        task.kind.jet,
        weight=batch.weights,
    )
    return ChunkResult(events, batch.generated, batch.cross_section, float(batch.weights.sum()))


def selected_events(
    make_task: Callable[[int], ChunkTask],
    wanted: int,
    executor: Executor,
    workers: int,
    tally: Tally,
    *,
    store: Store | None = None,
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
    store : Store, optional
        Finished chunks, which are not run again; those that are used are added.

    Yields
    ------
    Events
        Of one chunk; the last one is cut to the number wanted.
    """
    pending: deque[Future[ChunkResult]] = deque()
    submitted = used = 0
    missing = wanted
    ahead = 1 if workers == 1 else workers + 1  # one more than can run, so that none waits
    try:
        while missing > 0:
            if not pending and store and (found := store.find(make_task(used))):
                result, submitted = found, submitted + 1
            else:
                size = make_task(submitted).events
                while len(pending) < ahead and len(pending) * size * tally.efficiency < missing:
                    pending.append(executor.submit(run_chunk, make_task(submitted)))
                    submitted += 1
                result = pending.popleft().result()
                if store:
                    store.keep(make_task(used), result)
            used += 1
            tally.add(result)
            if tally.generated >= _HOPELESS and not tally.selected:
                msg = (
                    f"none of {tally.generated} generated events of {make_task(0).process} passes "
                    "the selection: choose a heavier resonance, or lower Selection.jet_pt_min"
                )
                raise InputError(msg)
            events = result.events.split(missing)[0]
            missing -= len(events)
            tally.written_weight += float(events.weight.sum())
            yield events
    finally:
        for future in pending:
            future.cancel()
