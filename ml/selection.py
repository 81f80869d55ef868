"""Selections: the most anomalous events, a fixed fraction of every fold."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..core import ConfigError

__all__ = ["select"]


def select(
    scores: NDArray[np.float32],
    fold: NDArray[np.int64],
    efficiency: float,
    *,
    inside: NDArray[np.bool_] | None = None,
) -> NDArray[np.bool_]:
    """Return which events a selection keeps: that fraction of the highest scores of each fold.

    The thresholds belong to the folds since each fold has a model of its own
    (arXiv:2101.08320, section 4.1.1).

    Parameters
    ----------
    scores : ndarray of float32, shape (n_events,)
        From :func:`overdensity.ml.cross_fit`.
    fold : ndarray of int64, shape (n_events,)
        Outer fold of each event.
    efficiency : float
        The fraction to keep, in (0, 1]; rounded to whole events, at least one a fold.
    inside : ndarray of bool, shape (n_events,), optional
        Events that count, such as those in the range of the scan; others are never kept.

    Returns
    -------
    ndarray of bool, shape (n_events,)

    Raises
    ------
    ConfigError
        If the efficiency is not in (0, 1].
    """
    if not 0 < efficiency <= 1:
        msg = f"a selection keeps a fraction in (0, 1], not {efficiency}"
        raise ConfigError(msg)
    kept = np.zeros(len(scores), bool)
    for k in np.unique(fold):
        rows = np.flatnonzero(fold == k if inside is None else (fold == k) & inside)
        if len(rows) == 0:
            continue
        n = max(1, round(efficiency * len(rows)))
        kept[rows[np.argsort(-scores[rows], kind="stable")[:n]]] = True
    return kept
