"""From scores to results: templates of all regions, the fit with signals, and counts without."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core import InputError
from ...stats.limits.cls import upper_limit
from ...stats.limits.discoveries import discovery
from ...stats.workspaces.score_shape import (
    Region,
    Template,
    score_edges,
    score_template,
    score_workspace,
)
from .region_config import RegionSearchConfig
from .region_events import Process, RegionEvents
from .region_result import BenchmarkLimit

__all__ = ["ScoredRegion", "benchmark", "refuse_empty_regions", "scored_regions"]

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ScoredRegion:
    """The bins of one region.

    Attributes
    ----------
    name : str
        The region.
    edges : ndarray
        Of the bins of the score, the outer ones infinite.
    observed : tuple of float
        Data.
    backgrounds, signals : dict of str to Template
        Expected events.
    weight : ndarray
        Weights of the simulated background.
    """

    name: str
    edges: Array
    observed: tuple[float, ...]
    backgrounds: dict[str, Template]
    signals: dict[str, Template]
    weight: Array

    def with_signal(self, name: str | None) -> Region:
        """Return the region as `stats` takes it, with one signal or with none."""
        empty = (0.0,) * len(self.observed)
        template = Template(empty, empty) if name is None else self.signals[name]
        return Region(self.name, self.observed, self.backgrounds, template)


def scored_regions(
    config: RegionSearchConfig,
    events: RegionEvents,
    of_data: Array,
    of_processes: dict[str, Array],
) -> list[ScoredRegion]:
    """Bin the scores of all regions, on background alone.

    Parameters
    ----------
    config : RegionSearchConfig
        The search.
    events : RegionEvents
        Its events.
    of_data : ndarray, shape (n_events,)
        Scores of the data.
    of_processes : dict of str to ndarray
        Scores of the backgrounds and signals, by name.

    Raises
    ------
    InputError
        If a region has too little background for one bin.
    """
    found = []
    for number, name in events.names.items():
        inside = {
            process: each.group == number
            for process, each in (events.backgrounds | events.signals).items()
        }
        scores = np.concatenate(
            [of_processes[process][inside[process]] for process in events.backgrounds]
        )
        weight = np.concatenate(
            [each.weight[inside[process]] for process, each in events.backgrounds.items()]
        )
        edges = _edges(config, name, scores, weight)
        observed = np.histogram(of_data[events.data.groups == number], edges)[0]
        templates = {
            process: _template(config, each, of_processes[process], inside[process], edges)
            for process, each in (events.backgrounds | events.signals).items()
        }
        found.append(
            ScoredRegion(
                name,
                edges,
                tuple(observed.astype(float).tolist()),
                {process: templates[process] for process in events.backgrounds},
                {process: templates[process] for process in events.signals},
                weight,
            )
        )
    return found


def refuse_empty_regions(config: RegionSearchConfig, events: RegionEvents) -> None:
    """Refuse regions with too little background for one bin, before anything is trained.

    Raises
    ------
    InputError
        With the name of the first.
    """
    background = events.background
    for number, name in events.names.items():
        weight = background.weights[background.groups == number]
        _edges(config, name, np.zeros(len(weight)), weight)


def _edges(config: RegionSearchConfig, name: str, scores: Array, weight: Array) -> Array:
    try:
        return score_edges(scores, weight, n_bins=config.bins, expected=config.expected)
    except InputError as error:
        msg = f"region {name!r}: {error}, or leave the region out (regions)"
        raise InputError(msg) from None


def _template(
    config: RegionSearchConfig,
    process: Process,
    scores: Array,
    inside: NDArray[np.bool_],
    edges: Array,
) -> Template:
    def filled(weight: Array) -> tuple[float, ...]:
        return score_template(scores[inside], edges, weight[inside], raised=True).events

    return score_template(
        scores[inside],
        edges,
        process.weight[inside],
        relative_error=process.relative_error,
        variations={
            name: (filled(up), filled(down)) for name, (up, down) in process.varied.items()
        },
        factors=config.uncertainties.of_sizes,
        raised=True,
    )


def benchmark(
    config: RegionSearchConfig, name: str, regions: list[ScoredRegion]
) -> tuple[BenchmarkLimit, dict[str, Any]]:
    """Fit all regions with a benchmark signal.

    Returns
    -------
    BenchmarkLimit
        Its limits and its significance.
    dict
        The pyhf workspace.
    """
    given = config.signals[name]
    assert given.cross_section is not None  # the configuration takes no signal without one
    cross_section = given.cross_section
    workspace = score_workspace([each.with_signal(name) for each in regions])
    limit = upper_limit(workspace, level=config.level, seed=config.seed)
    a, b, c, d, e = (each * cross_section for each in limit.expected)
    found = BenchmarkLimit(
        name=name,
        mass=given.mass,
        cross_section=cross_section,
        events=float(sum(sum(each.signals[name].events) for each in regions)),
        strength=limit,
        observed=limit.observed * cross_section,
        expected=(a, b, c, d, e),
        discovery=discovery(workspace),
    )
    return found, workspace
