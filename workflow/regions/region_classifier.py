"""The classifier of one signal, whose limit stands beside that of the flows: it knows what it looks for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...ml import Folding, Sample
from ...ml.classifiers.ensemble import ClassifierHyper, balance_classes, fit_classifier
from ...ml.classifiers.kinds import Classifier
from .region_events import RegionEvents

__all__ = ["SignalClassifier", "learn_signal"]

_FEWEST = 40  # events of a signal that one fold learns from


@dataclass(frozen=True, eq=False)
class SignalClassifier:
    """Boosted trees that tell a signal from background, one ensemble a fold.

    Attributes
    ----------
    models : tuple of Classifier
        One a fold, which has not learnt from it.
    folding : Folding
        The division of all events.
    kept : ndarray of bool, shape (n_features + 1,)
        Features that are not the same in all events; the region is the last.
    """

    models: tuple[Classifier, ...]
    folding: Folding
    kept: NDArray[np.bool_]

    def of(self, sample: Sample) -> NDArray[np.float64]:
        """Return the log-odds of each event, from the model of its fold."""
        shown, folds = _shown(sample)[:, self.kept], self.folding.of(sample.event)
        odds = np.empty(len(sample))
        for fold, model in enumerate(self.models):
            odds[folds == fold] = model.log_odds(shown[folds == fold])
        return odds


def learn_signal(events: RegionEvents, name: str, folding: Folding) -> SignalClassifier | None:
    """Train the classifier of a signal in all regions together; the region is one of its features.

    Background of negative weight counts with the size of its weight in the training; templates are
    filled with the weights themselves.

    Parameters
    ----------
    events : RegionEvents
        Of the search.
    name : str
        The signal.
    folding : Folding
        The folds of the flows; all randomness comes from its seed.

    Returns
    -------
    SignalClassifier or None
        None where the signal has too few events to learn from.
    """
    signal, background = events.signals[name].sample, events.background
    both = Sample.concatenated(background, signal)
    is_signal = np.arange(len(both)) >= len(background)
    weight = np.abs(both.weights)
    shown, models = _shown(both), []
    kept = shown.min(axis=0) < shown.max(axis=0)
    for fold in range(folding.folds):
        mine = folding.training(both.event, fold)
        if min(np.sum(is_signal & mine), np.sum(~is_signal & mine)) < _FEWEST:
            return None
        models.append(
            fit_classifier(
                shown[mine][:, kept],
                is_signal[mine],
                weight=balance_classes(is_signal[mine], weight[mine]),
                hyper=ClassifierHyper(inner_folds=3, members=1),
                seed=folding.training_seed(fold),
                event=both.event[mine],
            )
        )
    return SignalClassifier(tuple(models), folding, kept)


def _shown(sample: Sample) -> NDArray[np.float32]:
    """Return the features and the region of each event."""
    return np.column_stack([sample.features, sample.groups.astype(np.float32)])
