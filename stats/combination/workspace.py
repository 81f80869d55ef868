"""Several channels in one pyhf workspace, each with a signal strength of its own."""

from __future__ import annotations

import copy
from typing import Any

from ...core import FitError
from ..workspaces.of_search import shape_workspace
from ..workspaces.pieces import combine
from .joint_result import CombinedResult

__all__ = ["combined_workspace"]

_STRENGTH = "mu"


def combined_workspace(result: CombinedResult) -> dict[str, Any]:
    """Return the mass-shape models of all channels at the best hypothesis (`shape_workspace`).

    Channels, nuisance parameters and strengths are apart: channel ``mjj`` becomes ``mjj_mass`` with
    the strength ``mu_mjj``, whose unit is the number of events of the peak fitted there, after the
    selection. There is one measurement for each channel, named like it; its parameter of interest is
    the channel's strength, the others float.

    Parameters
    ----------
    result : CombinedResult
        The search.

    Returns
    -------
    dict
        Ready for JSON.

    Raises
    ------
    FitError
        If no channel has a fit to model.

    Examples
    --------
    >>> import numpy as np
    >>> from overdensity.stats import count_patterns, log_edges
    >>> from overdensity.stats.combination.channels_hunt import hunt_channels
    >>> from overdensity.stats.combination.joint import HuntChannel
    >>> rng, edges = np.random.default_rng(1), log_edges(2632, 6000, 16)
    >>> mass = 2632 * rng.random(5000) ** (-1 / 8)
    >>> one = HuntChannel(count_patterns(mass, rng.random((5000, 1)) < 0.1, edges), (0.1,))
    >>> windows = [(edges[5], edges[8])]
    >>> found = hunt_channels({"mjj": one, "mjjj": one}, windows, pseudo_experiments=250)
    >>> [each["config"]["poi"] for each in combined_workspace(found)["measurements"]]
    ['mu_mjj', 'mu_mjjj']
    """
    parts = {}
    for peak in result.peaks:
        if peak.spectrum is None:
            continue
        point = result.hypotheses[result.best or 0].channels[_place(result, peak.channel)]
        parts[peak.channel] = shape_workspace(
            peak.spectrum,
            peak.resonance.mass,
            peak.resonance.width,
            n_signal=peak.resonance.n_signal,
            spurious=0.0 if point is None else point.spurious,
        )
    if not parts:
        msg = "no channel has a fit that may be quoted, so there is no model to write"
        raise FitError(msg)
    joined = combine(parts)
    strengths = {name: f"{_STRENGTH}_{name}" for name in parts}
    for channel, strength in zip(joined["channels"], strengths.values(), strict=True):
        for modifier in _modifiers(channel):
            if modifier["name"] == _STRENGTH:
                modifier["name"] = strength
    (measurement,) = joined["measurements"]
    given = measurement["config"]["parameters"]
    (common,) = (each for each in given if each["name"] == _STRENGTH)
    parameters = [each for each in given if each is not common]
    parameters += [common | {"name": strength} for strength in strengths.values()]
    joined["measurements"] = [
        {"name": name, "config": {"poi": strength, "parameters": copy.deepcopy(parameters)}}
        for name, strength in strengths.items()
    ]
    return joined


def _place(result: CombinedResult, name: str) -> int:
    return [channel.name for channel in result.channels].index(name)


def _modifiers(channel: dict[str, Any]) -> list[dict[str, Any]]:
    return [modifier for sample in channel["samples"] for modifier in sample["modifiers"]]
