"""Which events pass which selection: the highest-scoring fraction of each fold."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...core import ConfigError, InputError

__all__ = ["checked_efficiencies", "rank_order", "selection_levels"]


def selection_levels(
    scores: ArrayLike,
    folds: ArrayLike,
    efficiencies: Sequence[float],
    *,
    within: ArrayLike | None = None,
    events: ArrayLike | None = None,
) -> NDArray[np.int8]:
    """Count how many of the selections each event passes.

    Of every outer fold, the fraction ε of highest-scoring events is kept (LHCO §4.1): scores of
    different folds come from different models and are never compared. Selections are nested, so
    one number an event says it all.

    Parameters
    ----------
    scores : array_like of shape (n_events,)
        Anomaly scores of one window, larger is more anomalous.
    folds : array_like of int, shape (n_events,)
        Outer fold of each event.
    efficiencies : sequence of float
        Fractions to keep, in decreasing order, each in (0, 1). A leading 1, no selection, is not
        counted among the levels.
    within : array_like of bool, shape (n_events,), optional
        Events that count: those in the scan range. The others get level 0.
    events : array_like of uint64, shape (n_events,), optional
        Event ids, by which ties are broken, so that the selection does not depend on the order of
        the events. Without them the order decides.

    Returns
    -------
    ndarray of int8, shape (n_events,)
        0 for an event that passes none, the number of selections for one that passes the tightest.

    Raises
    ------
    InputError
        If lengths differ or a score that counts is not finite.
    ConfigError
        If the efficiencies cannot be used.
    """
    scores, folds = np.asarray(scores), np.asarray(folds)
    efficiencies = checked_efficiencies(efficiencies)
    inside = np.ones(scores.shape, bool) if within is None else np.asarray(within, dtype=bool)
    ids = np.arange(scores.size) if events is None else np.asarray(events)
    for name, values in (("folds", folds), ("within", inside), ("events", ids)):
        if values.shape != scores.shape:
            msg = f"{name} has shape {values.shape}, the scores {scores.shape}: one per event"
            raise InputError(msg)
    bad = np.flatnonzero(inside & ~np.isfinite(scores))
    if bad.size:
        msg = f"{bad.size} scores are not finite, the first that of event {bad[0]}"
        raise InputError(msg)
    levels = np.zeros(scores.shape, dtype=np.int8)
    for fold in np.unique(folds[inside]):
        members = np.flatnonzero(inside & (folds == fold))
        ranked = members[rank_order(scores[members], ids[members])]
        for efficiency in efficiencies:
            levels[ranked[: int(efficiency * members.size + 0.5)]] += 1
    return levels


def rank_order(scores: NDArray, ids: NDArray) -> NDArray[np.int64]:
    """Return the events from the highest to the lowest score; of equal ones the smaller id first."""
    return np.lexsort((ids, -scores))


def checked_efficiencies(efficiencies: Sequence[float]) -> tuple[float, ...]:
    """Return the efficiencies without a leading 1, or say why they cannot be used."""
    values = tuple(float(value) for value in efficiencies)
    steps = values[1:] if values[:1] == (1.0,) else values
    good = all(0 < value < 1 for value in steps)
    if not steps or not good or list(steps) != sorted(set(steps), reverse=True):
        msg = (
            "selections must be decreasing fractions between 0 and 1, the first may be 1, "
            f"got {list(efficiencies)}"
        )
        raise ConfigError(msg)
    return steps
