"""The events of a search in regions: data and simulated processes, normalised, with varied weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import combinations, product

import numpy as np
from numpy.typing import NDArray

from ...core import InputError
from ...ml import Sample
from ...ml.blocks.equal_events import refuse_shared_events
from ..config.limits import SignalConfig
from ..limits.signal_models import few_accepted, refuse_too_few_generated
from ..stages.inputs.event_files import column_paths
from ..stages.samples import load_grouped
from .region_config import BackgroundConfig, RegionSearchConfig

__all__ = ["Process", "RegionEvents", "read_events"]

Array = NDArray[np.float64]

_BEYOND = 0.1  # of the data, outside the range of the simulation: more than a signal


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
    flags : tuple of str
        What looks wrong in its normalisation.
    """

    sample: Sample
    varied: dict[str, tuple[Array, Array]]
    relative_error: float = 0.0
    flags: tuple[str, ...] = ()

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

    @property
    def flags(self) -> tuple[str, ...]:
        """What looks wrong in the events: normalisations, and units."""
        found = [flag for each in (self.backgrounds | self.signals).values() for flag in each.flags]
        simulated, data = self.background.features, self.data.features
        if len(data) and len(simulated):
            beyond = (data < simulated.min(axis=0)) | (data > simulated.max(axis=0))
            for name, share in zip(self.data.names, beyond.mean(axis=0), strict=True):
                if share > _BEYOND:
                    found.append(
                        f"feature {name!r}: {100 * share:.0f} % of the data lie beyond the range of all "
                        "simulated background; are both in the same units?"
                    )
        return tuple(found)


def read_events(config: RegionSearchConfig) -> RegionEvents:
    """Read all files of a search, without the events outside its regions.

    Raises
    ------
    InputError
        If a file or column cannot be used, data have weights, or a region has no background.
    """
    data = _read_data(config)
    column_paths(config.files)  # none twice, whatever it is given as
    backgrounds = {
        name: _read_process(config, f"backgrounds.{name}", each)
        for name, each in config.backgrounds.items()
    }
    signals = {
        name: _read_process(config, f"signals.{name}", each)
        for name, each in config.signals.items()
    }
    _refuse_copies(data, backgrounds, signals)
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
    held, scale = float(weight.sum()), 1.0
    if not held > 0:
        msg = f"{key}: the weights of {len(sample)} events sum to {held:g}; simulate more, or leave it out"
        raise InputError(msg)
    if given.cross_section is not None and given.generated is not None:
        refuse_too_few_generated(key, given.generated, held)
        scale = given.cross_section * config.luminosity / given.generated
    flags = few_accepted(key, given.generated, held)
    order = np.argsort(sample.event, kind="stable")
    error = given.uncertainty if isinstance(given, BackgroundConfig) else 0.0
    return Process(
        replace(sample, weight=weight * scale).take(order),
        {
            name: (columns[each.up][order] * scale, columns[each.down][order] * scale)
            for name, each in effects.items()
        },
        error,
        flags,
    )


def _refuse_copies(
    data: Sample, backgrounds: Mapping[str, Process], signals: Mapping[str, Process]
) -> None:
    """Refuse events that are in two samples which are added, or held against each other."""
    named = {"events": data}
    named |= {f"backgrounds.{name}": each.sample for name, each in backgrounds.items()}
    of_signals = {f"signals.{name}": each.sample for name, each in signals.items()}
    pairs = [*combinations(named.items(), 2), *product(named.items(), of_signals.items())]
    for (name, one), (other, two) in pairs:
        refuse_shared_events([one.event, two.event], [one.features, two.features], [name, other])


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
