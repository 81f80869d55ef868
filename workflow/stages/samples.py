"""All that reads columns into samples: the events of a search, its simulation and its signals.

A file is read once for all tasks of a worker, and anew when it has changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...core import ConfigError, InputError
from ...core.identity import keyed, refuse_not_finite, whole_numbers
from ...ml import Sample, SampleStream
from ...ml.blocks.reading import ColumnFiles
from ..config.region import RegionConfig
from .inputs.counted_events import Weights, events_in_region, weighed
from .inputs.event_files import varied_columns
from .provenance import file_states
from .run import Run

__all__ = [
    "Loaded",
    "first_events",
    "load_grouped",
    "load_masses",
    "load_numbers",
    "load_sample",
    "load_signal",
    "load_simulation",
    "load_varied",
    "read_columns",
    "signal_total",
    "weight_flags",
]

_SAMPLES_KEPT = 4  # data and what stands in their place, simulation, one signal
_FIRST = 64  # events that show what columns hold


class Loaded(NamedTuple):
    """Events as they were read.

    Attributes
    ----------
    sample : Sample
        The events.
    read : int
        How many the files hold in the region, those outside the range included.
    total : float
        The sum of the weights of all these; their number where they have none.
    """

    sample: Sample
    read: int
    total: float


def load_sample(
    run: Run, files: Sequence[str] | None = None, *, features: Sequence[str] | None = None
) -> Sample:
    """Read the events within the scan range, in the order of their ids.

    Parameters
    ----------
    run : Run
        The search.
    files : sequence of str, optional
        Parquet files; by default the columns of the run.
    features : sequence of str, optional
        Feature columns; by default those of the configuration.

    Raises
    ------
    InputError
        If a file or column cannot be used, events have different weights, or none lies in the range.
    """
    files = run.columns if files is None else files
    weights = run.config.events.weights if tuple(files) == run.columns else "refused"
    advice = "is it in GeV? set scan.low and scan.high"
    return _in_scan(run, files, weights, "events", advice, features=features).sample


def load_numbers(run: Run) -> Sample:
    """Read the events within the scan range without constituents and images.

    These are for methods, which run on the workers; nothing else reads gigabytes of them.

    Raises
    ------
    InputError
        As `load_sample`.
    """
    return load_sample(run, features=_names_of_numbers(run))


def _names_of_numbers(run: Run) -> tuple[str, ...]:
    features, mass = run.config.features, run.config.mass
    return ColumnFiles.open(run.columns, features=features, mass=mass).features


def weight_flags(run: Run) -> tuple[str, ...]:
    """Say that the events of the search have weights, each of which counts as one."""
    weights, features = run.config.events.weights, _names_of_numbers(run)
    found = _in_scan(run, run.columns, weights, "events", "", features=features)
    if np.isclose(found.total, found.read, rtol=1e-9):
        return ()
    flag = (
        f"the events have weights ({found.total / found.read:.3g} on average) and count as one each: "
        "simulation that is searched as if it were data tests a search, and measures nothing"
    )
    return (flag,)


def first_events(run: Run) -> Sample:
    """Return some of the first events with all that a method gets of them.

    Raises
    ------
    InputError
        If a file or column cannot be used, or there are no events.
    """
    for some in SampleStream(run.columns, run.config.features, run.config.mass, rows=_FIRST):
        return some
    msg = f"{run.columns[0]}: no events in it"
    raise InputError(msg)


def load_simulation(run: Run) -> Sample | None:
    """Read the simulated background within the scan range; None if the method needs none.

    Event weights are kept: a method may learn from weighted events, though none is counted.

    Raises
    ------
    ConfigError
        If the method needs simulation and none is configured.
    InputError
        If a file or column cannot be used, or no event lies in the range.
    """
    if "simulation" not in run.method.needs:
        return None
    if not run.config.simulation:
        msg = (
            f"method {run.config.method.name!r} needs simulated background: name its Parquet "
            "files, with the columns of the data, under simulation"
        )
        raise ConfigError(msg)
    files, advice = run.config.simulation, "simulate the range of the scan"
    return _in_scan(run, files, "kept", "simulated events", advice).sample.without_label()


def load_signal(
    run: Run, files: Sequence[str], *, weights: Literal["refused", "thinned"]
) -> Sample:
    """Read simulated signal, at all masses, without labels and with ids that no event of data has.

    Parameters
    ----------
    run : Run
        The search.
    files : sequence of str
        Parquet files.
    weights : {"refused", "thinned"}
        What becomes of events with weights: they are refused where every event counts, and thinned
        to equal weights, at random under the seed of the search, where a random subset is taken
        anyway.

    Raises
    ------
    InputError
        If a file or column cannot be used, there are no events, or weights are refused or negative.
    """
    sample = _signal(run, files, weights).sample
    # Ids of simulation may be those of data, or count from 0 in every file.
    return replace(sample.without_label(), event=keyed(sample.event, "signal"), weight=None)


def load_varied(run: Run, name: str) -> Sample:
    """Read varied columns of the simulated signal, such as ``jes_up``, like `load_signal`.

    Raises
    ------
    InputError
        If there are none, or they cannot be used.
    """
    return load_signal(run, varied_columns(run.config.signal, name), weights="refused")


def signal_total(run: Run, files: Sequence[str], *, everywhere: bool = False) -> float:
    """Return the number of events in the files of a signal, or the sum of their weights.

    Those outside the region of the search count only `everywhere`.
    """
    if not everywhere or run.config.region is None:
        return _signal(run, files, "thinned").total
    return read_columns(files, mass=run.config.mass, features=(), weights="kept").total


def load_masses(run: Run, files: Sequence[str]) -> Sample:
    """Read ids and resonant masses alone, at all masses; weights are kept.

    Raises
    ------
    InputError
        If a file or the mass cannot be used.
    """
    config = run.config
    options = {"mass": config.mass, "features": (), "region": config.region}
    return read_columns(files, **options, weights="kept").sample


def read_columns(
    files: Sequence[str],
    *,
    mass: str,
    features: Sequence[str],
    weights: Weights,
    between: tuple[float, float] | None = None,
    region: RegionConfig | None = None,
    seed: int = 0,
    order: Literal["ids", "files"] = "ids",
) -> Loaded:
    """Read columns into a sample, once for all that ask for them.

    Parameters
    ----------
    files : sequence of str
        Parquet files.
    mass : str
        Column of the resonant mass, GeV.
    features : sequence of str
        Feature columns.
    weights : {"kept", "refused", "dropped", "thinned"}
        What becomes of the weights, see `weighed`.
    between : tuple of float, optional
        The range of masses to keep, GeV, without its upper edge; by default all.
    region : RegionConfig, optional
        Cuts on other columns; events outside count nowhere.
    seed : int
        Of the thinning.
    order : {"ids", "files"}
        Of the events: that of their ids, which no file can change, or the one they are stored in.

    Raises
    ------
    InputError
        If a file or column cannot be used, or weights are refused or negative.
    """
    return _read(
        tuple(file_states(files)),
        mass=mass,
        features=tuple(features),
        weights=weights,
        between=between,
        region=region,
        seed=seed,
        order=order,
    )


@lru_cache(maxsize=_SAMPLES_KEPT)
def _read(
    state: tuple[tuple[str, int, str], ...],
    *,
    mass: str,
    features: tuple[str, ...],
    weights: Weights,
    between: tuple[float, float] | None,
    region: RegionConfig | None,
    seed: int,
    order: Literal["ids", "files"],
) -> Loaded:
    files = [name for name, *_ in state]
    sample = events_in_region(files, mass, features, region)
    read = len(sample)
    total = float(read if sample.weight is None else sample.weight.sum())
    low, high = (-np.inf, np.inf) if between is None else between
    # In the order of ids, sums round alike whatever the files.
    rows = np.argsort(sample.event, kind="stable") if order == "ids" else np.arange(read)
    sample = sample.take(rows[(sample.mass[rows] >= low) & (sample.mass[rows] < high)])
    return Loaded(weighed(sample, weights, file=files[0], seed=seed), read, total)


def _signal(run: Run, files: Sequence[str], weights: Weights) -> Loaded:
    """Read the files of a signal."""
    config = run.config
    loaded = read_columns(
        files,
        mass=config.mass,
        features=config.features,
        weights=weights,
        region=config.region,
        seed=config.seed,
    )
    if not len(loaded.sample):
        among = "" if config.region is None else f" among the {config.region}"
        msg = f"{files[0]}: no signal events in it{among}"
        raise InputError(msg)
    return loaded


def _in_scan(
    run: Run,
    files: Sequence[str],
    weights: Weights,
    none_of: str,
    advice: str,
    *,
    features: Sequence[str] | None = None,
) -> Loaded:
    """Return the events in the range of the scan, or say what to do where there are none."""
    config = run.config
    low, high = config.scan.low, config.scan.high
    loaded = read_columns(
        files,
        mass=config.mass,
        features=config.features if features is None else features,
        weights=weights,
        between=(low, high),
        region=config.region,
    )
    if not loaded.read:
        msg = f"{files[0]}: no {config.region or 'events in it'}; take other files"
        msg += "" if config.region is None else ", or change region.cuts"
        raise InputError(msg)
    if not len(loaded.sample):
        mass = load_masses(run, files).mass
        msg = (
            f"{files[0]}: none of {loaded.read} {none_of} has {config.mass} between {low:g} and {high:g} GeV, "
            f"but from {mass.min():.4g} to {mass.max():.4g}; {advice}"
        )
        raise InputError(msg)
    return loaded


def load_grouped(
    files: Sequence[str], features: Sequence[str], groups: str | None, *, more: Sequence[str] = ()
) -> tuple[Sample, dict[str, NDArray[np.float64]]]:
    """Read features, the region of each event from any column, and further columns beside them.

    Parameters
    ----------
    files : sequence of str
        Parquet files.
    features : sequence of str
        Feature columns; the first stands for the mass.
    groups : str or None
        Column of whole numbers that divides the events into regions.
    more : sequence of str
        Further columns of numbers.

    Returns
    -------
    Sample
        Without labels, in the order of the files.
    dict of str to ndarray, shape (n_events,)
        The further columns.

    Raises
    ------
    InputError
        If a file or column cannot be used.
    ConfigError
        If the regions are a column of lists.
    """
    sample = Sample.from_parquet(files, features=features, mass=features[0])
    _refuse_lists(sample.blocks, files)
    columns = _exact_columns(files, features[0], [*([groups] if groups else []), *more])
    group = None
    if groups:
        group = whole_numbers(columns[groups], groups, f"{files[0]}: ").astype(np.int64)
    shown = replace(sample, group=group, label=None)
    return shown, {name: columns[name] for name in more}


def _exact_columns(
    files: Sequence[str], mass: str, names: Sequence[str]
) -> dict[str, NDArray[np.float64]]:
    """Return columns of numbers in double precision, refused where a value is missing."""
    if not names:
        return {}
    opened = ColumnFiles.open(files, features=names, mass=mass)
    _refuse_lists(opened.blocks, files)
    found = opened.of_rows(np.ones(len(opened), np.bool_), opened.features)
    opened.close()
    columns = {name: each.to_numpy(zero_copy_only=False) for name, each in found.items()}
    for name, values in columns.items():
        refuse_not_finite(values, repr(name), f"{files[0]}: ")
    return columns


def _refuse_lists(names: Iterable[str], files: Sequence[str]) -> None:
    for name in names:
        msg = f"{files[0]}: column {name!r} holds lists; give one of numbers"
        raise ConfigError(msg)
