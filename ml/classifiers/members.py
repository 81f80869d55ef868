"""What all kinds of classifiers share: the features of a member, and the reliability of folds."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ..training.calibration_of_scores import reliability
from ..training.watching import watcher

__all__ = ["features_of_members", "note_reliability"]


def note_reliability(
    held_out: Mapping[int, NDArray[np.float32]],
    y: NDArray[np.bool_],
    weight: NDArray[np.float64],
    inner: NDArray[np.int64],
) -> None:
    """Add the reliability diagram of held-out events to the record of trainings.

    Scoring them costs time: ask `training.watching.is_watched` first.

    Parameters
    ----------
    held_out : mapping of int to ndarray of float32
        For each inner fold the probabilities of its events, by the members that it stopped.
    y, weight, inner
        As in :meth:`ClassifierKind.fit`.
    """
    probability = np.empty(len(inner))
    for fold, of_fold in held_out.items():
        probability[inner == fold] = of_fold
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
