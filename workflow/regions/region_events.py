"""The events of a search in regions: data and simulated processes, normalised, with varied weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ...core import InputError
from ...ml import Sample
from ..config.limits import SignalConfig
from ..stages.inputs import column_paths
from ..stages.samples import load_grouped
from .region_config import BackgroundConfig, RegionSearchConfig

__all__ = ["Process", "RegionEvents", "read_events"]

Array = NDArray[np.float64]

_ROUNDED = 1e-6  # sums of weights are


@dataclass(frozen=True, eq=False)
class Process:
    """The simulated events of one process in the regions of the search.

    Attributes
    ----------
    sample : Sample
        In the order of the ids, with weights that are normalised to the luminosity.
    varied : dict of str to tuple of ndarray
        The same weights under each effect, up and down.
    relative_error : float
        Uncertainty of the cross section.
    """

    sample: Sample
    varied: dict[str, tuple[Array, Array]]
    relative_error: float = 0.0

    @property
    def weight(self) -> Array:
        """The weights, of each event."""
        return self.sample.weights

    @property
    def group(self) -> NDArray[np.int64]:
        """The region of each event."""
        return self.sample.groups


@dataclass(frozen=True, eq=False)
class RegionEvents:
    """All events of a search.

    Attributes
    ----------
    data : Sample
        Without weights.
    backgrounds, signals : dict of str to Process
        By name.
    names : dict of int to str
        Of the regions, by number, in the order of the numbers.
    """

    data: Sample
    backgrounds: dict[str, Process]
    signals: dict[str, Process]
    names: dict[int, str]

    @property
    def background(self) -> Sample:
        """All simulated background in the order of the ids."""
        joined = Sample.concatenated(*(each.sample for each in self.backgrounds.values()))
        return joined.take(np.argsort(joined.event, kind="stable"))


def read_events(config: RegionSearchConfig) -> RegionEvents:
    """Read all files of a search, without the events outside its regions.

    Raises
    ------
    InputError
        If a file or column cannot be used, data have weights, or a region has no background.
    """
    data = _read_data(config)
    backgrounds = {
        name: _read_process(config, f"backgrounds.{name}", each)
        for name, each in config.backgrounds.items()
    }
    signals = {
        name: _read_process(config, f"signals.{name}", each)
        for name, each in config.signals.items()
    }
    simulated = np.unique(np.concatenate([each.group for each in backgrounds.values()]))
    names = config.regions or {int(number): str(number) for number in simulated}
    missing = [name for number, name in names.items() if number not in simulated]
    if missing:
        msg = (
            f"regions: no background was simulated in {missing[0]!r}; simulate it, or leave it out"
        )
        raise InputError(msg)
    if config.regions is None:
        beyond = np.setdiff1d(data.groups, simulated)
        if len(beyond):
            msg = (
                f"events: region {beyond[0]} has data and no simulated background; simulate it, or "
                "name the regions that are searched (regions)"
            )
            raise InputError(msg)
    return RegionEvents(
        data.take(np.isin(data.groups, list(names))),
        {name: _within(each, names, f"backgrounds.{name}") for name, each in backgrounds.items()},
        {name: _within(each, names, f"signals.{name}") for name, each in signals.items()},
        dict(sorted(names.items())),
    )


def _read_data(config: RegionSearchConfig) -> Sample:
    files = column_paths(config.events.files)
    data, _ = load_grouped(files, config.features, config.groups)
    if data.weight is not None and not np.all(data.weight == 1):
        msg = f"{files[0]}: data must have no weights, or 1, in the column 'weight'"
        raise InputError(msg)
    return replace(data, weight=None)


def _read_process(
    config: RegionSearchConfig, key: str, given: BackgroundConfig | SignalConfig
) -> Process:
    effects = config.uncertainties.weights
    wanted = [name for each in effects.values() for name in (each.up, each.down)]
    files = column_paths(given.files)
    sample, columns = load_grouped(files, config.features, config.groups, more=wanted)
    weight = sample.weights
    total, scale = float(weight.sum()), 1.0
    if not total > 0:
        msg = f"{key}: the weights of {len(sample)} events sum to {total:g}; simulate more, or leave it out"
        raise InputError(msg)
    if given.cross_section is not None and given.generated is not None:
        if given.generated < (1 - _ROUNDED) * total:
            msg = (
                f"{key}.generated is {given.generated:g}, but the files hold {total:g} events (or sum of "
                "weights) of it: give the number before any cut"
            )
            raise InputError(msg)
        scale = given.cross_section * config.luminosity / given.generated
    order = np.argsort(sample.event, kind="stable")
    error = given.uncertainty if isinstance(given, BackgroundConfig) else 0.0
    return Process(
        replace(sample, weight=weight * scale).take(order),
        {
            name: (columns[each.up][order] * scale, columns[each.down][order] * scale)
            for name, each in effects.items()
        },
        error,
    )


def _within(process: Process, names: Mapping[int, str], key: str) -> Process:
    """Return the process without events outside the regions."""
    inside = np.isin(process.group, list(names))
    if not inside.any():
        msg = f"{key}: none of its {len(inside)} events lies in a region of the search"
        raise InputError(msg)
    return replace(
        process,
        sample=process.sample.take(inside),
        varied={name: (up[inside], down[inside]) for name, (up, down) in process.varied.items()},
    )
