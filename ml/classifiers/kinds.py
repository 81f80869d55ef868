"""What a kind of classifier is, what it is shown, and how it is made known by a name."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Protocol, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from ...core.registry import Registry
from ..blocks.block import Block

__all__ = [
    "CLASSIFIERS",
    "Classifier",
    "ClassifierKind",
    "Ensemble",
    "EnsembleHyper",
    "Inputs",
    "Read",
    "Shown",
    "register_classifier",
]

KindT = TypeVar("KindT", bound="type[ClassifierKind]")

Read = Literal["features", "constituents", "images"]
"""What a kind of classifier may read of events."""

_SEARCHED = (
    "overdensity.ml.classifiers"  # the package with our kinds; others come by the entry points
)
CLASSIFIERS: Registry[type[ClassifierKind]] = Registry(
    "classifier",
    package=_SEARCHED,
    group="overdensity.classifiers",
    decorator="register_classifier",
    unknown="no {kind} is called {name!r}; {nearest}",
)


@dataclass(frozen=True, eq=False)
class Inputs:
    """The input of a classifier that needs more than feature columns.

    Attributes
    ----------
    features : ndarray of float32, shape (n_events, n_features)
        Feature columns.
    blocks : mapping
        Constituents and images by the names of their columns.
    """

    features: NDArray[np.float32]
    blocks: Mapping[str, Block[Any]] = field(default_factory=dict)

    def __len__(self) -> int:
        """Return the number of events."""
        return len(self.features)

    def __getitem__(self, which: NDArray[Any]) -> Inputs:
        """Return some of the events, by mask or by indices."""
        blocks = {name: block.take(which) for name, block in self.blocks.items()}
        return Inputs(self.features[which], blocks)


Shown: TypeAlias = NDArray[np.float32] | Inputs


class Classifier(Protocol):
    """What a fitted ensemble can do."""

    def log_odds(self, x: Any) -> NDArray[np.float32]:
        """Return the log-odds of the mean probability, (n_events,), for what the kind needs.

        Trained with weights by which both classes count the same (:func:`balance_classes`), this is
        the logarithm of the ratio of their densities.
        """
        ...

    def score(self, x: Any) -> NDArray[np.float32]:
        """Return the mean probability of the first class, shape (n_events,)."""
        ...

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return all that was learnt; :func:`classifier_from_arrays` takes it back."""
        ...


class EnsembleHyper(Protocol):
    """What a kind is told of the ensemble that it trains."""

    @property
    def inner_folds(self) -> int:
        """Return the number of inner folds: each is the validation set of some of the members."""
        ...

    @property
    def members(self) -> int:
        """Return the number of classifiers an inner fold."""
        ...

    @property
    def feature_fraction(self) -> float:
        """Return the fraction of the features, drawn at random, that a member sees."""
        ...

    @property
    def settings(self) -> Any:
        """Return the hyperparameters of the kind, of its type ``Hyper``."""
        ...


@dataclass(frozen=True)
class Ensemble:
    """What one kind tells another that it trains: an :class:`EnsembleHyper`.

    Attributes
    ----------
    inner_folds, members : int
        Inner folds, and classifiers for each.
    feature_fraction : float
        Of the features, what a member sees.
    settings : dataclass
        Hyperparameters of the other kind.
    """

    inner_folds: int
    members: int
    feature_fraction: float
    settings: Any


class ClassifierKind(ABC):
    """A kind of classifier: how an ensemble of it is trained, and read back.

    Attributes
    ----------
    name : str
        What ``kind:`` in the configuration calls it.
    needs : tuple of str
        What it must be shown: ``features``, ``constituents``, ``images``. A kind that needs
        ``features`` alone is shown an array of shape (n_events, n_features), any other `Inputs`.
    bags_features : bool
        Whether a member sees no more than the wanted fraction of the features; else none is taken but 1.
    requires : tuple of str
        Packages that it imports and the core does not install, by their import names.
    Hyper : type
        The frozen dataclass of its hyperparameters.

    Examples
    --------
    >>> [name for name in CLASSIFIERS.names() if name != "networks"]
    ['argos', 'cnn', 'deep_ensemble', 'lorentznet', 'lstm', 'part', 'particlenet', 'pcnn', 'pfn', 'quadratic', 'trees']
    >>> CLASSIFIERS["trees"].needs, CLASSIFIERS["pfn"].needs
    (('features',), ('constituents',))
    """

    name: ClassVar[str]
    needs: ClassVar[tuple[Read, ...]] = ("features",)
    bags_features: ClassVar[bool] = False
    requires: ClassVar[tuple[str, ...]] = ()
    Hyper: ClassVar[type[Any]]

    @abstractmethod
    def fit(
        self,
        x: Any,
        y: NDArray[np.bool_],
        weight: NDArray[np.float64],
        inner: NDArray[np.int64],
        *,
        hyper: EnsembleHyper,
        seed: int,
    ) -> Classifier:
        """Train ``hyper.members`` classifiers for each inner fold, which stops them.

        Parameters
        ----------
        x : ndarray of float32 or Inputs, n_events long
            What the kind needs.
        y : ndarray of bool, shape (n_events,)
            Class.
        weight : ndarray of float64, shape (n_events,)
            Event weights, 1 on average and none negative.
        inner : ndarray of int64, shape (n_events,)
            Inner fold of each event, from 0 to ``hyper.inner_folds`` - 1.
        hyper : EnsembleHyper
            What is wanted; its ``settings`` are of the type ``Hyper``.
        seed : int
            All randomness comes from it.
        """

    @abstractmethod
    def restore(self, arrays: Mapping[str, NDArray[Any]], *, hyper: EnsembleHyper) -> Classifier:
        """Return the ensemble that these arrays are of."""


def register_classifier(name: str) -> Callable[[KindT], KindT]:
    """Make a kind of classifier known by its name; a class decorator, which sets ``name``.

    See :meth:`~overdensity.core.registry.Registry.decorated`; the entry points of other packages are
    those of the group ``overdensity.classifiers``.

    Examples
    --------
    >>> @register_classifier("pfn")
    ... class Flow(ClassifierKind):
    ...     pass
    Traceback (most recent call last):
        ...
    overdensity.core.errors.ConfigError: two classifiers are called 'pfn': ...; rename one
    """
    return CLASSIFIERS.decorated(name)
