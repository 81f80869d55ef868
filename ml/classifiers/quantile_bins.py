"""Bins of features, of equal weight each: what boosted trees look at in place of the values.

scikit-learn makes the same bins; from 1.8 on it sorts a feature again for each bin if events have
weights, which takes ten times longer than the trees.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["bin_edges", "bin_of"]


def bin_edges(
    values: NDArray[np.float32], weight: NDArray[np.float64], bins: int
) -> NDArray[np.float64]:
    """Return the edges between bins of equal weight.

    Weighted quantiles by the averaged inverse of the distribution function (Hyndman and Fan, The
    American Statistician 50 (1996) 361, definition 2), as in scikit-learn's histogram gradient boosting.

    Parameters
    ----------
    values : ndarray, shape (n_events,)
        A feature.
    weight : ndarray of float64, shape (n_events,)
        Event weights, not negative; some positive.
    bins : int
        Largest number of bins.

    Returns
    -------
    ndarray of float64, shape (at most bins - 1,)
        Increasing; bin i holds ``edges[i - 1] < value <= edges[i]``. If there are no more than
        `bins` values, the means of neighbouring ones.

    Examples
    --------
    >>> bin_edges(np.array([3.0, 1.0, 2.0, 4.0]), np.ones(4), 2)
    array([2.5])
    """
    counted = weight > 0
    values, weight = values[counted], weight[counted]
    order = np.argsort(values)
    ordered = values[order].astype(np.float64)
    distinct = ordered[np.append(True, ordered[1:] != ordered[:-1])]
    if len(distinct) <= bins:
        return (distinct[1:] + distinct[:-1]) / 2
    below = np.cumsum(weight[order])
    wanted = np.linspace(0, 100, bins + 1)[1:-1] / 100 * below[-1]
    at = np.minimum(np.searchsorted(below, wanted), len(ordered) - 1)
    on_an_event = below[at] - wanted <= np.finfo(np.float64).eps
    after = np.minimum(at + on_an_event, len(ordered) - 1)
    return np.unique((ordered[at] + ordered[after]) / 2)


def bin_of(x: NDArray[np.float32], edges: Sequence[NDArray[np.float64]]) -> NDArray[np.float32]:
    """Return the bins in which features lie.

    Parameters
    ----------
    x : ndarray of float32, shape (n_events, n_features)
        Features.
    edges : sequence of ndarray of float64
        For each feature, those of `bin_edges`.

    Returns
    -------
    ndarray of float32, shape (n_events, n_features)
        Whole numbers from zero.
    """
    bins = np.empty(x.shape, np.float32, order="F")
    for i, of_feature in enumerate(edges):
        bins[:, i] = np.searchsorted(of_feature, x[:, i])
    return bins
