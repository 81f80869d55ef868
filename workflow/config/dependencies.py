"""Which key of the configuration affects which stage: the one table of it.

The keys under which finished stages are kept (`overdensity.workflow.stages.run.Run.key`) are computed
from this table, so that a stage is made again when, and only when, a key that affects it changes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, get_args

from .search import SearchConfig

__all__ = ["AFFECTS", "STAGES", "Stage", "keys_of", "value_of", "written_values"]

Stage = Literal[
    "columns",  # event files → Parquet columns; `processors` keeps the keys of its partitions
    "scores",  # of the events, by window and fold
    "signal_scores",  # of the simulated signal, by the same models
    "results",  # results.json and what is written with it
    "injections",  # one search with injected signal each
    "limits",  # limits.json, put together anew from results and injections
    "pseudo_datasets",  # one search of background-only events each
    "calibration",  # pseudodata.json, put together anew from results and pseudo-datasets
    "combination",  # combination.json of several searches
    "uncertainties",  # uncertainties.json, of results and simulated signal
    "expected",  # the expected reach for one signal
]
STAGES: tuple[Stage, ...] = get_args(Stage)

_TRAINING: tuple[Stage, ...] = (
    "scores",
    "signal_scores",
    "results",
    "injections",
    "pseudo_datasets",
    "combination",
    "expected",
)
_SELECTION: tuple[Stage, ...] = (
    "results",
    "injections",
    "pseudo_datasets",
    "combination",
    "expected",
)
# The files of columns are part of the key of whatever is made of them; results and combinations
# hold what is said of the event files, too.
_EVENTS: tuple[Stage, ...] = ("columns", "results", "combination")

AFFECTS: Mapping[str, tuple[Stage, ...]] = {
    "events": _EVENTS,
    "processor": _EVENTS,
    "systematics": _EVENTS,
    "columns": _EVENTS,
    "mass": _TRAINING,
    "features": _TRAINING,
    "region": _TRAINING,
    "decorrelate": _TRAINING,
    "method": _TRAINING,
    "scan": _TRAINING,
    "folds": _TRAINING,
    "cross_fitting": _TRAINING,
    "simulation": _TRAINING,
    "seed": _TRAINING,
    "repeats": ("results", "pseudo_datasets", "calibration", "combination"),
    "selections": _SELECTION,
    "calibration": _SELECTION,
    "fit": _SELECTION,
    "pseudo_experiments": ("results", "combination", "expected"),
    "signal": ("signal_scores", "results"),
    "limits": ("limits",),
    "expect": ("expected",),
    "uncertainties.luminosity": ("limits", "uncertainties"),
    "uncertainties.tagger": ("limits", "uncertainties"),
    "uncertainties.position": ("limits", "uncertainties"),
    "uncertainties.width": ("limits", "uncertainties"),
    "uncertainties.variations": ("signal_scores", "limits", "uncertainties"),
    "uncertainties.functions": (
        "results",
        "pseudo_datasets",
        "combination",
        "uncertainties",
        "expected",
    ),
    "pseudo_datasets.number": ("calibration",),
    "pseudo_datasets.smearing": ("pseudo_datasets", "calibration"),
    "pseudo_datasets.simulation": ("pseudo_datasets", "calibration"),
    "cluster": (),
    "workers": (),
    "out": (),
}


def keys_of(stage: Stage) -> tuple[str, ...]:
    """Return the keys of the configuration that affect a stage.

    Examples
    --------
    >>> keys_of("signal_scores")[-2:]
    ('signal', 'uncertainties.variations')
    """
    return tuple(key for key, stages in AFFECTS.items() if stage in stages)


def value_of(config: SearchConfig, key: str) -> Any:
    """Return the value of a key, with dots between levels, as plain JSON.

    Examples
    --------
    >>> value_of(SearchConfig(events={"files": ["box.parquet"]}), "pseudo_datasets.number")
    20
    """
    value: Any = config.model_dump(mode="json", include={key.partition(".")[0]})
    for name in key.split("."):
        value = value[name]
    return value


def written_values(stage: Stage, configuration: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of the keys that affect a stage, of a configuration that a record holds.

    Examples
    --------
    >>> written_values("uncertainties", {"seed": 1, "uncertainties": {"width": 0.1}})["uncertainties.width"]
    0.1
    """
    return {key: _written(configuration, key) for key in keys_of(stage)}


def _written(configuration: Any, key: str) -> Any:
    for name in key.split("."):
        configuration = configuration.get(name) if isinstance(configuration, Mapping) else None
    return configuration
