"""What the most anomalous bin of each region says of any signal: its count, and a visible cross section."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from ...core import InputError, Record
from ..limits.counting import background_draws, counting_limit, counting_p
from ..p_values.local import local_log_p, z_of_log_p, z_of_p
from .score_shape import Region, Template, Variation, score_workspace

__all__ = ["VisibleCount", "VisibleCounts", "visible_counts"]

Array = NDArray[np.float64]

_TOYS = 40_960  # pseudo-experiments


@dataclass(frozen=True)
class VisibleCount(Record):
    """The events of a region that are least like background, against the number expected.

    Attributes
    ----------
    region : str
        Its name.
    observed : int
        Events in the last bin of the score.
    expected, error : float
        Background there, and its total uncertainty.
    p_local, z_local : float
        Probability of at least so many events from background, averaged over the uncertainties.
    events : float
        Upper limit (CLs) on signal events in the bin, from the data.
    events_expected : tuple of float
        At the quantiles -2, -1, 0, +1, +2 σ of the background-only expectation.
    cross_section : float
        Limit on cross section times acceptance times efficiency of any signal in the bin, fb.
    cross_section_expected : tuple of float
        As of the events.

    Examples
    --------
    >>> template = Template((20.0, 3.0), (1.0, 0.3))
    >>> region = Region("SR", (21.0, 9.0), {"zz": template}, Template((0.0, 1.0), (0.0, 0.0)))
    >>> found = visible_counts([region], luminosity=100.0).regions[0]
    >>> found.observed, round(found.events, 1), round(found.cross_section, 3)
    (9, 12.7, 0.127)
    """

    region: str
    observed: int
    expected: float
    error: float
    p_local: float
    z_local: float
    events: float
    events_expected: tuple[float, float, float, float, float]
    cross_section: float
    cross_section_expected: tuple[float, float, float, float, float]


@dataclass(frozen=True)
class VisibleCounts(Record):
    """The last bins of all regions.

    Attributes
    ----------
    level : float
        Confidence level of the limits.
    regions : tuple of VisibleCount
        One a region.
    p_global, z_global : float
        How often background alone has a smallest local p-value as small, in any region.
    is_limit : bool
        Whether no pseudo-experiment had one: then the global p-value is an upper limit.
    p_below : float
        How often it has one that is smaller still. Counts are whole numbers: a number drawn flat between
        this and `p_global` is uniform without a signal, `p_global` itself is not smaller.

    Examples
    --------
    >>> template = Template((20.0, 3.0), (1.0, 0.3))
    >>> region = Region("SR", (21.0, 3.0), {"zz": template}, Template((0.0, 1.0), (0.0, 0.0)))
    >>> visible_counts([region, replace(region, name="VR")], luminosity=100.0).p_global > 0.5
    True
    """

    level: float
    regions: tuple[VisibleCount, ...]
    p_global: float
    z_global: float
    is_limit: bool
    p_below: float = 0.0


def visible_counts(
    regions: Sequence[Region], *, luminosity: float, level: float = 0.95, seed: int = 0
) -> VisibleCounts:
    """Count the last bin of each region, without any signal model.

    The limit is that of a signal that is nowhere else, of known efficiency there; divided by the
    luminosity it is one on the visible cross section. Uncertainties of the same name are the same
    in all regions, also in the pseudo-experiments of the global p-value.

    Parameters
    ----------
    regions : sequence of Region
        Their signals do not count.
    luminosity : float
        In 1/fb.
    level : float
        Confidence level.
    seed : int
        Of the pseudo-experiments.

    Raises
    ------
    InputError
        If the luminosity is not positive, or pyhf refuses the model.

    Examples
    --------
    >>> template = Template((20.0, 3.0), (1.0, 0.3))
    >>> region = Region("SR", (21.0, 12.0), {"zz": template}, Template((0.0, 1.0), (0.0, 0.0)))
    >>> visible_counts([region], luminosity=100.0).z_global > 3
    True
    """
    if not luminosity > 0:
        msg = f"the luminosity is {luminosity:g} /fb; a cross section needs one above zero"
        raise InputError(msg)
    counts = [_last_bin(region) for region in regions]
    background = background_draws(score_workspace(counts))
    order = sorted(each.name for each in counts)  # pyhf's, of channels
    found, places = [], []
    for each in counts:
        limit = counting_limit(score_workspace([each]), level=level)
        observed, draws = round(each.observed[0]), background[:, order.index(each.name)]
        p = float(counting_p(observed, draws))
        # The significance of logarithms, which there is where p is 0, too.
        log_p = logsumexp(local_log_p(observed, draws, 0.0)) - np.log(len(draws))
        places.append(p)
        found.append(
            VisibleCount(
                each.name,
                observed,
                float(draws.mean()),
                float(draws.std()),
                p,
                float(z_of_log_p(log_p)),
                limit.observed,
                limit.expected,
                limit.observed / luminosity,
                _over(limit.expected, luminosity),
            )
        )
    smallest = _smallest_of_pseudo_experiments(background, np.random.default_rng(seed))
    as_small = int(np.count_nonzero(smallest <= min(places) * (1 + 1e-9)))
    p_below = np.count_nonzero(smallest < min(places) * (1 - 1e-9)) / len(smallest)
    p_global = max(as_small, 1) / len(smallest)
    return VisibleCounts(
        level, tuple(found), p_global, float(z_of_p(p_global)), as_small == 0, float(p_below)
    )


def _smallest_of_pseudo_experiments(background: Array, rng: np.random.Generator) -> Array:
    """Return the smallest local p-value of any region in each pseudo-experiment."""
    smallest = np.ones(_TOYS)
    for draws in background.T:
        counts = rng.poisson(np.repeat(draws, _TOYS // len(draws)))  # all of one without nuisances
        values, place = np.unique(counts, return_inverse=True)
        smallest = np.minimum(smallest, counting_p(values, draws)[place])
    return smallest


def _last_bin(region: Region) -> Region:
    """Return the last bin alone, with one event of a signal without uncertainty."""
    return Region(
        region.name,
        region.observed[-1:],
        {name: _of_last_bin(template) for name, template in region.backgrounds.items()},
        Template((1.0,), (0.0,)),
    )


def _of_last_bin(template: Template) -> Template:
    return replace(
        template,
        events=template.events[-1:],
        errors=template.errors[-1:],
        variations={
            name: Variation(each.up[-1:], each.down[-1:])
            for name, each in template.variations.items()
        },
    )


def _over(
    limits: tuple[float, float, float, float, float], luminosity: float
) -> tuple[float, float, float, float, float]:
    a, b, c, d, e = (limit / luminosity for limit in limits)
    return a, b, c, d, e
