"""Pieces of a pyhf workspace: modifiers, samples, channels, and how they go together."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...core import InputError, Record

__all__ = [
    "Channel",
    "Sample",
    "combine",
    "factor",
    "free_scale",
    "normalisation",
    "poisson_error",
    "shape_variation",
    "signal",
    "spurious_variation",
    "statistical_error",
    "workspace",
]

Array = NDArray[np.float64]
Modifier = dict[str, Any]
Workspace = dict[str, Any]

LEAST = 1e-6
"""Events a bin is expected to hold at least; pyhf takes logarithms of expectations."""

STRENGTH = "mu"
"""Parameter of interest, shared by all channels."""

_VERSION = "1.0.0"


@dataclass(frozen=True)
class Sample(Record):
    """One process in one channel.

    Attributes
    ----------
    name : str
        Name of the process.
    data : tuple of float
        Expected events in each bin.
    modifiers : tuple of dict
        What may change them, in pyhf's form. Modifiers of one name and kind are one parameter
        (fully correlated) wherever they stand.

    Examples
    --------
    >>> Sample("background", (10.0, 5.0)).modifiers
    ()
    """

    name: str
    data: tuple[float, ...]
    modifiers: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True)
class Channel(Record):
    """One set of bins: what was observed, and the samples that add up to the expectation.

    Attributes
    ----------
    name : str
        Name, unique in a workspace.
    observed : tuple of float
        Events in each bin.
    samples : tuple of Sample
        Processes.

    Examples
    --------
    >>> Channel("SR", (12.0,), (signal([3.0]), Sample("background", (10.0,)))).samples[0].name
    'signal'
    """

    name: str
    observed: tuple[float, ...]
    samples: tuple[Sample, ...] = field(default=())


def signal(data: ArrayLike, *modifiers: Modifier, name: str = "signal") -> Sample:
    """Return a sample that scales with the signal strength ``mu``.

    Examples
    --------
    >>> signal([3.0, 1.0]).modifiers[0]["name"]
    'mu'
    """
    return Sample(name, _events(data, name), (free_scale(STRENGTH), *modifiers))


def free_scale(name: str) -> Modifier:
    """Return a factor without constraint (``normfactor``).

    Examples
    --------
    >>> free_scale("qcd")
    {'name': 'qcd', 'type': 'normfactor', 'data': None}
    """
    return {"name": name, "type": "normfactor", "data": None}


def normalisation(name: str, relative: float) -> Modifier:
    r"""Return a log-normal uncertainty of a sample's size (``normsys``), :math:`(1 + r)^{\pm 1}`.

    Examples
    --------
    >>> normalisation("luminosity", 0.25)["data"]
    {'hi': 1.25, 'lo': 0.8}
    """
    if not relative >= 0:
        msg = f"the relative uncertainty {name!r} is {relative:g}; it must not be negative"
        raise InputError(msg)
    return factor(name, 1 + relative)


def factor(name: str, high: float, low: float | None = None) -> Modifier:
    """Return a factor on a sample's size at plus and minus one σ (``normsys``), 1/high by default.

    >>> factor("jes", 1.1, 0.95)["data"]
    {'hi': 1.1, 'lo': 0.95}
    """
    return {"name": name, "type": "normsys", "data": {"hi": high, "lo": low or 1 / high}}


def shape_variation(name: str, up: ArrayLike, down: ArrayLike) -> Modifier:
    """Return a correlated change of all bins (``histosys``), given at plus and minus one σ.

    A variation beyond an empty bin stops short of it.

    Examples
    --------
    >>> shape_variation("tilt", [11.0, 4.0], [9.0, 6.0])["data"]
    {'hi_data': [11.0, 4.0], 'lo_data': [9.0, 6.0]}
    """
    high, low = (np.maximum(np.asarray(each, dtype=float), LEAST).tolist() for each in (up, down))
    return {"name": name, "type": "histosys", "data": {"hi_data": high, "lo_data": low}}


def spurious_variation(
    background: ArrayLike, shape: ArrayLike, events: float, *, name: str = "spurious_signal"
) -> Modifier:
    """Return a Gaussian number of background events that look like signal (``histosys``).

    Parameters
    ----------
    background : array_like of shape (n_bins,)
        Expected background.
    shape : array_like of shape (n_bins,)
        Signal shape, of any norm.
    events : float
        Standard deviation of the number, over these bins (`SelectionResult.spurious`).
    name : str
        Name of the nuisance parameter.

    Examples
    --------
    >>> spurious_variation([10.0, 5.0], [1.0, 3.0], 2.0)["data"]
    {'hi_data': [10.5, 6.5], 'lo_data': [9.5, 3.5]}
    """
    form = np.asarray(shape, dtype=float)
    total = form.sum()
    if not (np.isfinite(total) and total > 0):
        msg = f"the signal shape sums to {total:g} events; a spurious signal needs a shape"
        raise InputError(msg)
    mean, change = np.asarray(background, dtype=float), events * form / total
    return shape_variation(name, mean + change, mean - change)


def poisson_error(name: str, errors: ArrayLike) -> Modifier:
    r"""Return bins known from side measurements of :math:`(b/\sigma)^2` events (``shapesys``).

    Bins with errors below 1e-7 events are taken as known.

    Examples
    --------
    >>> poisson_error("error", [2.0])
    {'name': 'error', 'type': 'shapesys', 'data': [2.0]}
    """
    values = np.asarray(errors, dtype=float)
    known = values < LEAST / 10  # whose square might vanish
    return {"name": name, "type": "shapesys", "data": np.where(known, 0.0, values).tolist()}


def statistical_error(name: str, errors: ArrayLike) -> Modifier:
    r"""Return the statistical error of simulated bins, :math:`\sqrt{\sum w^2}` (``staterror``).

    All samples of a channel with this name share one factor a bin (Barlow and Beeston 1993, as
    simplified by Conway, arXiv:1103.0354).

    Examples
    --------
    >>> statistical_error("mc", [2.0])
    {'name': 'mc', 'type': 'staterror', 'data': [2.0]}
    """
    return {"name": name, "type": "staterror", "data": np.asarray(errors, dtype=float).tolist()}


def workspace(
    channels: Sequence[Channel],
    *,
    measurement: str = "search",
    parameters: Mapping[str, tuple[float, float, float]] | None = None,
) -> Workspace:
    """Put channels together in one pyhf workspace with parameter of interest ``mu``.

    Where all samples but the signal expect less than 1e-6 events in a bin, the last of them is
    raised to that.

    Parameters
    ----------
    channels : sequence of Channel
        Channels of different names.
    measurement : str
        Name of the measurement.
    parameters : mapping, optional
        Initial value and bounds of free factors: ``{name: (start, low, high)}``.

    Returns
    -------
    dict
        Ready for JSON.

    Raises
    ------
    InputError
        If there are no channels, two of one name, or bins that do not fit together.

    Examples
    --------
    >>> background = Sample("background", (10.0,), (poisson_error("error", [2.0]),))
    >>> model = workspace([Channel("SR", (12.0,), (signal([3.0]), background))])
    >>> model["observations"]
    [{'name': 'SR', 'data': [12.0]}]
    """
    if not channels:
        msg = "a workspace needs at least one channel"
        raise InputError(msg)
    names = [channel.name for channel in channels]
    for name in names:
        if names.count(name) > 1:
            msg = f"two channels are named {name!r}; give each a name of its own"
            raise InputError(msg)
    bounds = {STRENGTH: (1.0, 0.0, 100.0)} | dict(parameters or {})
    return {
        "channels": [
            {"name": channel.name, "samples": [_sample(each) for each in _lifted(channel)]}
            for channel in channels
        ],
        "observations": [
            {"name": channel.name, "data": list(_events(channel.observed, channel.name))}
            for channel in channels
        ],
        "measurements": [
            {
                "name": measurement,
                "config": {
                    "poi": STRENGTH,
                    "parameters": [
                        {"name": name, "inits": [start], "bounds": [[low, high]]}
                        for name, (start, low, high) in bounds.items()
                    ],
                },
            }
        ],
        "version": _VERSION,
    }


def combine(workspaces: Mapping[str, Workspace], *, correlated: Iterable[str] = ()) -> Workspace:
    """Put several searches into one workspace with one signal strength.

    Channels and nuisance parameters take the name of their search as a prefix, so that nothing is
    correlated by accident. One unit of ``mu`` must mean the same signal in all of them.

    Parameters
    ----------
    workspaces : mapping of str to dict
        Workspaces with parameter of interest ``mu``, by name.
    correlated : iterable of str
        Nuisance parameters that keep their names, and are one parameter in all searches.

    Returns
    -------
    dict

    Raises
    ------
    InputError
        If there are none, or one has another parameter of interest.

    Examples
    --------
    >>> background = Sample("background", (10.0,), (poisson_error("error", [2.0]),))
    >>> model = workspace([Channel("SR", (12.0,), (signal([3.0]), background))])
    >>> joined = combine({"first": model, "second": model})
    >>> [channel["name"] for channel in joined["channels"]]
    ['first_SR', 'second_SR']
    """
    shared = {STRENGTH, *correlated}
    channels: list[Any] = []
    observations: list[Any] = []
    parameters: dict[str, Any] = {}
    for search, given in workspaces.items():
        part, config = copy.deepcopy(given), given["measurements"][0]["config"]
        if config["poi"] != STRENGTH:
            msg = f"the workspace {search!r} has the parameter of interest {config['poi']!r}, not 'mu'"
            raise InputError(msg)
        for each in (*part["channels"], *part["observations"]):
            each["name"] = f"{search}_{each['name']}"
        for modifier in (
            modifier
            for channel in part["channels"]
            for sample in channel["samples"]
            for modifier in sample["modifiers"]
        ):
            modifier["name"] = _prefixed(modifier["name"], search, shared)
        for parameter in part["measurements"][0]["config"]["parameters"]:
            parameter["name"] = _prefixed(parameter["name"], search, shared)
            parameters.setdefault(parameter["name"], parameter)
        channels += part["channels"]
        observations += part["observations"]
    if not channels:
        msg = "there are no workspaces to combine"
        raise InputError(msg)
    config = {"poi": STRENGTH, "parameters": list(parameters.values())}
    return {
        "channels": channels,
        "observations": observations,
        "measurements": [{"name": "combination", "config": config}],
        "version": _VERSION,
    }


def _prefixed(name: str, search: str, shared: set[str]) -> str:
    return name if name in shared else f"{search}_{name}"


def _events(data: ArrayLike, name: str) -> tuple[float, ...]:
    """Return numbers of events, or say what is wrong with them."""
    values = np.atleast_1d(np.asarray(data, dtype=float))
    bad = np.flatnonzero(~np.isfinite(values) | (values < 0))
    if values.ndim != 1 or not values.size:
        msg = f"{name!r} has events of shape {values.shape}; one number a bin is needed"
        raise InputError(msg)
    if bad.size:
        msg = (
            f"bin {bad[0]} of {name!r} holds {values[bad[0]]:g} events; they must be finite and "
            "not negative"
        )
        raise InputError(msg)
    return tuple(values.tolist())


def _is_signal(sample: Sample) -> bool:
    return any(modifier["name"] == STRENGTH for modifier in sample.modifiers)


def _lifted(channel: Channel) -> list[Sample]:
    """Return a channel's samples, checked, with bins of no background raised to `LEAST`."""
    n_bins = len(channel.observed)
    if not channel.samples:
        msg = f"the channel {channel.name!r} has no samples"
        raise InputError(msg)
    for sample in channel.samples:
        if len(sample.data) != n_bins:
            msg = (
                f"the sample {sample.name!r} of {channel.name!r} has {len(sample.data)} bins, the "
                f"data {n_bins}"
            )
            raise InputError(msg)
    samples = list(channel.samples)
    last = max((k for k, sample in enumerate(samples) if not _is_signal(sample)), default=None)
    if last is None:
        return samples
    background = sum(np.array(each.data) for each in samples if not _is_signal(each))
    data = np.array(samples[last].data) + np.where(background < LEAST, LEAST, 0.0)
    samples[last] = Sample(samples[last].name, tuple(data.tolist()), samples[last].modifiers)
    return samples


def _sample(sample: Sample) -> dict[str, Any]:
    modifiers = [copy.deepcopy(modifier) for modifier in sample.modifiers]
    return {
        "name": sample.name,
        "data": list(_events(sample.data, sample.name)),
        "modifiers": modifiers,
    }
