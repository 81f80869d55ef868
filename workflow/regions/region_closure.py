"""Closure of the flows of a search in regions: events drawn from them beside simulated background."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ...core import InputError
from ...ml import Sample, compare
from ...ml.flows.marginals import effective_number
from ..stages.run import derived_seed
from .region_result import FeatureClosure
from .region_scores import RegionScores

__all__ = ["Closure", "close"]

_MOST = 20_000  # events of a region that closure is tested with
_FEWEST = 50  # that can be compared
_PERMUTATIONS = 199
_BINS = 20  # of a distribution that is drawn


@dataclass(frozen=True)
class Closure:
    """How well a classifier tells events of the flow from simulated background it did not learn.

    Attributes
    ----------
    auc : float
        Area under the ROC curve; 0.5 where both are alike.
    p : float
        Of the two-sample test.
    features : tuple of FeatureClosure
        The distributions of each.
    """

    auc: float
    p: float
    features: tuple[FeatureClosure, ...]


def close(scores: RegionScores, background: Sample, *, seed: int) -> dict[int, Closure]:
    """Draw as many events of the flows as there are, and let trees tell them from the others.

    Parameters
    ----------
    scores : RegionScores
        The flows.
    background : Sample
        All simulated background; each flow is compared with its own fold alone.
    seed : int
        Of the drawn events, and of the trees.

    Returns
    -------
    dict of int to Closure
        By region; without those that are too thin, or have too few events to be compared.
    """
    drawn, kept, weight = [], [], background.weights
    folds = scores.folding.of(background.event)
    for place, region in enumerate(np.unique(background.groups)):
        if int(region) in scores.thin:
            continue
        of_region = np.flatnonzero(background.groups == region)
        if len(of_region) > _MOST:  # not the first, which may be all of one process
            rng = np.random.default_rng(derived_seed(seed, place))
            of_region = np.sort(rng.choice(of_region, _MOST, replace=False))
        if len(of_region) < _FEWEST or effective_number(weight[of_region]) < _FEWEST:
            continue
        kept.append(of_region)
        for fold, model in enumerate(scores.models):
            n = int(np.count_nonzero(folds[of_region] == fold))
            drawn.append(model.sample(int(region), n, seed=derived_seed(seed, place, fold)))
    if not drawn:
        return {}
    sample = Sample.concatenated(*drawn)
    sample = replace(sample, event=np.arange(len(sample), dtype=np.uint64))
    others = background.take(np.concatenate(kept))
    try:
        found = compare(sample, others, permutations=_PERMUTATIONS, seed=seed)
    except InputError:  # too few events in a fold of the test; the search stands without it
        return {}
    return {
        int(each.name): Closure(each.auc, each.p_local, _shapes(sample, others, int(each.name)))
        for each in found.regions
        if each.name != "all"
    }


def _shapes(drawn: Sample, simulated: Sample, region: int) -> tuple[FeatureClosure, ...]:
    """Return the distributions of all features in a region, each of area one."""
    of_flow = drawn.features[drawn.groups == region].astype(np.float64)
    inside = simulated.groups == region
    values, weight = simulated.features[inside].astype(np.float64), simulated.weights[inside]
    total, found = weight.sum(), []
    for place, name in enumerate(drawn.names):
        edges = _edges(values[:, place])
        contents, squares, of_drawn = (
            np.histogram(x, edges, weights=w)[0]
            for x, w in (
                (values[:, place], weight),
                (values[:, place], weight**2),
                (of_flow[:, place], None),
            )
        )
        found.append(
            FeatureClosure(
                name,
                tuple(edges.tolist()),
                tuple((contents / total).tolist()),
                tuple((np.sqrt(squares) / total).tolist()),
                tuple((of_drawn / len(of_flow)).tolist()),
            )
        )
    return tuple(found)


def _edges(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return bins that hold nearly all values; one for each of a few whole numbers."""
    low, high = np.quantile(values, (0.005, 0.995))
    if high - low < _BINS and np.array_equal(values, np.round(values)):
        return np.arange(np.floor(low), np.ceil(high) + 2) - 0.5
    return np.linspace(low, high if high > low else low + 1, _BINS + 1)
