"""Ensembles of histogram gradient-boosted trees, as flat arrays that are fast to score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from math import ceil
from typing import Any, ClassVar, Self

import numba
import numpy as np
from numpy.typing import NDArray
from scipy.special import logit

from ..hyper_checks import refuse_unusable
from ..training.watching import is_watched
from .boosting import Growth, boost
from .kinds import ClassifierKind, EnsembleHyper, register_classifier
from .members import features_of_members, note_reliability
from .quantile_bins import Binned, OrderedFeatures

__all__ = ["BoostedTrees", "BoostingHyper", "TreeEnsemble", "fit_trees"]

_BLOCK = 256  # events that go down one tree after the other


@dataclass(frozen=True)
class BoostingHyper:
    """How trees are boosted.

    Attributes
    ----------
    learning_rate : float
        Step of each tree.
    iterations : int
        Largest number of trees.
    patience : int
        Trees without improvement on the validation events before the end.
    leaves : int
        Leaves of a tree.
    events_per_leaf : int
        Fewest events in a leaf.
    features_per_split : float
        Fraction of the features tried at each split.
    bins : int
        Bins of a feature's histogram.

    Raises
    ------
    ConfigError
        If a value cannot be used.
    """

    learning_rate: float = 0.1
    iterations: int = 100
    patience: int = 5
    leaves: int = 31
    events_per_leaf: int = 50
    features_per_split: float = 0.5
    bins: int = 127

    def __post_init__(self) -> None:
        refuse_unusable(
            "boosted trees",
            self,
            learning_rate=self.learning_rate > 0,
            iterations=self.iterations >= 1,
            patience=self.patience >= 1,
            leaves=self.leaves >= 2,
            events_per_leaf=self.events_per_leaf >= 1,
            features_per_split=0 < self.features_per_split <= 1,
            bins=2 <= self.bins <= 255,
        )


@dataclass(frozen=True, eq=False)
class TreeEnsemble:
    """The mean output of several boosted classifiers.

    All trees of all classifiers lie in one set of arrays: scoring is one pass, pickling is cheap,
    and storing needs no pickle.

    Attributes
    ----------
    first_tree : ndarray of int64, shape (n_members + 1,)
        Trees ``first_tree[i]`` to ``first_tree[i + 1]`` belong to member i.
    baseline : ndarray of float64, shape (n_members,)
        Log-odds before the first tree.
    root : ndarray of int64, shape (n_trees,)
        Where each tree begins in the node arrays.
    feature, threshold, left, right, value : ndarray, shape (n_nodes,)
        A node sends events with ``x[feature] <= threshold`` to ``left``, others to ``right``;
        a leaf has ``left`` = -1 and adds ``value`` to the log-odds.
    """

    first_tree: NDArray[np.int64]
    baseline: NDArray[np.float64]
    root: NDArray[np.int64]
    feature: NDArray[np.int64]
    threshold: NDArray[np.float64]
    left: NDArray[np.int64]
    right: NDArray[np.int64]
    value: NDArray[np.float64]

    @classmethod
    def joined(
        cls, members: Sequence[Self], columns: Sequence[NDArray[np.int64]] | None = None
    ) -> Self:
        """Put ensembles together.

        Parameters
        ----------
        members : sequence of TreeEnsemble
            The ensembles.
        columns : sequence of ndarray of int64, optional
            For each the features it was trained on, where these are not all.
        """
        trees = np.cumsum([0, *(len(each.root) for each in members)])
        nodes = np.cumsum([0, *(len(each.value) for each in members)])
        arrays: dict[str, list[NDArray[Any]]] = {field.name: [] for field in fields(cls)}
        arrays["first_tree"].append(np.zeros(1, np.int64))
        for i, each in enumerate(members):
            inner, at = each.left >= 0, nodes[i]
            feature = each.feature
            if columns is not None:
                feature = np.where(inner, columns[i][np.where(inner, feature, 0)], -1)
            moved = {
                "first_tree": each.first_tree[1:] + trees[i],
                "root": each.root + at,
                "feature": feature,
                "left": np.where(inner, each.left + at, -1),
                "right": np.where(inner, each.right + at, -1),
            }
            for name, values in (each.arrays() | moved).items():
                arrays[name].append(values)
        return cls(**{name: np.concatenate(found) for name, found in arrays.items()})

    def score(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the mean of the members' probabilities for features (n_events, n_features)."""
        return self._probability(x).astype(np.float32)

    def log_odds(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the log-odds of the mean probability for features (n_events, n_features)."""
        return logit(self._probability(x)).astype(np.float32)

    def _probability(self, x: NDArray[np.float32]) -> NDArray[np.float64]:
        return _mean_probability(
            x,
            self.first_tree,
            self.baseline,
            self.root,
            self.feature,
            self.threshold,
            self.left,
            self.right,
            self.value,
        )

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the arrays by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Take over what :meth:`arrays` returned."""
        return cls(**{field.name: arrays[field.name] for field in fields(cls)})


def fit_trees(
    binned: Binned,
    y: NDArray[np.bool_],
    weight: NDArray[np.float64],
    validation: NDArray[np.bool_],
    *,
    seed: int,
    hyper: BoostingHyper,
) -> TreeEnsemble:
    """Fit one classifier, stopped early on validation events.

    Parameters
    ----------
    binned : Binned
        The bins of the features, whose edges the training events decide.
    y : ndarray of bool, shape (n_events,)
        Class.
    weight : ndarray of float64, shape (n_events,)
        Event weights.
    validation : ndarray of bool, shape (n_events,)
        Events that only decide when to stop.
    seed : int
        Decides the features tried at each split.
    hyper : BoostingHyper
        How the trees are boosted.

    Returns
    -------
    TreeEnsemble
        Of one member, whose trees are those of scikit-learn's ``HistGradientBoostingClassifier``.
    """
    n_features = binned.bins.shape[1]
    growth = Growth(
        learning_rate=hyper.learning_rate,
        iterations=hyper.iterations,
        patience=hyper.patience,
        leaves=hyper.leaves,
        events_per_leaf=hyper.events_per_leaf,
        features=max(1, ceil(hyper.features_per_split * n_features)),
        bins=hyper.bins + 1,
    )
    mean = np.average(y[~validation].astype(np.float64), weights=weight[~validation])
    least = 10 * np.finfo(np.float64).eps
    baseline = float(logit(np.clip(mean, least, 1 - least)))
    used = np.array([len(edges) + 1 for edges in binned.edges])
    options = {"baseline": baseline, "growth": growth, "rng": _drawing_features(seed)}
    trees = boost(binned.bins, used, y, weight, validation, **options)
    inner, threshold = trees.left >= 0, np.zeros(len(trees.value))
    for feature, edges in enumerate(binned.edges):
        of_feature = inner & (trees.feature == feature)
        threshold[of_feature] = edges[trees.cut[of_feature]]
    return TreeEnsemble(
        first_tree=np.array([0, len(trees.root)]),
        baseline=np.array([baseline]),
        root=trees.root,
        feature=trees.feature,
        threshold=threshold,
        left=trees.left,
        right=trees.right,
        value=trees.value,
    )


def _drawing_features(seed: int) -> np.random.Generator:
    """Return what draws the features of splits, seeded as in scikit-learn."""
    of_seed = np.random.RandomState(seed % 2**32)
    _, of_features = (of_seed.randint(np.iinfo(np.uint32).max, dtype="u8") for _ in range(2))
    return np.random.default_rng(of_features)


@register_classifier("trees")
class BoostedTrees(ClassifierKind):
    """Gradient-boosted trees: sensitive, and fast on any CPU."""

    bags_features: ClassVar[bool] = True
    Hyper: ClassVar[type[BoostingHyper]] = BoostingHyper

    def fit(
        self,
        x: NDArray[np.float32],
        y: NDArray[np.bool_],
        weight: NDArray[np.float64],
        inner: NDArray[np.int64],
        *,
        hyper: EnsembleHyper,
        seed: int,
    ) -> TreeEnsemble:
        """Train the trees; see :meth:`ClassifierKind.fit`."""
        n = hyper.inner_folds * hyper.members
        seeds = np.random.SeedSequence(seed).generate_state(n).tolist()
        seen = features_of_members(n, x.shape[1], hyper.feature_fraction, seed)
        columns = None if seen is None else [np.flatnonzero(each) for each in seen]
        features, fitted = OrderedFeatures.of(x), {}
        for fold in range(hyper.inner_folds):  # all members of a fold look at the same bins
            validation = inner == fold
            whole = features.binned(np.where(validation, 0.0, weight), hyper.settings.bins)
            for i in range(fold, n, hyper.inner_folds):
                some = whole if columns is None else whole.of(columns[i])
                fitted[i] = fit_trees(
                    some, y, weight, validation, seed=seeds[i], hyper=hyper.settings
                )
        fitted = [fitted[i] for i in range(n)]
        if is_watched():
            held_out = {}
            for fold in np.unique(inner).tolist():
                members = slice(fold, None, hyper.inner_folds)
                stopped = TreeEnsemble.joined(fitted[members], columns and columns[members])
                held_out[fold] = stopped.score(x[inner == fold])
            note_reliability(held_out, y, weight, inner)
        return TreeEnsemble.joined(fitted, columns)

    def restore(self, arrays: Mapping[str, NDArray[Any]], *, hyper: EnsembleHyper) -> TreeEnsemble:
        """Return the ensemble that these arrays are of."""
        del hyper  # the arrays say it all
        return TreeEnsemble.from_arrays(arrays)


@numba.njit(cache=True, nogil=True)
def _mean_probability(  # noqa: PLR0917 - numba takes plain arrays
    x, first_tree, baseline, root, feature, threshold, left, right, value
):
    n_members, out, odds = len(baseline), np.zeros(len(x)), np.empty(_BLOCK)
    leads = _leads(feature, left, right)
    for start in range(0, len(x), _BLOCK):  # a tree that lies in the cache serves many events
        some = x[start : start + _BLOCK]
        for member in range(n_members):
            odds[:] = baseline[member]
            for tree in range(first_tree[member], first_tree[member + 1]):
                _add_tree(odds, some, np.uint32(root[tree]), leads, threshold, value)
            for i in range(len(some)):
                out[start + i] += 1.0 / (1.0 + np.exp(-odds[i]))
    return out / n_members


@numba.njit(cache=True, nogil=True)
def _leads(feature, left, right):
    """Return feature, left and right of each node; a leaf leads to itself."""
    leads = np.zeros((3, len(left)), np.uint32)
    for node in range(len(left)):
        if left[node] >= 0:
            leads[0, node], leads[1, node], leads[2, node] = feature[node], left[node], right[node]
        else:
            leads[1, node] = leads[2, node] = node
    return leads


@numba.njit(cache=True, nogil=True)
def _add_tree(odds, x, root, leads, threshold, value):  # noqa: PLR0917
    """Add what a tree says of events: four go down at once, as each step waits for the one before."""
    whole = len(x) - len(x) % 4
    for i in range(0, whole, 4):
        a = b = c = d = root
        moving = True
        while moving:
            on = (
                _below(x, i, a, leads, threshold),
                _below(x, i + 1, b, leads, threshold),
                _below(x, i + 2, c, leads, threshold),
                _below(x, i + 3, d, leads, threshold),
            )
            moving = (a != on[0]) | (b != on[1]) | (c != on[2]) | (d != on[3])
            a, b, c, d = on
        odds[i] += value[a]
        odds[i + 1] += value[b]
        odds[i + 2] += value[c]
        odds[i + 3] += value[d]
    for i in range(whole, len(x)):
        a = root
        while leads[1, a] != a:
            a = _below(x, i, a, leads, threshold)
        odds[i] += value[a]


@numba.njit(cache=True, nogil=True)
def _below(x, i, node, leads, threshold):
    """Return where an event goes from a node; both ways are read, so that nothing is guessed."""
    low, high = leads[1, node], leads[2, node]
    return low if x[i, leads[0, node]] <= threshold[node] else high
