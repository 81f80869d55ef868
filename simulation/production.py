"""The simulation from end to end: from a recipe to one file of events."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from concurrent.futures import Executor
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import version
from math import ceil
from pathlib import Path

import numpy as np

from ..core import InputError, OverdensityError, Record, progress
from ..core.local_workers import available_cores, local_workers
from .chunks import ChunkTask, Tally, selected_events
from .event_files import EventQueue, check_output, key_of, shuffled, write_events
from .generator import check_process, require_pythia
from .parts import PACKAGES, Parts
from .recipes.recipe import Process, Recipe
from .settings import DetectorSettings, GeneratorSettings, Selection, ZprimeMasses

__all__ = ["ProcessReport", "SimulationReport", "simulate", "simulate_recipe"]


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
        Pythia's estimate before the selection, pb; None for a process of our own, whose coupling is
        free.
    chunks : int
        Chunks that were used.
    sum_weights : float or None
        Events generated for those in the file, or the sum of their generator weights: what the cross
        section stands for, ``generated`` of a search. Less than `generated`, as the last chunk is not
        used to its end.

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
    sum_weights: float | None = None


@dataclass(frozen=True)
class SimulationReport(Record):
    """What was simulated, and how; the recipe repeats it when given to :func:`simulate_recipe`.

    Attributes
    ----------
    path : str
        The event file.
    key_path : str or None
        The file with the truth, where it is apart from the events.
    processes : dict of str to ProcessReport
        Numbers of events and selection efficiencies, by the names of processes.
    recipe : Recipe
        As used.
    seconds, events_per_second : float
        Duration, and selected events over it.
    versions : dict of str to str
        Of the packages that determine the events.

    Examples
    --------
    >>> from overdensity.simulation import read_recipe
    >>> process = ProcessReport(written=1, generated=2, efficiency=0.5, cross_section=None, chunks=1)
    >>> report = SimulationReport(
    ...     path="box.h5",
    ...     key_path=None,
    ...     processes={"signal": process},
    ...     recipe=read_recipe("rnd"),
    ...     seconds=2.0,
    ...     events_per_second=1.0,
    ...     versions={},
    ... )
    >>> SimulationReport.from_dict(report.to_dict()).recipe.facts[1].daughters[0].name
    'X'
    """

    schema = 2  # since processes have names

    path: str
    key_path: str | None
    processes: dict[str, ProcessReport]
    recipe: Recipe
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
    """Simulate QCD dijets and Z' → X Y, the events of the LHC Olympics' R&D dataset.

    Parameters
    ----------
    out : path
        The file, see :func:`simulate_recipe`.
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
    generator : GeneratorSettings, optional
        Settings of Pythia.
    detector : DetectorSettings, optional
        Settings of the detector.
    selection : Selection, optional
        Which events are kept.
    chunk_events : int
        Largest number of events generated with one seed.
    key_file, workers, executor
        See :func:`simulate_recipe`.

    Returns
    -------
    SimulationReport
        Numbers of events, efficiencies, cross section, settings and versions.

    Raises
    ------
    InputError, MissingExtraError, OverdensityError
        As :func:`simulate_recipe`.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     report = simulate(Path(folder, "box.h5"), background=2, seed=1, workers=1)
    >>> report.processes["background"].written
    2
    """
    path = Path(out)
    recipe = Recipe.dijets(
        path.stem,
        background=background,
        signal=signal,
        masses=masses,
        prongs=prongs,
        seed=seed,
        generator=generator or GeneratorSettings(),
        detector=detector or DetectorSettings(),
        selection=selection or Selection(),
        chunk_events=chunk_events,
    )
    return simulate_recipe(recipe, path, key_file=key_file, workers=workers, executor=executor)


def simulate_recipe(
    recipe: Recipe,
    out: str | os.PathLike[str],
    *,
    seed: int | None = None,
    key_file: bool = False,
    workers: int | None = None,
    executor: Executor | None = None,
) -> SimulationReport:
    """Simulate the events of a recipe and write them, shuffled, as one file.

    The file depends on the recipe and not on how many workers there are. It appears under its name
    only when it is complete, and is written as events come, so memory does not grow with their
    number. Until then finished chunks are in a folder ``<name>.parts`` beside it: a simulation that
    was stopped goes on there when it is started again.

    Parameters
    ----------
    recipe : Recipe
        What is simulated.
    out : path
        The file. HDF5 (``.h5``): ``pandas.read_hdf(out)`` gives a frame of shape (n_events, 2101).
        ROOT (``.root``): see `root_file.TreeWriter`.
    seed : int, optional
        In place of the recipe's.
    key_file : bool
        Write the truth to ``<name>.key.h5``, shape (n_events, 1), instead of the last column;
        the frame is then of shape (n_events, 2100), as of a black box.
    workers : int, optional
        Processes to run in; all cores by default, this process alone for 1.
    executor : concurrent.futures.Executor, optional
        Runs the chunks in place of local processes, such as ``dask``'s
        ``client.get_executor()``; ``workers`` is then how many it can run at the same time.

    Returns
    -------
    SimulationReport
        Numbers of events, efficiencies, cross sections, versions.

    Raises
    ------
    InputError
        If a number, a setting of Pythia, a decay or the output cannot be used.
    MissingExtraError
        If Pythia is not installed.
    OverdensityError
        If a worker process dies.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from overdensity.simulation import read_recipe
    >>> recipe = read_recipe("bb1").with_events({"qcd": 2, "signal": 1})
    >>> with TemporaryDirectory() as folder:
    ...     report = simulate_recipe(recipe, Path(folder, "box.root"), workers=1)
    >>> {name: process.written for name, process in report.processes.items()}
    {'qcd': 2, 'signal': 1}
    """
    start = time.monotonic()
    path = Path(out)
    recipe = recipe if seed is None else replace(recipe, seed=seed)
    workers = available_cores() if workers is None else workers
    if workers < 1:
        msg = f"workers must be at least 1, not {workers}"
        raise InputError(msg)
    check_output(path)
    _check_processes(recipe)
    tallies = {process.name: Tally() for process in recipe.processes}
    parts = Parts.of(path)
    with ExitStack() as stack:
        pool = executor or stack.enter_context(local_workers(workers))
        advance = stack.enter_context(progress("simulating", recipe.events, unit="events"))
        streams = [
            EventQueue(
                selected_events(
                    partial(_task, recipe, process),
                    process.events,
                    pool,
                    workers,
                    tallies[process.name],
                    store=parts,
                ),
                advance,
            )
            for process in recipe.processes
        ]
        order = shuffled([process.events for process in recipe.processes], recipe.seed)
        labels = np.array([process.labelled for process in recipe.processes], np.int8)
        with _explained(path, workers):
            write_events(path, order, labels, streams, key_file=key_file)
    parts.remove()

    seconds = time.monotonic() - start
    return SimulationReport(
        path=str(path),
        key_path=str(key_of(path)) if key_file else None,
        processes={
            process.name: _report(process, recipe.generator, tallies[process.name])
            for process in recipe.processes
        },
        recipe=recipe,
        seconds=seconds,
        events_per_second=recipe.events / seconds,
        versions={package: version(package) for package in PACKAGES},
    )


def _check_processes(recipe: Recipe) -> None:
    """Refuse settings that Pythia does, before anything starts.

    Raises
    ------
    InputError
        Naming the process and its setting.
    """
    require_pythia()
    for process in recipe.processes:
        if not process.events:
            continue
        try:
            check_process(process.kind, recipe.generator, process.pythia)
        except InputError as error:
            msg = f"process {process.name}: {error}"
            raise InputError(msg) from None


def _task(recipe: Recipe, process: Process, index: int) -> ChunkTask:
    """Return the chunk of a process with an index."""
    return ChunkTask(
        process=process.name,
        kind=process.kind,
        pythia=process.pythia,
        index=index,
        events=_chunk_size(process.events, recipe.chunk_events),
        seed=recipe.seed,
        generator=recipe.generator,
        detector=recipe.detector,
        selection=recipe.selection,
    )


@contextmanager
def _explained(path: Path, workers: int) -> Iterator[None]:
    """Say why workers died, or why the file cannot be written."""
    kept = "What is done is kept beside it: run again to go on"
    try:
        yield
    except BrokenProcessPool:
        msg = (
            f"a worker process died while simulating {path}, which was not written. If memory is "
            f"short, try fewer workers than {workers}; in a script, call simulate under "
            f"if __name__ == '__main__'. {kept}"
        )
        raise OverdensityError(msg) from None
    except OSError as error:
        msg = f"{path}: cannot be written ({error}). {kept}"
        raise InputError(msg) from None


def _chunk_size(wanted: int, largest: int) -> int:
    """Return the events to generate in each chunk.

    Equal chunks that together should suffice, as about 0.7 of the background and 0.9 of the signal
    pass the selection: a last chunk of full size would be mostly wasted.
    """
    enough = 1.5 * wanted
    n_chunks = max(1, ceil(enough / largest))
    return min(largest, ceil(enough / n_chunks) + 20)


def _report(process: Process, generator: GeneratorSettings, tally: Tally) -> ProcessReport:
    generated = tally.generated
    known = bool(generated) and process.kind.hard_process(generator) is None
    return ProcessReport(
        written=process.events,
        generated=generated,
        efficiency=tally.efficiency if generated else None,
        cross_section=tally.weighted_cross_section / generated if known else None,
        chunks=tally.chunks,
        sum_weights=tally.sum_weights if tally.written_weight else None,
    )
