"""Fits to the distribution of an anomaly score in several regions, from simulated templates.

For methods whose score is itself the discriminating variable, as -log p of a normalising flow
trained on simulated background, one flow a region (ATLAS region flows: Harrison talk).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...core import InputError, Record
from .pieces import (
    Channel,
    Modifier,
    Sample,
    normalisation,
    shape_variation,
    signal,
    statistical_error,
    workspace,
)

__all__ = [
    "Region",
    "Template",
    "Variation",
    "score_channel",
    "score_edges",
    "score_template",
    "score_workspace",
]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Variation(Record):
    """A template under a systematic effect at plus and minus one standard deviation, events.

    Examples
    --------
    >>> Variation((11.0, 4.0), (9.0, 6.0)).up
    (11.0, 4.0)
    """

    up: tuple[float, ...]
    down: tuple[float, ...]


@dataclass(frozen=True)
class Template(Record):
    """The distribution of the score for one simulated process.

    Attributes
    ----------
    events : tuple of float
        Expected events in each bin, normalised to the data's luminosity.
    errors : tuple of float
        Their statistical errors.
    relative_error : float
        Log-normal uncertainty of the process's size: one parameter in all regions.
    variations : dict of str to Variation
        Shape effects by name: one parameter a name, in all processes and regions.
    factors : dict of str to float
        Log-normal uncertainties of the size that several processes share, by name (the luminosity):
        one parameter a name, in all processes and regions.

    Examples
    --------
    >>> Template((10.0, 5.0), (1.0, 0.7)).relative_error
    0.0
    """

    events: tuple[float, ...]
    errors: tuple[float, ...]
    relative_error: float = 0.0
    variations: dict[str, Variation] = field(default_factory=dict)
    factors: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Region(Record):
    """One region of the analysis.

    Attributes
    ----------
    name : str
        Name of the channel.
    observed : tuple of float
        Data in the bins of the score.
    backgrounds : dict of str to Template
        Background processes by name.
    signal : Template
        The signal at ``mu = 1``.

    Examples
    --------
    >>> template = score_template([0.1, 0.2, 0.7, 0.9], [0.0, 0.5, 1.0], [5.0, 5.0, 1.0, 1.0])
    >>> region = Region("SR", (11.0, 3.0), {"qcd": template}, Template((0.5, 2.0), (0.0, 0.0)))
    >>> region.backgrounds['qcd'].events
    (10.0, 2.0)
    """

    name: str
    observed: tuple[float, ...]
    backgrounds: dict[str, Template]
    signal: Template


def score_edges(
    scores: ArrayLike,
    weights: ArrayLike | None = None,
    *,
    n_bins: int = 8,
    least: float = 10.0,
    expected: float = 0.0,
) -> Array:
    r"""Return bin edges that resolve the tail as far as simulated background reaches.

    Each bin holds half the background that is left above its lower edge, so that equal steps in
    bin are equal factors in background; no bin has less than ``least`` effective simulated events
    :math:`(\sum w)^2 / \sum w^2`.

    Parameters
    ----------
    scores : array_like of shape (n_events,)
        Scores of simulated background.
    weights : array_like of shape (n_events,), optional
        Weights of the events; 1 if absent.
    n_bins : int
        How many bins at most.
    least : float
        Effective events in each bin at least.
    expected : float
        Expected events, the sum of weights, in each bin at least.

    Returns
    -------
    ndarray of shape (n + 1,)
        Edges, the first and last at minus and plus infinity.

    Raises
    ------
    InputError
        If there are not enough events for a single bin.

    Examples
    --------
    >>> import numpy as np
    >>> score_edges(np.linspace(0, 1, 81), n_bins=3).round(3).tolist()
    [-inf, 0.5, 0.75, inf]
    """
    values, mass = _checked(scores, weights)
    order = np.argsort(values, kind="stable")
    values, mass = values[order], mass[order]
    total, square = np.cumsum(mass), np.cumsum(mass**2)
    edges, begin = [-np.inf], 0
    while len(edges) < n_bins:
        before = total[begin - 1] if begin else 0.0
        half = (before + total[-1]) / 2
        middle = int(np.searchsorted(np.maximum.accumulate(total), half))  # weights may be negative
        split = int(np.searchsorted(values, values[min(middle, values.size - 1)], side="left"))
        parts = (
            _effective(total, square, begin, split),
            _effective(total, square, split, values.size),
        )
        if split <= begin or min(parts) < least:
            break
        if min(total[split - 1] - before, total[-1] - total[split - 1]) < expected:
            break
        edges.append(float(values[split]))
        begin = split
    if _effective(total, square, 0, values.size) < least:
        msg = (
            f"{values.size} simulated events are worth less than {least:g}; simulate more, or ask "
            "for fewer in a bin"
        )
        raise InputError(msg)
    return np.array([*edges, np.inf])


def score_template(
    scores: ArrayLike,
    edges: ArrayLike,
    weights: ArrayLike | None = None,
    *,
    relative_error: float = 0.0,
    variations: Mapping[str, tuple[ArrayLike, ArrayLike]] | None = None,
    factors: Mapping[str, float] | None = None,
    raised: bool = False,
) -> Template:
    r"""Fill a template, with the statistical error :math:`\sqrt{\sum w^2}` of each bin.

    Parameters
    ----------
    scores : array_like of shape (n_events,)
        Scores of simulated events.
    edges : array_like of shape (n_bins + 1,)
        Edges (`score_edges`); every event must lie within.
    weights : array_like of shape (n_events,), optional
        Weights that normalise to the data's luminosity.
    relative_error : float
        Uncertainty of the process's size.
    variations : mapping, optional
        Templates at plus and minus one σ, events in each bin: ``{name: (up, down)}``.
    factors : mapping, optional
        Uncertainties of the size that processes share: ``{name: relative}``.
    raised : bool
        Whether bins whose weights sum to less than zero are raised to that, in place of an error.

    Returns
    -------
    Template

    Raises
    ------
    InputError
        If an event is not finite or outside, or the weights of a bin sum to less than zero.

    Examples
    --------
    >>> score_template([0.1, 0.2, 0.7], [0.0, 0.5, 1.0]).events
    (2.0, 1.0)
    """
    values, mass = _checked(scores, weights)
    bins = np.asarray(edges, dtype=float)
    outside = int(((values < bins[0]) | (values > bins[-1])).sum())
    if outside:
        msg = f"{outside} of {values.size} scores lie outside the bins; let the outer edges be infinite"
        raise InputError(msg)
    place = np.clip(np.searchsorted(bins, values, side="right") - 1, 0, bins.size - 2)
    events = np.bincount(place, mass, bins.size - 1)
    if raised:
        events = np.maximum(events, 0.0)
    if (events < 0).any():
        msg = f"the weights of bin {int(np.argmin(events))} sum to {events.min():g}; merge bins"
        raise InputError(msg)
    return Template(
        tuple(events.tolist()),
        tuple(np.sqrt(np.bincount(place, mass**2, bins.size - 1)).tolist()),
        relative_error,
        {
            name: Variation(_tuple(up), _tuple(down))
            for name, (up, down) in (variations or {}).items()
        },
        dict(factors or {}),
    )


def score_channel(region: Region) -> Channel:
    """Return a region as a channel.

    Backgrounds share one factor a bin for the statistics of their simulation; the signal has its
    own. Normalisations are named ``<process>_normalisation``.

    Raises
    ------
    InputError
        If a bin has data or signal, but no simulated background: there the model knows nothing.

    Examples
    --------
    >>> template = score_template([0.1, 0.2, 0.7, 0.9], [0.0, 0.5, 1.0], [5.0, 5.0, 1.0, 1.0])
    >>> region = Region("SR", (11.0, 3.0), {"qcd": template}, Template((0.5, 2.0), (0.0, 0.0)))
    >>> [sample.name for sample in score_channel(region).samples]
    ['signal', 'qcd']
    """
    n_bins = len(region.observed)
    templates = {"signal": region.signal} | region.backgrounds
    for what, template in templates.items():
        if len(template.events) != n_bins:
            msg = f"{what!r} has {len(template.events)} bins in region {region.name!r}, the data {n_bins}"
            raise InputError(msg)
    background = np.zeros(n_bins)
    for template in region.backgrounds.values():
        background += template.events
    for what, events in (("data", region.observed), ("signal", region.signal.events)):
        bare = np.flatnonzero((np.array(events) > 0) & (background <= 0))
        if bare.size:
            msg = (
                f"bin {bare[0]} of region {region.name!r} has {what} but no simulated background; "
                "merge bins (score_edges)"
            )
            raise InputError(msg)
    samples = [
        signal(
            region.signal.events, *_modifiers("signal", region.signal, f"mc_signal_{region.name}")
        )
    ]
    samples += [
        Sample(name, template.events, tuple(_modifiers(name, template, f"mc_{region.name}")))
        for name, template in region.backgrounds.items()
    ]
    return Channel(region.name, region.observed, tuple(samples))


def score_workspace(regions: Sequence[Region]) -> dict[str, Any]:
    """Return the regions, fitted together, as a pyhf workspace.

    Processes and variations of the same name are fully correlated between regions.

    Examples
    --------
    >>> template = score_template([0.1, 0.2, 0.7, 0.9], [0.0, 0.5, 1.0], [5.0, 5.0, 1.0, 1.0])
    >>> region = Region("SR", (11.0, 3.0), {"qcd": template}, Template((0.5, 2.0), (0.0, 0.0)))
    >>> score_workspace([region])['observations']
    [{'name': 'SR', 'data': [11.0, 3.0]}]
    """
    return workspace([score_channel(region) for region in regions])


def _modifiers(name: str, template: Template, statistical: str) -> list[Modifier]:
    """Return the nuisance parameters of one process in one region."""
    for each in (statistical, *template.variations):
        if "/" in each:  # pyhf divides its own keys there
            msg = f"{each!r} cannot be the name of a parameter, for it has a '/' in it; rename it"
            raise InputError(msg)
    out = []
    if any(error > 0 for error in template.errors):
        out.append(statistical_error(statistical, template.errors))
    if template.relative_error > 0:
        out.append(normalisation(f"{name}_normalisation", template.relative_error))
    out += [normalisation(effect, error) for effect, error in template.factors.items() if error > 0]
    out += [
        shape_variation(effect, variation.up, variation.down)
        for effect, variation in template.variations.items()
    ]
    return out


def _checked(scores: ArrayLike, weights: ArrayLike | None) -> tuple[Array, Array]:
    values = np.asarray(scores, dtype=float)
    mass = np.ones(values.shape) if weights is None else np.asarray(weights, dtype=float)
    if values.ndim != 1 or mass.shape != values.shape:
        msg = f"scores have shape {values.shape} and weights {mass.shape}; one of each an event"
        raise InputError(msg)
    bad = int((~np.isfinite(values) | ~np.isfinite(mass)).sum())
    if bad:
        msg = f"{bad} of {values.size} events have a score or weight that is not finite"
        raise InputError(msg)
    return values, mass


def _effective(total: Array, square: Array, begin: int, end: int) -> float:
    """Return the effective number of events from begin to end of sorted sums."""
    if end <= begin:
        return 0.0
    first, first_square = (total[begin - 1], square[begin - 1]) if begin else (0.0, 0.0)
    return float((total[end - 1] - first) ** 2 / max(square[end - 1] - first_square, 1e-300))


def _tuple(values: ArrayLike) -> tuple[float, ...]:
    return tuple(np.asarray(values, dtype=float).tolist())
