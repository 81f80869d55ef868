"""The simulation from end to end: from numbers of events to one LHC Olympics file."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from math import ceil
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..core import InputError, OverdensityError, Record, progress
from .chunks import ChunkTask, InProcess, Tally, selected_events
from .generator import Process, Signal, require_pythia
from .lhco_file import frame_writer, padded_rows
from .selection import MAX_OBJECTS, Events
from .settings import DetectorSettings, GeneratorSettings, Selection, ZprimeMasses

__all__ = ["ProcessReport", "SimulationReport", "simulate"]

_BLOCK = 1024  # rows written at a time
_SHUFFLE = 2  # spawn key of the order of the labels; 0 and 1 are the processes
_PACKAGES = ("pythia8mc", "fastjet", "awkward", "numpy", "h5py")


@dataclass(frozen=True)
class ProcessReport(Record):
    """Events and cross section of one process.

    Attributes
    ----------
    written : int
        Selected events in the file.
    generated : int
        Events generated in the chunks that were used.
    efficiency : float or None
        Of the selection; None if nothing was generated.
    cross_section : float or None
        Pythia's estimate before the selection, pb; None for the signal, whose coupling is free.
    chunks : int
        Chunks that were used.

    Examples
    --------
    >>> report = ProcessReport(written=70, generated=100, efficiency=0.7, cross_section=2.5, chunks=1)
    >>> ProcessReport.from_dict(report.to_dict()) == report
    True
    """

    written: int
    generated: int
    efficiency: float | None
    cross_section: float | None
    chunks: int


@dataclass(frozen=True)
class SimulationReport(Record):
    """What was simulated, and how; repeats it when given back to :func:`simulate`.

    Attributes
    ----------
    path : str
        The event file.
    key_path : str or None
        The file with the truth, where it is apart from the events.
    background, signal : ProcessReport
        Numbers of events and selection efficiencies.
    seed, chunk_events, prongs : int
        As given.
    masses, generator, detector, selection
        Settings used.
    seconds, events_per_second : float
        Duration, and selected events over it.
    versions : dict of str to str
        Of the packages that determine the events.

    Examples
    --------
    >>> process = ProcessReport(written=1, generated=2, efficiency=0.5, cross_section=None, chunks=1)
    >>> report = SimulationReport(
    ...     path="box.h5",
    ...     key_path=None,
    ...     background=process,
    ...     signal=process,
    ...     seed=4,
    ...     chunk_events=2000,
    ...     prongs=2,
    ...     masses=ZprimeMasses(),
    ...     generator=GeneratorSettings(),
    ...     detector=DetectorSettings(),
    ...     selection=Selection(),
    ...     seconds=2.0,
    ...     events_per_second=1.0,
    ...     versions={},
    ... )
    >>> SimulationReport.from_dict(report.to_dict()).masses.zprime
    3500.0
    """

    path: str
    key_path: str | None
    background: ProcessReport
    signal: ProcessReport
    seed: int
    chunk_events: int
    prongs: int
    masses: ZprimeMasses
    generator: GeneratorSettings
    detector: DetectorSettings
    selection: Selection
    seconds: float
    events_per_second: float
    versions: dict[str, str]


def simulate(
    out: str | os.PathLike[str],
    *,
    background: int,
    signal: int = 0,
    seed: int,
    masses: ZprimeMasses | None = None,
    prongs: int = 2,
    key_file: bool = False,
    generator: GeneratorSettings | None = None,
    detector: DetectorSettings | None = None,
    selection: Selection | None = None,
    workers: int | None = None,
    chunk_events: int = 2000,
    executor: Executor | None = None,
) -> SimulationReport:
    """Simulate selected events and write them, shuffled, as one LHC Olympics file.

    The file depends on the arguments up to ``chunk_events`` and not on how many workers there
    are. It appears under its name only when it is complete, and is written as events come, so
    memory does not grow with their number.

    Parameters
    ----------
    out : path
        The HDF5 file; ``pandas.read_hdf(out)`` gives a frame of shape (n_events, 2101).
    background : int
        Selected QCD dijet events.
    signal : int
        Selected Z' → X Y events.
    seed : int
        Same seed, same file.
    masses : ZprimeMasses, optional
        Of the signal; the R&D signal's by default.
    prongs : int
        Quarks that X and Y decay to, 2 or 3.
    key_file : bool
        Write the truth to ``<name>.key.h5``, shape (n_events, 1), instead of the last column;
        the frame is then of shape (n_events, 2100), as of a black box.
    generator : GeneratorSettings, optional
        Settings of Pythia.
    detector : DetectorSettings, optional
        Settings of the detector.
    selection : Selection, optional
        Which events are kept.
    workers : int, optional
        Processes to run in; all cores by default, this process alone for 1.
    chunk_events : int
        Largest number of events generated with one seed.
    executor : concurrent.futures.Executor, optional
        Runs the chunks in place of local processes, such as ``dask``'s
        ``client.get_executor()``; ``workers`` is then how many it can run at the same time.

    Returns
    -------
    SimulationReport
        Numbers of events, efficiencies, cross section, settings and versions.

    Raises
    ------
    InputError
        If a number, a mass or the output folder cannot be used.
    MissingExtraError
        If Pythia is not installed.
    OverdensityError
        If a worker process dies.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     report = simulate(Path(folder, "box.h5"), background=2, seed=1, workers=1)
    >>> report.background.written, 0 < report.background.efficiency < 1
    (2, True)
    """
    start = time.monotonic()
    path = Path(out)
    workers = _available_cores() if workers is None else workers
    numbers = {"background": background, "signal": signal, "seed": seed}
    _check(path, **numbers, workers=workers, chunk_events=chunk_events)
    require_pythia()
    recipe = _Recipe(
        seed,
        Signal(masses or ZprimeMasses(), prongs),
        generator or GeneratorSettings(),
        detector or DetectorSettings(),
        selection or Selection(),
    )
    tallies: dict[Process, Tally] = {"background": Tally(), "signal": Tally()}
    key_path = path.with_suffix(".key.h5") if key_file else None
    labels = _shuffled_labels(background, signal, seed)
    with ExitStack() as stack:
        pool = executor or stack.enter_context(_local_executor(workers))
        advance = stack.enter_context(progress("simulating", len(labels), unit="events"))

        def stream(process: Process, wanted: int) -> EventQueue:
            task = partial(recipe.task, process, _chunk_size(wanted, chunk_events))
            chunks = selected_events(task, wanted, pool, workers, tallies[process])
            return EventQueue(chunks, advance)

        streams = stream("background", background), stream("signal", signal)
        with _explained(path, workers):
            _write(path, key_path, labels, *streams)

    seconds = time.monotonic() - start
    return SimulationReport(
        path=str(path),
        key_path=str(key_path) if key_path else None,
        background=_report(background, tallies["background"], known_coupling=True),
        signal=_report(signal, tallies["signal"], known_coupling=False),
        seed=seed,
        chunk_events=chunk_events,
        prongs=prongs,
        masses=recipe.signal.masses,
        generator=recipe.generator,
        detector=recipe.detector,
        selection=recipe.selection,
        seconds=seconds,
        events_per_second=len(labels) / seconds,
        versions={package: version(package) for package in _PACKAGES},
    )


@dataclass(frozen=True)
class _Recipe:
    """All that determines the events, but for how many there are."""

    seed: int
    signal: Signal
    generator: GeneratorSettings
    detector: DetectorSettings
    selection: Selection

    def task(self, process: Process, events: int, index: int) -> ChunkTask:
        """Return the chunk of a process with an index, of so many events to generate."""
        return ChunkTask(
            process,
            index,
            events,
            self.seed,
            self.signal,
            self.generator,
            self.detector,
            self.selection,
        )


@contextmanager
def _explained(path: Path, workers: int) -> Iterator[None]:
    """Say why workers died."""
    try:
        yield
    except BrokenProcessPool:
        msg = (
            f"a worker process died while simulating {path}; nothing was written. If memory "
            f"is short, try fewer workers than {workers}; in a script, call simulate under "
            f"if __name__ == '__main__'"
        )
        raise OverdensityError(msg) from None


class EventQueue:
    """Events of a stream of chunks, taken in any number."""

    def __init__(self, chunks: Iterator[Events], advance: Callable[[int], None]) -> None:
        self._chunks = chunks
        self._advance = advance
        self._ready = Events.concatenate([])

    def take(self, n: int) -> Events:
        """Return the next n events, waiting for as many chunks as it needs."""
        parts = [self._ready]
        while sum(map(len, parts)) < n:
            parts.append(next(self._chunks))
            self._advance(len(parts[-1]))
        taken, self._ready = Events.concatenate(parts).split(n)
        return taken


def _write(
    path: Path,
    key_path: Path | None,
    labels: NDArray[np.int8],
    background: EventQueue,
    signal: EventQueue,
) -> None:
    """Write events in the order of the labels.

    Events of one process are independent and alike, so that a random order of the labels is a
    random order of the events.
    """
    with ExitStack() as stack:
        columns = 3 * MAX_OBJECTS + (key_path is None)
        frame = stack.enter_context(frame_writer(path, len(labels), columns))
        key = stack.enter_context(frame_writer(key_path, len(labels), 1)) if key_path else None
        for block in np.split(labels, range(_BLOCK, len(labels), _BLOCK)):
            n_signal = int(block.sum())
            events = _interleave(
                block, background.take(len(block) - n_signal), signal.take(n_signal)
            )
            frame.append(padded_rows(events, None if key else block))
            if key:
                key.append(block[:, None].astype(np.float64))


def _interleave(labels: NDArray[np.int8], background: Events, signal: Events) -> Events:
    """Return background events where labels are 0 and signal events where they are 1."""
    counts = np.empty(len(labels), dtype=np.int64)
    counts[labels == 0], counts[labels == 1] = background.counts, signal.counts
    objects = np.empty((counts.sum(), 3), dtype=np.float32)
    of_signal = np.repeat(labels == 1, counts)
    objects[~of_signal], objects[of_signal] = background.objects, signal.objects
    return Events(counts, objects)


def _chunk_size(wanted: int, largest: int) -> int:
    """Return the events to generate in each chunk.

    Equal chunks that together should suffice, as about 0.7 of the background and 0.9 of the signal
    pass the selection: a last chunk of full size would be mostly wasted.
    """
    enough = 1.5 * wanted
    n_chunks = max(1, ceil(enough / largest))
    return min(largest, ceil(enough / n_chunks) + 20)


def _shuffled_labels(background: int, signal: int, seed: int) -> NDArray[np.int8]:
    """Return zeros and ones in random order, shape (background + signal,)."""
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(_SHUFFLE,)))
    labels = np.repeat(np.array([0, 1], dtype=np.int8), [background, signal])
    return rng.permutation(labels)


def _report(written: int, tally: Tally, *, known_coupling: bool) -> ProcessReport:
    generated = tally.generated
    return ProcessReport(
        written=written,
        generated=generated,
        efficiency=tally.efficiency if generated else None,
        cross_section=(
            tally.weighted_cross_section / generated if generated and known_coupling else None
        ),
        chunks=tally.chunks,
    )


def _local_executor(workers: int) -> Executor:
    """Return fresh processes: forking would copy threads and state of whoever calls."""
    if workers == 1:
        return InProcess()
    return ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn"))


def _available_cores() -> int:
    """Return the number of cores this process may use, which batch systems restrict."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _check(path: Path, **numbers: int) -> None:
    """Refuse what cannot be simulated, before anything starts."""
    for name, value in numbers.items():
        least = 1 if name in {"workers", "chunk_events"} else 0
        if value < least:
            msg = f"{name} must be at least {least}, not {value}"
            raise InputError(msg)
    if numbers["background"] + numbers["signal"] == 0:
        msg = "nothing to simulate: background and signal are both 0"
        raise InputError(msg)
    if path.is_dir():
        msg = f"{path} is a folder: give the name of an HDF5 file"
        raise InputError(msg)
    if not path.parent.is_dir():
        msg = f"{path.parent}: no such folder to write {path.name} to; make it first"
        raise InputError(msg)
