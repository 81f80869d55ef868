"""CWoLa hunting: signal region against sidebands, with the nested scheme of the LHC Olympics."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from ..core import ConfigError, InputError
from .folds import fold_of
from .jets import rescale_masses, sort_jets
from .method import Method, Need, register
from .sample import Sample
from .trees import TreeEnsemble, fit_trees
from .windows import Window

__all__ = ["CwolaHunting", "CwolaTrees", "TreesHyper", "balanced_weights"]

SOURCE = "CWoLa hunting, LHC Olympics 2020 (arXiv:2101.08320), section 4.1; arXiv:1902.02634"


@dataclass(frozen=True)
class NestedHyper:
    """What all classifiers of the nested scheme share.

    Attributes
    ----------
    rescale : bool
        Divide jet masses by the resonant mass (:func:`~overdensity.ml.jets.rescale_masses`).
    sort : bool
        Order the two jets by mass (:func:`~overdensity.ml.jets.sort_jets`). Published: not.
    inner_folds : int
        Inner folds; each is the validation set of one part of the ensemble. Published: 4.
    min_events : int
        The fewest events of the signal region and of each sideband in each inner fold.
    """

    rescale: bool = True
    sort: bool = False
    inner_folds: int = 4
    min_events: int = 10

    def __post_init__(self) -> None:
        if self.inner_folds < 2:
            msg = f"inner_folds must be at least 2, not {self.inner_folds}"
            raise ConfigError(msg)


@dataclass(frozen=True, eq=False)
class NestedTask:
    """The events of one window, ready for the classifiers of the inner folds.

    Attributes
    ----------
    x : ndarray of float32, shape (n_events, n_features)
        Features, masses rescaled.
    y : ndarray of bool, shape (n_events,)
        Whether the event is in the signal region.
    weight : ndarray of float64, shape (n_events,)
        Weights from :func:`balanced_weights`.
    inner : ndarray of int64, shape (n_events,)
        The inner fold.
    """

    x: NDArray[np.float32]
    y: NDArray[np.bool_]
    weight: NDArray[np.float64]
    inner: NDArray[np.int64]


NestedT = TypeVar("NestedT", bound=NestedHyper)


class CwolaHunting(Method[NestedT], Generic[NestedT]):
    """The nested scheme; subclasses bring the classifier."""

    needs: ClassVar[tuple[Need, ...]] = ("features",)
    _names: tuple[str, ...] = ()

    def fit(
        self, data: Sample, window: Window, *, simulation: Sample | None = None, seed: int
    ) -> Self:
        """Learn the signal region from the sidebands; see :meth:`Method.fit`."""
        del simulation  # everything is learnt from data
        task = self._task(data, window, seed)
        self._learn(task, seed)
        self._names = data.names
        return self

    def score(self, data: Sample) -> NDArray[np.float32]:
        """Return the ensemble's output; see :meth:`Method.score`."""
        if not self._names:
            msg = f"method {self.name!r} has learnt nothing yet; call fit, or load a fitted one"
            raise InputError(msg)
        if data.names != self._names:
            msg = (
                f"method {self.name!r} was fitted on the features {', '.join(self._names)}, "
                f"and is to score {', '.join(data.names)}"
            )
            raise InputError(msg)
        return self._predict(self._inputs(data))

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return all that was learnt; see :meth:`Method.arrays`."""
        return {"names": np.array(self._names)} | self._learnt()

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over what :meth:`arrays` returned."""
        self._names = tuple(map(str, arrays["names"]))
        self._take_over(arrays)

    @abstractmethod
    def _learn(self, task: NestedTask, seed: int) -> None: ...

    @abstractmethod
    def _predict(self, x: NDArray[np.float32]) -> NDArray[np.float32]: ...

    @abstractmethod
    def _learnt(self) -> dict[str, NDArray[Any]]: ...

    @abstractmethod
    def _take_over(self, arrays: Mapping[str, NDArray[Any]]) -> None: ...

    def _inputs(self, data: Sample) -> NDArray[np.float32]:
        if self.hyper.rescale:
            data = rescale_masses(data)
        if self.hyper.sort:
            data = sort_jets(data)
        return data.features

    def _task(self, data: Sample, window: Window, seed: int) -> NestedTask:
        """Return the window's events with their classes, weights and inner folds."""
        data = data.take((data.mass >= window.sideband_low) & (data.mass < window.sideband_high))
        inner = fold_of(data.event, self.hyper.inner_folds, seed=seed, salt="inner")
        regions = {
            "signal region": window.signal(data.mass),
            "lower sideband": window.lower(data.mass),
            "upper sideband": window.upper(data.mass),
        }
        for region, inside in regions.items():
            fewest = np.bincount(inner[inside], minlength=self.hyper.inner_folds).min()
            if fewest < self.hyper.min_events:
                msg = (
                    f"window {window}: {np.count_nonzero(inside)} events in the {region} leave "
                    f"{fewest} in one of {self.hyper.inner_folds} inner folds, and "
                    f"{self.hyper.min_events} are needed; use more events, wider bins or a lower "
                    "end of the scan"
                )
                raise InputError(msg)
        data.refuse_constant_features()
        signal = regions["signal region"]
        weight = balanced_weights(data, window)
        return NestedTask(self._inputs(data), signal, weight, inner)


@dataclass(frozen=True)
class TreesHyper(NestedHyper):
    """Hyperparameters of CWoLa hunting with boosted trees.

    Attributes
    ----------
    members : int
        Classifiers an inner fold; all of them are averaged.
    learning_rate, iterations, patience, leaves, events_per_leaf, features_per_split, bins
        Boosting: step, largest number of trees, trees without improvement on the inner
        validation fold before the end, leaves a tree, fewest events a leaf, the fraction of
        features tried at each split, and the bins of a feature's histogram.
    """

    sort: bool = True
    members: int = 2
    learning_rate: float = 0.1
    iterations: int = 100
    patience: int = 5
    leaves: int = 31
    events_per_leaf: int = 50
    features_per_split: float = 0.5
    bins: int = 127

    def __post_init__(self) -> None:
        super().__post_init__()
        allowed = {
            "members": self.members >= 1,
            "learning_rate": self.learning_rate > 0,
            "iterations": self.iterations >= 1,
            "patience": self.patience >= 1,
            "leaves": self.leaves >= 2,
            "events_per_leaf": self.events_per_leaf >= 1,
            "features_per_split": 0 < self.features_per_split <= 1,
            "bins": 2 <= self.bins <= 255,
        }
        for name, good in allowed.items():
            if not good:
                msg = f"method 'cwola': {name} = {getattr(self, name)} cannot be used"
                raise ConfigError(msg)


@register
class CwolaTrees(CwolaHunting[TreesHyper]):
    """CWoLa hunting with ensembles of gradient-boosted trees: sensitive, and fast on any CPU.

    The published scheme with another classifier: where the paper keeps the best of three networks
    an inner fold, the trees of an inner fold are averaged, since the best of a few is mostly the
    luckiest.
    """

    name: ClassVar[str] = "cwola"
    source: ClassVar[str] = f"{SOURCE}; boosted trees as in arXiv:2309.13111"
    Hyper: ClassVar[type[TreesHyper]] = TreesHyper

    def _learn(self, task: NestedTask, seed: int) -> None:
        hyper = self.hyper
        seeds = np.random.SeedSequence(seed).generate_state(hyper.inner_folds * hyper.members)
        self._ensemble = TreeEnsemble.from_classifiers(
            fit_trees(
                task.x,
                task.y,
                task.weight,
                task.inner == i % hyper.inner_folds,
                seed=int(member_seed),
                learning_rate=hyper.learning_rate,
                iterations=hyper.iterations,
                patience=hyper.patience,
                leaves=hyper.leaves,
                events_per_leaf=hyper.events_per_leaf,
                features_per_split=hyper.features_per_split,
                bins=hyper.bins,
            )
            for i, member_seed in enumerate(seeds)
        )

    def _predict(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        return self._ensemble.score(x)

    def _learnt(self) -> dict[str, NDArray[Any]]:
        return self._ensemble.arrays()

    def _take_over(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        self._ensemble = TreeEnsemble.from_arrays(arrays)


def balanced_weights(data: Sample, window: Window) -> NDArray[np.float64]:
    """Return weights under which both sidebands count the same, together as the signal region.

    Event weights of the sample are kept within each region. The mean weight is 1
    (arXiv:2101.08320, section 4.1.1).

    Parameters
    ----------
    data : Sample
        Events of the window only.
    window : Window
        Its regions.

    Returns
    -------
    ndarray of float64, shape (n_events,)
    """
    weight = np.ones(len(data)) if data.weight is None else data.weight.copy()
    shares = {window.signal: 0.5, window.lower: 0.25, window.upper: 0.25}
    for region, share in shares.items():
        inside = region(data.mass)
        weight[inside] *= share * len(data) / weight[inside].sum()
    return weight
