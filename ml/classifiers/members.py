"""What all kinds of classifiers share: the features of a member, and the reliability of folds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..training.calibration_of_scores import reliability
from ..training.watching import is_watched, watcher
from .ensemble import Classifier

__all__ = ["features_of_members", "note_reliability"]


def note_reliability(
    of_fold: Callable[[int], Classifier],
    x: Any,
    y: NDArray[np.bool_],
    weight: NDArray[np.float64],
    inner: NDArray[np.int64],
) -> None:
    """Record the reliability on the events of each inner fold, if trainings are watched.

    Parameters
    ----------
    of_fold : callable
        Returns the ensemble of the members which an inner fold stopped.
    x, y, weight, inner
        As in :meth:`ClassifierKind.fit`.
    """
    if not is_watched():
        return
    probability = np.empty(len(x))
    for fold in np.unique(inner):
        mine = inner == fold
        probability[mine] = of_fold(int(fold)).score(x[mine])
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
