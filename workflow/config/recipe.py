"""A recipe of simulated events with where it runs: the YAML file of ``overdensity simulate``."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from ...simulation import Recipe, recipe_of
from ...simulation.recipes.reading import yaml_of
from .cluster import ClusterConfig
from .reading import apply_override, validated
from .sections import PathText, Section

__all__ = ["SimulationConfig", "load_recipe", "running_of"]


class _Running(Section):
    """Keys of a recipe's file that do not change its events."""

    out: PathText | None = None
    cluster: ClusterConfig = ClusterConfig()
    workers: Annotated[int, Field(ge=1, le=10_000)] | None = None


@dataclass(frozen=True)
class SimulationConfig:
    """What is simulated, to which file, and where it runs.

    Attributes
    ----------
    recipe : Recipe
        All that determines the events.
    out : Path
        The event file; by default ``<name>.h5``.
    cluster : ClusterConfig
        As of a search.
    workers : int or None
        Workers to start.
    """

    recipe: Recipe
    out: Path
    cluster: ClusterConfig
    workers: int | None


def load_recipe(
    source: str | os.PathLike[str],
    overrides: Sequence[str] = (),
    *,
    out: str | os.PathLike[str] | None = None,
) -> SimulationConfig:
    """Read a recipe's file, or a preset, with what a command says of it.

    Parameters
    ----------
    source : str or path
        A YAML file, or the name of a preset.
    overrides : sequence of str
        ``key=value`` with dots between levels, such as ``composition.qcd=1000``; values are YAML.
    out : path, optional
        The event file, in place of the one in the recipe.

    Raises
    ------
    ConfigError
        If the file is missing or not YAML, or a key cannot be used.

    Examples
    --------
    >>> config = load_recipe("rnd", ["composition.signal=250", "seed=3"])
    >>> config.recipe.seed, config.recipe.processes[1].events, str(config.out)
    (3, 250, 'rnd.h5')
    """
    origin = os.fspath(source)
    values: dict[str, Any] = {"name": Path(origin).stem, **yaml_of(source)}
    for override in overrides:
        apply_override(values, override)
    running = {key: values.pop(key) for key in _Running.model_fields if key in values}
    settings = validated(_Running, running, origin=origin)
    recipe = recipe_of(values, origin=origin)
    return SimulationConfig(
        recipe=recipe,
        out=Path(out or settings.out or f"{recipe.name}.h5"),
        cluster=settings.cluster,
        workers=settings.workers,
    )


def running_of(sets: Sequence[str]) -> tuple[ClusterConfig, int | None]:
    """Return cluster and workers, given by a command alone.

    Parameters
    ----------
    sets : sequence of str
        ``cluster=...`` and ``workers=...``, or one of them.

    Raises
    ------
    ConfigError
        If there is no such cluster.

    Examples
    --------
    >>> running_of(["workers=2"])[1]
    2
    """
    settings = validated(_Running, {}, sets, origin="simulate")
    return settings.cluster, settings.workers
