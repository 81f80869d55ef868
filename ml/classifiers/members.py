"""What all kinds of classifiers share: the features of a member, and the reliability of folds."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ..training.calibration_of_scores import reliability
from ..training.watching import is_watched, watcher

__all__ = ["features_of_members", "note_reliability"]


def note_reliability(
    held_out: Callable[[int], NDArray[np.float32]],
    y: NDArray[np.bool_],
    weight: NDArray[np.float64],
    inner: NDArray[np.int64],
) -> None:
    """Add the reliability diagram of held-out events to the record of trainings, if there is one.

    Parameters
    ----------
    held_out : callable
        Returns the probabilities of the events of an inner fold, by the members that it stopped.
    y, weight, inner
        As in :meth:`ClassifierKind.fit`.
    """
    if not is_watched():
        return
    probability = np.empty(len(inner))
    for fold in np.unique(inner).tolist():
        probability[inner == fold] = held_out(fold)
    watcher().reliability.append(reliability(probability, y, weight))


def features_of_members(
    members: int, features: int, fraction: float, seed: int
) -> NDArray[np.bool_] | None:
    """Return which features a member sees, (members, features); None where these are all."""
    kept = max(1, round(fraction * features))
    if kept == features:
        return None
    rng = np.random.default_rng([seed, 3])
    return np.stack([rng.permutation(features) < kept for _ in range(members)])
