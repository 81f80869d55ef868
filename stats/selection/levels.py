"""Which events pass which selection: the highest-scoring fraction of each fold."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

from ...core import ConfigError, InputError

__all__ = [
    "check_one_per_event",
    "checked_efficiencies",
    "events_before",
    "n_selected",
    "normal_scores",
    "rank_order",
    "selection_levels",
]


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

    Examples
    --------
    >>> selection_levels([0.1, 0.9, 0.5, 0.3], [0, 0, 0, 0], (0.5, 0.25)).tolist()
    [0, 2, 1, 0]
    """
    scores, folds = np.asarray(scores), np.asarray(folds)
    efficiencies = checked_efficiencies(efficiencies)
    inside = np.ones(scores.shape, bool) if within is None else np.asarray(within, dtype=bool)
    ids = np.arange(scores.size) if events is None else np.asarray(events)
    check_one_per_event(scores, folds=folds, within=inside, events=ids)
    bad = np.flatnonzero(inside & ~np.isfinite(scores))
    if bad.size:
        msg = f"{bad.size} scores are not finite, the first that of event {bad[0]}"
        raise InputError(msg)
    levels = np.zeros(scores.shape, dtype=np.int8)
    for fold in np.unique(folds[inside]):
        members = np.flatnonzero(inside & (folds == fold))
        ranked = members[rank_order(scores[members], ids[members])]
        for efficiency in efficiencies:
            levels[ranked[: n_selected(efficiency, members.size)]] += 1
    return levels


def check_one_per_event(scores: NDArray, **others: NDArray) -> None:
    """Refuse arrays that are not as long as the scores.

    Examples
    --------
    >>> import numpy as np
    >>> check_one_per_event(np.zeros(3), folds=np.zeros(2))
    Traceback (most recent call last):
    overdensity.core.errors.InputError: folds has shape (2,), the scores (3,): one per event
    """
    for name, values in others.items():
        if values.shape != scores.shape:
            msg = f"{name} has shape {values.shape}, the scores {scores.shape}: one per event"
            raise InputError(msg)


def rank_order(scores: NDArray, ids: NDArray) -> NDArray[np.int64]:
    """Return the events from the highest to the lowest score; of equal ones the smaller id first.

    Examples
    --------
    >>> import numpy as np
    >>> rank_order(np.array([0.5, 0.9, 0.5]), np.array([7, 8, 3])).tolist()
    [1, 2, 0]
    """
    return np.lexsort((ids, -scores))


def n_selected(efficiency: float, n: int) -> int:
    """Return how many of n events of a fold a selection keeps.

    Examples
    --------
    >>> n_selected(0.02, 1666)
    33
    """
    return int(efficiency * n + 0.5)


def events_before(
    scores: NDArray, ids: NDArray, *, new_scores: NDArray, new_ids: NDArray
) -> NDArray[np.int64]:
    """Return how many events stand before each new one in `rank_order`, had it been among them.

    Examples
    --------
    >>> scores, ids = np.array([0.5, 0.9, 0.5]), np.array([7, 8, 3])
    >>> events_before(scores, ids, new_scores=np.array([0.5, 1.0]), new_ids=np.array([5, 5])).tolist()
    [2, 0]
    """
    # the new ones first, so that an event does not stand before itself
    order = rank_order(
        np.concatenate([new_scores, scores]), np.concatenate([new_ids.astype(ids.dtype), ids])
    )
    is_new = order < new_scores.size
    before = np.empty(new_scores.size, dtype=np.int64)
    before[order[is_new]] = np.cumsum(~is_new)[is_new]
    return before


def checked_efficiencies(efficiencies: Sequence[float]) -> tuple[float, ...]:
    """Return the efficiencies without a leading 1, or say why they cannot be used.

    Examples
    --------
    >>> checked_efficiencies((1.0, 0.1, 0.01))
    (0.1, 0.01)
    """
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


def normal_scores(scores: NDArray, ids: NDArray) -> NDArray[np.float64]:
    """Return the normal quantile of each score's rank in its fold.

    The ranks are those of all events: a transformation that treats all alike, and increases, takes
    nothing from the validity of the p-values. Ties are broken at random (by id) before anything is
    fitted: within a block of equal scores a fitted location would else sort events by mass.

    Examples
    --------
    >>> import numpy as np
    >>> normal_scores(np.array([5.0, 1.0, 7.0]), np.arange(3)).round(3).tolist()
    [0.0, -0.967, 0.967]
    """
    z = np.empty(scores.size)
    z[rank_order(scores, ids)[::-1]] = ndtri((np.arange(scores.size) + 0.5) / scores.size)
    return z
