"""What a search is given as simulation: usable, and none of the events that are searched."""

from __future__ import annotations

import os

import numpy as np

from ...core import FitError, InputError
from ...core.identity import content_ids
from ...ml import Sample
from ...ml.blocks.equal_events import refuse_shared_events
from ...stats.search.pseudo_datasets import draw_events
from .hunting import spurious_of
from .inputs import column_paths
from .run import Run
from .samples import load_numbers, load_sample, load_signal, load_simulation, load_varied

__all__ = ["check_pseudo_datasets", "check_simulation", "refuse_searched"]


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
        If the method needs simulation and there is none.
    FitError
        If the function cannot be fitted to the simulation that shows its spurious signal.
    """
    config = run.config
    simulation = load_simulation(run)
    if simulation is not None:
        refuse_searched(run, simulation, "simulation")
    if config.signal:
        refuse_searched(run, load_signal(run, config.signal, weights="refused"), "signal")
    for name in run.varied:
        load_varied(run, name)
    if isinstance(config.fit.spurious, tuple):
        searched = set(map(os.path.realpath, run.columns))
        for name in column_paths(config.fit.spurious):
            if os.path.realpath(name) in searched:
                msg = (
                    f"fit.spurious: {name} holds the events that are searched, whose signal would count as "
                    "spurious; name simulated background"
                )
                raise InputError(msg)
        try:
            spurious_of(run, np.empty(0))
        except FitError as error:
            msg = f"fit.spurious: {config.fit.spurious[0]}: {error}"
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
    """Refuse simulated events that are among those of the search.

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
    both = [load_numbers(run), sample]
    masses = [each.mass.astype(np.float32) for each in both]
    refuse_shared_events(
        [content_ids(mass) for mass in masses],  # other ids, as they may be
        [
            each.features if each.features.shape[1] else mass[:, None]
            for each, mass in zip(both, masses, strict=True)
        ],
        ["events", key],
    )
