"""Ensembles of classifiers that tell two classes of events apart, whatever kind they are of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core import ConfigError, InputError, require
from ..blocks.block import Block
from ..blocks.other_weights import refuse_weights
from ..folds import fold_of
from ..hyper_checks import refuse_unusable
from .kinds import CLASSIFIERS, Classifier, ClassifierKind, Inputs, Shown

__all__ = [
    "ClassifierHyper",
    "balance_classes",
    "classifier_from_arrays",
    "fit_classifier",
    "inputs_for",
]


@dataclass(frozen=True)
class ClassifierHyper:
    """An ensemble of classifiers.

    In the configuration the settings stand under the name of the kind:
    ``classifier: {kind: trees, trees: {leaves: 8}}``.

    Attributes
    ----------
    kind : str
        Of the classifiers: ``trees`` (gradient-boosted), ``networks`` (trained as one bank), or
        any other registered one.
    inner_folds : int
        Each is the validation set of one part of the ensemble.
    members : int
        Classifiers an inner fold; all of them are averaged.
    feature_fraction : float
        Attribute bagging: the fraction of the features, drawn at random, that a member sees; 1 where
        the kind reads no columns of features one by one.
    settings : dataclass, optional
        Hyperparameters of the kind; by default the default ones.

    Raises
    ------
    ConfigError
        If a value cannot be used.

    Examples
    --------
    >>> ClassifierHyper(kind="trees", members=3).settings.events_per_leaf
    50
    """

    kind: str = "trees"
    inner_folds: int = 4
    members: int = 2
    feature_fraction: float = 1.0
    settings: Any = None

    def __post_init__(self) -> None:
        refuse_unusable(
            "classifier",
            self,
            inner_folds=self.inner_folds >= 2,
            members=self.members >= 1,
            feature_fraction=0 < self.feature_fraction <= 1,
        )
        kind = CLASSIFIERS.find(self.kind)
        if self.feature_fraction != 1 and not kind.bags_features:
            msg = (
                f"classifier: feature_fraction = {self.feature_fraction:g} is not for the kind "
                f"{self.kind!r}, which shows all that it reads to each member; leave it out"
            )
            raise ConfigError(msg)
        expected = kind.Hyper
        if self.settings is None:
            object.__setattr__(self, "settings", expected())
        elif not isinstance(self.settings, expected):
            msg = (
                f"classifier: kind {self.kind!r} has settings of the type {expected.__name__}, "
                f"not {type(self.settings).__name__}"
            )
            raise ConfigError(msg)

    @classmethod
    def kinds(cls) -> list[str]:
        """Return the names of all kinds."""
        return CLASSIFIERS.names()

    @classmethod
    def default_settings(cls, kind: str) -> Any:
        """Return the default hyperparameters of a kind.

        Raises
        ------
        ConfigError
            If there is no such kind.
        """
        return CLASSIFIERS.find(kind).Hyper()

    def make_kind(self) -> ClassifierKind:
        """Return the kind, ready to train.

        Raises
        ------
        MissingExtraError
            If a package that it requires is not installed.
        """
        kind = CLASSIFIERS.find(self.kind)()
        for package in kind.requires:
            require(package, by=f"the classifier {self.kind!r}")
        return kind


def inputs_for(
    hyper: ClassifierHyper, features: NDArray[np.float32], blocks: Mapping[str, Block[Any]]
) -> Shown:
    """Return what a kind of classifier is shown of events.

    Parameters
    ----------
    hyper : ClassifierHyper
        Names the kind.
    features : ndarray of float32, shape (n_events, n_features)
        Feature columns.
    blocks : mapping
        Constituents and images of these events, if there are any.

    Raises
    ------
    ConfigError
        If there is no such block.
    """
    needs = CLASSIFIERS.find(hyper.kind).needs
    if needs == ("features",):
        return features
    found = {name: block for name, block in blocks.items() if block.kind in needs}
    for need in needs:
        if need != "features" and not any(block.kind == need for block in found.values()):
            msg = (
                f"the classifier {hyper.kind!r} needs {need}, which the events do not have; name "
                "their column under features"
            )
            raise ConfigError(msg)
    return Inputs(features, found)


def fit_classifier(
    x: Shown,
    y: NDArray[np.bool_],
    *,
    weight: NDArray[np.float64],
    hyper: ClassifierHyper,
    seed: int,
    event: NDArray[np.uint64] | None = None,
) -> Classifier:
    """Train an ensemble to tell two classes apart, each member stopped on an inner fold.

    Parameters
    ----------
    x : ndarray of float32, shape (n_events, n_features), or Inputs
        What the kind needs (:func:`inputs_for`).
    y : ndarray of bool, shape (n_events,)
        Class.
    weight : ndarray of float64, shape (n_events,)
        Event weights, 1 on average (:func:`balance_classes`).
    hyper : ClassifierHyper
        The ensemble.
    seed : int
        All randomness comes from it.
    event : ndarray of uint64, shape (n_events,), optional
        Event ids, of which the inner folds are made; without them the folds are drawn.

    Returns
    -------
    Classifier

    Raises
    ------
    InputError
        If a feature is constant, a weight negative, or a class has no weight in an inner fold.
    """
    if event is None:
        inner = np.random.default_rng([seed, 2]).permutation(len(x)) % hyper.inner_folds
    else:
        inner = fold_of(event, hyper.inner_folds, seed=seed, salt="inner")
    kind = hyper.make_kind()
    _refuse_unusable(y, weight, inner, hyper.inner_folds)
    if "features" in kind.needs:
        _refuse_constant(x.features if isinstance(x, Inputs) else x)
    return kind.fit(x, y, weight, inner, hyper=hyper, seed=seed)


def classifier_from_arrays(
    arrays: Mapping[str, NDArray[Any]], hyper: ClassifierHyper
) -> Classifier:
    """Take over what the ``arrays`` of an ensemble with these hyperparameters returned."""
    return hyper.make_kind().restore(arrays, hyper=hyper)


def balance_classes(
    y: NDArray[np.bool_], weight: NDArray[np.float64] | None = None
) -> NDArray[np.float64]:
    """Return weights, 1 on average, under which both classes count the same.

    Parameters
    ----------
    y : ndarray of bool, shape (n_events,)
        Class.
    weight : ndarray of float64, shape (n_events,), optional
        Event weights, kept within a class; all 1 if None.

    Returns
    -------
    ndarray of float64, shape (n_events,)
    """
    balanced = np.ones(len(y)) if weight is None else weight.astype(np.float64)
    for members in (y, ~y):
        total = balanced[members].sum()
        balanced[members] *= 0.5 * len(y) / total if total else 0.0  # without weight, as it was
    return balanced


def _refuse_unusable(
    y: NDArray[np.bool_],
    weight: NDArray[np.float64],
    inner: NDArray[np.int64],
    inner_folds: int,
) -> None:
    refuse_weights(weight, "classifier")
    for name, members in (("first", y), ("second", ~y)):
        least = np.bincount(inner, weights=weight * members, minlength=inner_folds).min()
        if least == 0:
            msg = (
                f"classifier: {np.count_nonzero(members)} events of the {name} class leave one of "
                f"{inner_folds} inner folds empty; use more events"
            )
            raise InputError(msg)


def _refuse_constant(x: NDArray[np.float32]) -> None:
    constant = np.flatnonzero(np.all(x == x[0], axis=0))
    if len(constant):
        msg = f"classifier: feature {constant[0]} is always {x[0, constant[0]]:g}; leave it out"
        raise InputError(msg)
