"""What methods share whose score is that of one classifier on the feature columns."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from ...core import ConfigError, InputError
from ...core.windows import Window
from ..classifiers.ensemble import (
    Classifier,
    ClassifierHyper,
    classifier_from_arrays,
    fit_classifier,
)
from ..folds import fold_of
from ..inputs.jet_columns import rescale_masses, sort_jets
from ..method import Method, Need
from ..sample import Sample

__all__ = [
    "ClassifierMethod",
    "ClassifyingHyper",
    "InputHyper",
    "Task",
    "refuse_few_events",
    "simulated",
    "truth",
]


@dataclass(frozen=True)
class InputHyper:
    """What a classifier is shown of the feature columns.

    Attributes
    ----------
    rescale : bool
        Divide jet masses by the resonant mass (:func:`~overdensity.ml.inputs.jet_columns.rescale_masses`).
    sort : bool
        Order the two jets by mass (:func:`~overdensity.ml.inputs.jet_columns.sort_jets`).
    min_events : int
        The fewest events of each region in each inner fold.
    """

    rescale: bool = True
    sort: bool = True
    min_events: int = 10

    def inputs(self, data: Sample) -> NDArray[np.float32]:
        """Return the features as the classifier sees them, shape (n_events, n_features)."""
        if self.rescale:
            data = rescale_masses(data)
        if self.sort:
            data = sort_jets(data)
        return data.features


@dataclass(frozen=True)
class ClassifyingHyper(InputHyper):
    """Hyperparameters of a method that is one classifier.

    Attributes
    ----------
    classifier : ClassifierHyper
        The ensemble.
    """

    classifier: ClassifierHyper = field(default_factory=ClassifierHyper)


@dataclass(frozen=True, eq=False)
class Task:
    """Two classes of events to tell apart.

    Attributes
    ----------
    x : ndarray of float32, shape (n_events, n_features)
        Features.
    y : ndarray of bool, shape (n_events,)
        Class.
    weight : ndarray of float64, shape (n_events,)
        Event weights, 1 on average.
    event : ndarray of uint64, shape (n_events,)
        Ids, of which the inner folds are made.
    """

    x: NDArray[np.float32]
    y: NDArray[np.bool_]
    weight: NDArray[np.float64]
    event: NDArray[np.uint64]


HyperT = TypeVar("HyperT", bound=InputHyper)


class ClassifierMethod(Method[HyperT], Generic[HyperT]):
    """A classifier of feature columns; subclasses say which events it is to tell from which."""

    needs: ClassVar[tuple[Need, ...]] = ("features",)
    _classifier: Classifier

    def fit(
        self, data: Sample, window: Window, *, simulation: Sample | None = None, seed: int
    ) -> Self:
        """Learn to tell the classes apart; see :meth:`Method.fit`."""
        self._classifier = self._learn(self._task(data, window, simulation, seed), seed)
        self._names = data.names
        return self

    def score(self, data: Sample) -> NDArray[np.float32]:
        """Return the ensemble's mean probability; see :meth:`Method.score`."""
        self.refuse_unlike(data)
        return self._classifier.score(self._inputs(data))

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return all that was learnt; see :meth:`Method.arrays`."""
        return {"names": np.array(self._names)} | self._classifier.arrays()

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over what :meth:`arrays` returned."""
        self._names = tuple(map(str, arrays["names"]))
        self._classifier = classifier_from_arrays(arrays, device=self._ensemble.networks.device)

    @property
    def _ensemble(self) -> ClassifierHyper:
        """The ensemble's hyperparameters."""
        return self.hyper.classifier  # type: ignore[attr-defined]

    @abstractmethod
    def _task(self, data: Sample, window: Window, simulation: Sample | None, seed: int) -> Task: ...

    def _learn(self, task: Task, seed: int) -> Classifier:
        return fit_classifier(
            task.x, task.y, weight=task.weight, hyper=self._ensemble, seed=seed, event=task.event
        )

    def _inputs(self, data: Sample) -> NDArray[np.float32]:
        return self.hyper.inputs(data)


def refuse_few_events(
    regions: Mapping[str, NDArray[np.bool_]],
    event: NDArray[np.uint64],
    window: Window,
    *,
    min_events: int,
    inner_folds: int,
    seed: int,
) -> None:
    """Raise an InputError that names the region which has too few events to learn from.

    Parameters
    ----------
    regions : mapping of str to ndarray of bool, shape (n_events,)
        Events in each region, by its name in the message.
    event : ndarray of uint64, shape (n_events,)
        Ids of the events.
    window : Window
        The window.
    min_events, inner_folds : int
        So many are needed in each inner fold.
    seed : int
        That of the training, which makes the inner folds.
    """
    inner = fold_of(event, inner_folds, seed=seed, salt="inner")
    for region, inside in regions.items():
        fewest = np.bincount(inner[inside], minlength=inner_folds).min()
        if fewest < min_events:
            msg = (
                f"window {window}: {np.count_nonzero(inside)} events in the {region} leave "
                f"{fewest} in one of {inner_folds} inner folds, and {min_events} are needed; use "
                "more events, wider bins or a lower end of the scan"
            )
            raise InputError(msg)


def simulated(method: str, simulation: Sample | None) -> Sample:
    """Return the simulation, or say that the method of this name cannot do without.

    Raises
    ------
    ConfigError
        If there is none.
    """
    if simulation is None:
        msg = f"method {method!r} needs simulated events; give simulation files"
        raise ConfigError(msg)
    return simulation


def truth(method: str, data: Sample) -> NDArray[np.int8]:
    """Return the labels of events, or say that the method of this name cannot do without.

    Raises
    ------
    ConfigError
        If there are none.
    """
    if data.label is None:
        msg = f"method {method!r} needs the truth, and the events have no column 'label'"
        raise ConfigError(msg)
    return data.label
