"""What is refused before anything is trained: events that are learnt and scored, or cannot be used."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...core import ConfigError, FitError, InputError
from ...core.files.listing import same_place
from ...core.identity import content_ids
from ...ml import Method, Sample
from ...ml.blocks.equal_events import refuse_shared_events
from ...stats.search.pseudo_datasets import draw_events
from .background_function import spurious_of
from .inputs.event_files import column_paths
from .run import Run
from .samples import load_numbers, load_sample, load_signal, load_simulation, load_varied

__all__ = [
    "check_other_side",
    "check_pseudo_datasets",
    "check_simulation",
    "check_spurious",
    "refuse_learnt",
    "refuse_searched",
]


def check_simulation(run: Run) -> None:
    """Refuse what cannot stand for simulation, before anything is trained.

    Parameters
    ----------
    run : Run
        The search, whose columns are there.

    Raises
    ------
    InputError
        If files or columns cannot be used, or hold events that are searched.
    ConfigError
        If the method needs simulation and there is none, or has learnt from the signal.
    FitError
        If the function cannot be fitted to the simulation that shows its spurious signal.
    """
    config = run.config
    simulation = load_simulation(run)
    if simulation is not None:
        refuse_searched(run, simulation, "simulation")
    if config.signal:
        refuse_learnt(run.method, "signal", column_paths(config.signal))
        refuse_searched(run, load_signal(run, config.signal, weights="refused"), "signal")
    for name in run.varied:
        load_varied(run, name)
    check_spurious(run)


def check_spurious(run: Run) -> None:
    """Refuse files on which no spurious signal can be measured.

    Raises
    ------
    InputError
        If a file or the mass cannot be used, or it holds events that are searched.
    FitError
        If the function cannot be fitted to them.
    """
    files = run.config.fit.spurious
    if isinstance(files, str):
        return
    searched = set(map(same_place, run.columns))
    for name in column_paths(files):
        if same_place(name) in searched:
            msg = (
                f"fit.spurious: {name} holds the events that are searched, whose signal would count as "
                "spurious; name simulated background"
            )
            raise InputError(msg)
    try:
        spurious_of(run, np.empty(0))
    except FitError as error:
        msg = f"fit.spurious: {files[0]}: {error}"
        raise FitError(msg) from None


def check_pseudo_datasets(run: Run) -> None:
    """Refuse simulation of which no pseudo-dataset can be drawn.

    Raises
    ------
    InputError
        If files or columns cannot be used, hold events that are searched, or too few.
    """
    if files := run.config.pseudo_datasets.simulation:
        pool = load_sample(run, files)
        refuse_searched(run, pool, "pseudo_datasets.simulation")
        draw_events(len(pool), len(load_numbers(run)), 0, seed=run.config.seed)


def refuse_searched(run: Run, sample: Sample, key: str) -> None:
    """Refuse simulated events that are among those of the search, as mass and features of numbers tell.

    Parameters
    ----------
    run : Run
        The search.
    sample : Sample
        Simulated events with its features.
    key : str
        Where the configuration names them.

    Raises
    ------
    InputError
        If more events are in both than chance makes.
    """
    if not sample.features.shape[1]:  # the mass alone is equal by chance
        return
    both = [load_numbers(run), sample]
    refuse_shared_events(
        [content_ids(each.mass.astype(np.float32)) for each in both],  # other ids, as they may be
        [each.features for each in both],
        ["events", key],
    )


def check_other_side(run: Run) -> None:
    """Refuse to validate with all events: cuts that none passes leave nothing to be searched.

    Raises
    ------
    InputError
        If no event passes.
    """
    region = run.config.region
    if region is not None and region.side == "fail":
        searched = Run(run.config.model_copy(update={"region": region.opposite}))
        load_sample(searched, run.columns, features=())


def refuse_learnt(method: Method[Any], key: str, files: Sequence[str]) -> None:
    """Refuse files whose events a method learns from by itself: it would score what it has seen.

    Parameters
    ----------
    method : Method
        The method.
    key : str
        What the configuration calls the files.
    files : sequence of str
        Files of columns, as `column_paths` returns them.

    Raises
    ------
    ConfigError
        If one is among `Method.learnt_files`.
    """
    learnt = {same_place(each) for path in method.learnt_files for each in column_paths([path])}
    for name in files:
        if same_place(name) in learnt:
            msg = (
                f"{key}: {name} is learnt by method {method.name!r}, so that its models would score "
                "events that they have seen; divide the events into two files"
            )
            raise ConfigError(msg)
