"""Whether data and weighted simulation differ anywhere: a classifier test in all regions at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from ...core import ConfigError, InputError
from ..classifiers.quantile_bins import OrderedFeatures
from ..classifiers.trees import BoostingHyper, fit_trees
from ..folds import fold_of
from ..sample import Sample
from .comparison_result import Comparison, FeatureDifference, RegionComparison
from .permuted import linearised, p_values, permuted_differences

__all__ = ["compare"]

COMPARING = BoostingHyper(patience=10, leaves=8, events_per_leaf=20, features_per_split=1.0)
FEWEST = 50
"""Events of data, and effective ones of simulation, from which on a region is compared."""
EVERYWHERE = "all"
_FEWEST_IN_FOLD = 3
_MOST_FOLDS, _MOST_PERMUTATIONS = 100, 1_000_000  # hours; more is a slip
_EQUAL = 0.7  # effective events per event, below which weights are far from equal


@dataclass(frozen=True, eq=False)
class _Events:
    """Data and simulation, the regions in which both are enough, and which fold each event is of."""

    x: NDArray[np.float32]
    is_data: NDArray[np.bool_]
    weight: NDArray[np.float64]
    group: NDArray[np.int64]
    fold: NDArray[np.int64]

    def unsigned(self) -> _Events:
        return replace(self, weight=np.abs(self.weight))

    def of(self, which: NDArray[np.bool_]) -> _Events:
        return _Events(
            self.x[which],
            self.is_data[which],
            self.weight[which],
            self.group[which],
            self.fold[which],
        )


def compare(
    data: Sample,
    simulation: Sample,
    *,
    folds: int = 5,
    permutations: int = 9999,
    hyper: BoostingHyper = COMPARING,
    seed: int,
) -> Comparison:
    """Test whether the features of data and simulation have the same distribution in all regions.

    A classifier two-sample test (D. Lopez-Paz, M. Oquab, arXiv:1610.06545) in each region
    (``Sample.group``), and one of all regions together. Fold k is scored by trees that learnt to
    tell data from simulation in the folds before it. Given these trees, the labels of its events
    are exchangeable if there is no difference, so permutations give an exact p-value, and those of
    all folds are independent. With all other folds as training events they would not be, and
    permutations would have to train again.

    The score is the odds, an estimate of the ratio of densities, whose mean is the most powerful
    statistic for a small admixture (Neyman and Pearson, to first order). What is compared is the
    difference of mean scores over its error: with it a permutation test is right for many events
    also where weights differ, and labels are not exchangeable (E. Chung, J. Romano, Ann. Statist.
    41 (2013) 484). Simulation is normalised to the data in each region: shapes are compared, not
    yields.

    Parameters
    ----------
    data, simulation : Sample
        Events with the same features, in the same order. Simulation may be weighted; a negative
        weight counts with its size where trees learn, with its sign where they are tested.
    folds : int
        2 to 100; the first one is never scored.
    permutations : int
        99 to 10⁶.
    hyper : BoostingHyper
        How the trees are boosted.
    seed : int
        Decides folds, trainings and permutations.

    Returns
    -------
    Comparison

    Raises
    ------
    InputError
        If the samples do not match, data are weighted, or no region has enough events of both.
    ConfigError
        If folds or permutations are too few or too many.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> data, simulation = (
    ...     Sample.from_arrays(np.ones(n), rng.normal(mean, size=(n, 1)), ("met",), weight=np.full(n, w))
    ...     for n, mean, w in [(200, 1.0, 1.0), (400, 0.0, 0.5)]
    ... )
    >>> found = compare(data, simulation, permutations=99, seed=1)
    >>> found.p_global, found.is_limit, found.regions[0].features[0].name
    (0.01, True, 'met')
    """
    if not (2 <= folds <= _MOST_FOLDS and 99 <= permutations <= _MOST_PERMUTATIONS):
        msg = (
            f"compare: {folds} folds and {permutations} permutations; give 2 to {_MOST_FOLDS} and 99 to "
            f"{_MOST_PERMUTATIONS}"
        )
        raise ConfigError(msg)
    _refuse_unlike(data, simulation)
    both = _joined(data, simulation, folds, seed)
    kept, flags = _enough(both, folds)
    events = both.of(np.isin(both.group, kept))
    rng = np.random.default_rng(seed)
    scores = _scores(events, kept, folds, hyper, rng)
    statistic = _statistics(events, kept, scores, permutations, rng)
    local, of_all = p_values(statistic, rng)
    named = [str(group) for group in kept] if data.group is not None else [EVERYWHERE]
    named += [EVERYWHERE] * (len(kept) > 1)
    regions = []
    for i, name in enumerate(named):
        inside = events.group == kept[i] if i < len(kept) else np.ones(len(events.x), bool)
        regions.append(
            _region(name, events.of(inside), scores[inside, i // len(kept)], local[i], data.names)
        )
    return Comparison(
        regions=tuple(regions),
        p_global=of_all,
        z_global=_z(of_all),
        is_limit=bool(local.min() * (permutations + 1) < 1.5),
        permutations=permutations,
        folds=folds,
        seed=seed,
        flags=flags,
    )


def _z(p: float) -> float:
    """Return the significance of a p-value; that of 1 is finite."""
    return float(norm.isf(min(p, 0.9999)))


def _refuse_unlike(data: Sample, simulation: Sample) -> None:
    if data.columns != simulation.columns or data.blocks or not data.names:
        msg = (
            f"compare: data have {', '.join(data.columns) or 'no features'}, simulation "
            f"{', '.join(simulation.columns) or 'no features'}; give both the same columns of numbers"
        )
        raise InputError(msg)
    if data.weight is not None and np.any(data.weight != 1):
        msg = "compare: column 'weight' of the data is not 1 everywhere; give data without weights"
        raise InputError(msg)
    if (data.group is None) != (simulation.group is None):
        only = "simulation" if data.group is None else "data"
        msg = (
            f"compare: only the {only} are divided into groups; give the column to both or to none"
        )
        raise InputError(msg)


def _joined(data: Sample, simulation: Sample, folds: int, seed: int) -> _Events:
    both = Sample.concatenated(data.without_label(), simulation.without_label())
    fold = [
        fold_of(sample.event, folds, seed=seed, salt=salt)
        for sample, salt in ((data, "data"), (simulation, "simulation"))
    ]
    return _Events(
        x=both.features,
        is_data=np.arange(len(both)) < len(data),
        weight=both.weights,
        group=both.groups,
        fold=np.concatenate(fold),
    )


def _enough(events: _Events, folds: int) -> tuple[list[int], tuple[str, ...]]:
    """Return the regions with enough events of both kinds, and what is to be said of the others."""
    kept, flags = [], []
    for group in np.unique(events.group).tolist():
        inside = events.of(events.group == group)
        n_data, effective = int(inside.is_data.sum()), _effective(inside.weight[~inside.is_data])
        held = [
            (inside.is_data[mine], inside.weight[mine])
            for mine in (inside.fold == fold for fold in range(folds))
        ]
        bare = any(
            min(is_data.sum(), (~is_data).sum()) < _FEWEST_IN_FOLD or weight[~is_data].sum() <= 0
            for is_data, weight in held
        )
        if n_data < FEWEST or effective < FEWEST or bare:
            flags.append(
                f"region {group} is not compared: {n_data} events of data and {effective:.0f} effective "
                f"ones of simulation; {FEWEST} of each are needed, in every fold some of positive weight"
            )
            continue
        kept.append(group)
        n_simulated = int((~inside.is_data).sum())
        if effective < _EQUAL * n_simulated:
            flags.append(
                f"region {group}: {n_simulated} simulated events are worth {effective:.0f}, so unequal are "
                "their weights, and its p-value may be several times too small; unweight the simulation"
            )
    if not kept:
        msg = (
            f"compare: {'; '.join(flags) or 'there are no events'}; give more events or fewer folds"
        )
        raise InputError(msg)
    return kept, tuple(flags)


def _effective(weight: NDArray[np.float64]) -> float:
    """Return the effective number of weighted events; none where their sum is not positive."""
    return float(max(weight.sum(), 0.0) ** 2 / np.sum(weight**2)) if np.any(weight) else 0.0


def _scores(
    events: _Events, kept: Sequence[int], folds: int, hyper: BoostingHyper, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Return scores of the trees of each region and of those of all; NaN in the first fold."""
    scores = np.full((len(events.x), 1 + (len(kept) > 1)), np.nan, np.float32)
    for group in kept:
        inside = events.group == group
        scores[inside, 0] = _scored(events.of(inside), events.x[inside], folds, hyper, rng)
    if len(kept) > 1:
        place = np.searchsorted(kept, events.group).astype(np.float32)
        x = np.column_stack([events.x, place])
        scores[:, 1] = _scored(events, x, folds, hyper, rng)
    return scores


def _scored(
    events: _Events,
    x: NDArray[np.float32],
    folds: int,
    hyper: BoostingHyper,
    rng: np.random.Generator,
) -> NDArray[np.float32]:
    """Return the odds of data in each fold but the first, by trees that learn in those before it."""
    score = np.full(len(x), np.nan, np.float32)
    for fold in range(1, folds):
        before = events.fold < fold
        some = events.of(before)
        weight, stops = _balanced(some.unsigned()), np.zeros(len(some.x), bool)
        for kind in (some.is_data, ~some.is_data):  # a quarter of each decides when to stop
            of_kind = rng.permutation(np.flatnonzero(kind))
            stops[of_kind[: -(-len(of_kind) // 4)]] = True
        weight /= weight.mean()
        binned = OrderedFeatures.of(x[before]).binned(np.where(stops, 0.0, weight), hyper.bins)
        trees = fit_trees(
            binned, some.is_data, weight, stops, seed=int(rng.integers(2**32)), hyper=hyper
        )
        mine = events.fold == fold
        score[mine] = np.exp(trees.log_odds(x[mine]))
    return score


def _balanced(events: _Events) -> NDArray[np.float64]:
    """Return the weights of data and simulation, which count the same in each region."""
    weight = np.where(events.is_data, 1.0, events.weight)
    for group in np.unique(events.group):
        inside = events.group == group
        simulated = inside & ~events.is_data
        weight[simulated] *= np.sum(inside & events.is_data) / weight[simulated].sum()
    return weight


def _statistics(
    events: _Events,
    kept: Sequence[int],
    scores: NDArray[np.float32],
    permutations: int,
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """Return the statistics of :func:`p_values`: of each region, then of all together."""
    folds = int(events.fold.max()) + 1
    found = np.zeros((len(kept) + (len(kept) > 1), folds - 1, permutations + 1))
    for k in range(folds - 1):
        summed = np.zeros((2, permutations + 1))
        for i, group in enumerate(kept):
            mine = (events.group == group) & (events.fold == k + 1)
            of_fold = events.of(mine)
            values = np.column_stack(
                [linearised(each, of_fold.is_data, of_fold.weight) for each in scores[mine].T]
            )
            difference, variance = permuted_differences(values, of_fold.is_data, permutations, rng)
            found[i, k] = _over(difference[:, 0], variance[:, 0])
            n = of_fold.is_data.sum()
            summed += n * difference[:, -1], n**2 * variance[:, -1]
        if len(kept) > 1:
            found[-1, k] = _over(*summed)
    return found


def _over(difference: NDArray[np.float64], variance: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return differences over their errors; zero where all scores are equal."""
    spread = variance > 1e-20
    return np.where(spread, difference / np.sqrt(np.where(spread, variance, 1.0)), 0.0)


def _region(
    name: str, events: _Events, score: NDArray[np.float32], p: float, names: Sequence[str]
) -> RegionComparison:
    simulated = events.weight[~events.is_data]
    areas = []
    for fold in range(1, int(events.fold.max()) + 1):
        mine = events.fold == fold
        areas.append(_area(score[mine], events.is_data[mine], events.weight[mine]))
    shapes = _balanced(events)
    distances = [
        FeatureDifference(each, _distance(events.x[:, i], events.is_data, shapes))
        for i, each in enumerate(names)
    ]
    return RegionComparison(
        name=name,
        n_data=int(events.is_data.sum()),
        n_simulation=len(simulated),
        expected=float(simulated.sum()),
        effective=_effective(simulated),
        auc=float(np.mean(areas)),
        p_local=float(p),
        z_local=_z(p),
        features=tuple(sorted(distances, key=lambda each: -each.distance)),
    )


def _steps(
    values: NDArray[np.floating], is_data: NDArray[np.bool_], weight: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the cumulative distributions of data and simulation after each distinct value."""
    _, which = np.unique(values, return_inverse=True)
    data, simulated = (
        np.cumsum(np.bincount(which[kind], weight[kind], minlength=which.max() + 1))
        for kind in (is_data, ~is_data)
    )
    return data / data[-1], simulated / simulated[-1]


def _distance(
    values: NDArray[np.floating], is_data: NDArray[np.bool_], weight: NDArray[np.float64]
) -> float:
    """Return the Kolmogorov-Smirnov distance of data and weighted simulation."""
    data, simulated = _steps(values, is_data, weight)
    return float(np.abs(data - simulated).max())


def _area(
    score: NDArray[np.floating], is_data: NDArray[np.bool_], weight: NDArray[np.float64]
) -> float:
    """Return the area under the ROC curve of data against weighted simulation; ties count half."""
    data, simulated = _steps(score, is_data, np.where(is_data, 1.0, weight))
    return float(np.sum(np.diff(data, prepend=0) * (simulated + np.r_[0, simulated[:-1]]) / 2))
