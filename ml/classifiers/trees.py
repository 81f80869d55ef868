"""Ensembles of histogram gradient-boosted trees, as flat arrays that are fast to score."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cache
from typing import Any, ClassVar, Self

import numba
import numpy as np
from numpy.typing import NDArray
from scipy.special import logit
from sklearn.ensemble import HistGradientBoostingClassifier
from threadpoolctl import ThreadpoolController

from ..hyper_checks import refuse_unusable
from ..training.watching import is_watched
from .kinds import ClassifierKind, EnsembleHyper, register_classifier
from .members import features_of_members, note_reliability
from .quantile_bins import Binned, OrderedFeatures

__all__ = ["BoostedTrees", "BoostingHyper", "TreeEnsemble", "fit_trees"]


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
    def from_classifiers(
        cls,
        classifiers: Iterable[HistGradientBoostingClassifier],
        columns: Sequence[NDArray[np.int64]] | None = None,
    ) -> Self:
        """Take over fitted binary classifiers (trained without missing or categorical values).

        Parameters
        ----------
        classifiers : iterable of HistGradientBoostingClassifier
            The members.
        columns : sequence of ndarray of int64, optional
            For each member the features it was trained on, where these are not all.
        """
        first, baseline, root, nodes, at = [0], [], [], [], 0
        for member, classifier in enumerate(classifiers):
            for (tree,) in classifier._predictors:  # noqa: SLF001 - scikit-learn has no public way
                grown = tree.nodes
                inner = grown["is_leaf"] == 0
                feature = grown["feature_idx"].astype(np.int64)
                nodes.append(
                    (
                        feature
                        if columns is None
                        else np.where(inner, columns[member][feature], 0),
                        grown["num_threshold"].astype(np.float64),
                        np.where(inner, grown["left"].astype(np.int64) + at, -1),
                        np.where(inner, grown["right"].astype(np.int64) + at, -1),
                        grown["value"].astype(np.float64),
                    )
                )
                root.append(at)
                at += len(grown)
            first.append(len(root))
            baseline.append(float(classifier._baseline_prediction[0, 0]))  # noqa: SLF001 - as above
        arrays = [np.concatenate(column) for column in zip(*nodes, strict=True)]
        return cls(np.array(first), np.array(baseline), np.array(root, np.int64), *arrays)

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
) -> HistGradientBoostingClassifier:
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
    HistGradientBoostingClassifier
    """
    classifier = _OfBins(
        learning_rate=hyper.learning_rate,
        max_iter=hyper.iterations,
        max_leaf_nodes=hyper.leaves,
        min_samples_leaf=hyper.events_per_leaf,
        max_features=hyper.features_per_split,
        max_bins=hyper.bins,
        early_stopping=True,  # pyright: ignore[reportArgumentType] - its stub knows 'auto' alone
        n_iter_no_change=hyper.patience,
        tol=0.0,
        random_state=seed % 2**32,
    )
    classifier.edges = binned.edges
    train, bins = ~validation, binned.bins
    # At these sizes a second thread costs more than it brings; a scan fills the cores with tasks.
    with _openmp().limit(limits=1):
        classifier.fit(
            bins[train],
            y[train],
            sample_weight=weight[train],
            X_val=bins[validation],
            y_val=y[validation],
            sample_weight_val=weight[validation],
        )
    return classifier


@cache
def _openmp() -> ThreadpoolController:
    """Return the thread pools of OpenMP; to look for them costs a third of a small training."""
    return ThreadpoolController().select(user_api="openmp")


class _OfBins(HistGradientBoostingClassifier):
    """Trains on bins that were made before, and has thresholds of the features themselves.

    scikit-learn bins what it is given at each training, and computes the loss of the training events
    after each tree: half the time of a training. Neither changes a tree.
    """

    edges: Sequence[NDArray[np.float64]]

    def _bin_data(  # scikit-learn gives weights from some version on
        self,
        X: Any,  # noqa: N803
        sample_weight: Any = None,  # noqa: ARG002
        is_training_data: bool = False,  # noqa: FBT001, FBT002
    ) -> Any:
        if is_training_data:
            mapper = self._bin_mapper
            mapper.bin_thresholds_ = list(self.edges)
            mapper.n_bins_non_missing_ = np.array([len(e) + 1 for e in self.edges], np.uint32)
            mapper.missing_values_bin_idx_ = mapper.n_bins - 1
            mapper.is_categorical_ = np.zeros(len(self.edges), np.uint8)
            return np.asfortranarray(X, dtype=np.uint8)
        return np.ascontiguousarray(X, dtype=np.uint8)

    def _check_early_stopping_loss(
        self,
        raw_predictions: Any,
        y_train: Any,
        sample_weight_train: Any,
        *validation: Any,
        **more: Any,
    ) -> bool:
        one = (each[:1] for each in (raw_predictions, y_train, sample_weight_train))
        return super()._check_early_stopping_loss(*one, *validation, **more)  # pyright: ignore[reportAttributeAccessIssue]


@register_classifier("trees")
class BoostedTrees(ClassifierKind):
    """Gradient-boosted trees: sensitive, and fast on any CPU."""

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

        def held_out(fold: int) -> NDArray[np.float32]:
            members = slice(fold, None, hyper.inner_folds)
            stopped = TreeEnsemble.from_classifiers(fitted[members], columns and columns[members])
            return stopped.score(x[inner == fold])

        if is_watched():
            note_reliability([held_out(i) for i in range(hyper.inner_folds)], y, weight, inner)
        return TreeEnsemble.from_classifiers(fitted, columns)

    def restore(self, arrays: Mapping[str, NDArray[Any]], *, hyper: EnsembleHyper) -> TreeEnsemble:
        """Return the ensemble that these arrays are of."""
        del hyper  # the arrays say it all
        return TreeEnsemble.from_arrays(arrays)


@numba.njit(cache=True, nogil=True)
def _mean_probability(  # noqa: PLR0917 - numba takes plain arrays
    x, first_tree, baseline, root, feature, threshold, left, right, value
):
    n_members = len(baseline)
    out = np.empty(len(x), np.float64)
    for i in range(len(x)):
        total = 0.0
        for member in range(n_members):
            odds = baseline[member]
            for tree in range(first_tree[member], first_tree[member + 1]):
                node = root[tree]
                while left[node] >= 0:
                    go_left = x[i, feature[node]] <= threshold[node]
                    node = left[node] if go_left else right[node]
                odds += value[node]
            total += 1.0 / (1.0 + np.exp(-odds))
        out[i] = total / n_members
    return out
