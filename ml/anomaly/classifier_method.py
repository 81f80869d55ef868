"""Base of the methods whose score is that of one classifier on the feature columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Generic, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from ...core import InputError
from ...core.windows import Window
from ..classifiers.ensemble import (
    ClassifierHyper,
    classifier_from_arrays,
    fit_classifier,
    inputs_for,
)
from ..classifiers.kinds import Classifier, Shown
from ..folds import fold_of
from ..inputs.jet_columns import rescale_masses, sort_jets
from ..method import Method, Need
from ..sample import Sample

__all__ = [
    "FEW_TREES",
    "ClassifierMethod",
    "ClassifyingHyper",
    "InputHyper",
    "data_and_simulation",
    "refuse_few_events",
]

# An ensemble for tests: quick on a few thousand events.
FEW_TREES = {"inner_folds": 2, "members": 1, "trees": {"events_per_leaf": 20, "leaves": 8}}


@dataclass(frozen=True)
class InputHyper:
    """How the feature columns are prepared for a classifier.

    Attributes
    ----------
    rescale : bool
        Divide jet masses by the resonant mass (:func:`~overdensity.ml.inputs.jet_columns.rescale_masses`).
    sort : bool
        Order the two jets by mass (:func:`~overdensity.ml.inputs.jet_columns.sort_jets`).
    min_events : int
        The fewest events of each region for an inner fold, on average over these.
    """

    rescale: bool = True
    sort: bool = True
    min_events: int = 10

    def prepared(self, data: Sample) -> Sample:
        """Return the sample as the classifier sees it."""
        if self.rescale:
            data = rescale_masses(data)
        return sort_jets(data) if self.sort else data

    def inputs(self, data: Sample) -> NDArray[np.float32]:
        """Return the features as the classifier sees them, shape (n_events, n_features)."""
        return self.prepared(data).features


@dataclass(frozen=True)
class ClassifyingHyper(InputHyper):
    """Hyperparameters of a method that is one classifier.

    Attributes
    ----------
    classifier : ClassifierHyper
        The ensemble.
    """

    classifier: ClassifierHyper = field(default_factory=ClassifierHyper)


HyperT = TypeVar("HyperT", bound=ClassifyingHyper)


class ClassifierMethod(Method[HyperT], Generic[HyperT]):
    """A classifier of feature columns; ``fit`` of a subclass decides what it tells apart."""

    _classifier: Classifier

    def __init__(self, hyper: HyperT | None = None) -> None:
        super().__init__(hyper)
        kinds = [each.make_kind() for each in self._ensembles]
        # The classifiers decide what is needed of the events of a sample.
        shown: dict[Need, None] = {need: None for kind in kinds for need in kind.needs}
        others: list[Need] = [need for need in type(self).needs if need != "features"]
        self.needs: tuple[Need, ...] = (*shown, *others)

    def score(self, data: Sample) -> NDArray[np.float32]:
        """Return the ensemble's mean probability; see :meth:`Method.score`."""
        self.refuse_unlike(data)
        return self._classifier.score(self._inputs(data))

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return all that was learnt; see :meth:`Method.arrays`."""
        names = {"names": np.array(self._names, np.str_), "blocks": np.array(self._blocks, np.str_)}
        return names | self._classifier.arrays()

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over what :meth:`arrays` returned."""
        self._names, self._blocks = (tuple(map(str, arrays[key])) for key in ("names", "blocks"))
        self._classifier = classifier_from_arrays(arrays, self.hyper.classifier)

    @property
    def fewest_events(self) -> int:
        """So many for each inner fold of its classifiers; see :attr:`Method.fewest_events`."""
        return self.hyper.min_events * max(each.inner_folds for each in self._ensembles)

    @property
    def _ensembles(self) -> list[ClassifierHyper]:
        """The ensembles among its hyperparameters."""
        values = (getattr(self.hyper, each.name) for each in fields(self.hyper))
        return [each for each in values if isinstance(each, ClassifierHyper)]

    def inputs_of(self, data: Sample) -> Sample:
        """Return the events as the classifier sees them; see :meth:`Method.inputs_of`."""
        return self.hyper.prepared(data)

    def _tell_apart(
        self,
        data: Sample,
        y: NDArray[np.bool_],
        weight: NDArray[np.float64],
        *,
        seed: int,
        x: Shown | None = None,
    ) -> Self:
        """Train the classifier; the end of every ``fit``.

        Parameters
        ----------
        data : Sample
            The events of both classes.
        y : ndarray of bool, shape (n_events,)
            Class.
        weight : ndarray of float64, shape (n_events,)
            Event weights, 1 on average.
        seed : int
            All randomness comes from it.
        x : ndarray of float32, shape (n_events, n_features), or Inputs, optional
            What the classifier is shown; by default the features and blocks of the events.
        """
        self._classifier = fit_classifier(
            self._inputs(data) if x is None else x,
            y,
            weight=weight,
            hyper=self.hyper.classifier,
            seed=seed,
            event=data.event,
        )
        self._names, self._blocks = data.names, _read(data, self.needs)
        return self

    def _inputs(self, data: Sample, of: ClassifierHyper | None = None) -> Shown:
        """Return what the classifier, or another ensemble, is shown of events."""
        data = self.hyper.prepared(data)
        return inputs_for(of or self.hyper.classifier, data.features, data.blocks)


def _read(data: Sample, needs: Sequence[str]) -> tuple[str, ...]:
    """Return the names of the blocks that are of a kind which is needed."""
    return tuple(name for name, block in data.blocks.items() if block.kind in needs)


def data_and_simulation(
    data: Sample,
    window: Window,
    simulation: Sample,
    *,
    min_events: int,
    inner_folds: int,
    seed: int,
) -> tuple[Sample, NDArray[np.bool_]]:
    """Return the events of the signal region, measured and simulated, and which are measured.

    Parameters
    ----------
    data, simulation : Sample
        Measured and simulated events.
    window : Window
        The window.
    min_events, inner_folds : int
        So many of each are needed for an inner fold, on average.
    seed : int
        That of the training.

    Raises
    ------
    InputError
        If there are too few events of one of them, or a feature is constant.
    """
    both, real = data.take(window.signal(data.mass)).beside(
        simulation.take(window.signal(simulation.mass))
    )
    refuse_few_events(
        {"signal region": real, "signal region of the simulation": ~real},
        both.event,
        window,
        min_events=min_events,
        inner_folds=inner_folds,
        seed=seed,
    )
    both.refuse_constant_features()
    return both, real


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
        So many are needed for an inner fold, on average; none may be empty.
    seed : int
        That of the training, which makes the inner folds.
    """
    inner = fold_of(event, inner_folds, seed=seed, salt="inner")
    for region, inside in regions.items():
        n = np.count_nonzero(inside)
        fewest = np.bincount(inner[inside], minlength=inner_folds).min()
        if n < min_events * inner_folds or not fewest:
            msg = (
                f"window {window}: {n} events in the {region} leave {fewest} in one of "
                f"{inner_folds} inner folds, and {min_events} are needed on average; use more "
                "events, wider bins or a lower end of the scan"
            )
            raise InputError(msg)
