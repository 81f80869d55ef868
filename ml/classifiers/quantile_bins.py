"""Bins of features, of equal weight each: what boosted trees look at in place of the values.

The bins are those of scikit-learn; features are sorted once, whatever the weights of events.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

__all__ = ["Binned", "OrderedFeatures"]


@dataclass(frozen=True, eq=False)
class Binned:
    """Features as the bins in which they lie.

    Attributes
    ----------
    edges : tuple of ndarray of float64, each of shape (at most bins - 1,)
        For each feature, between bins of equal weight, increasing; the means of neighbouring values
        if there are no more of these than bins.
    bins : ndarray of uint8, shape (n_events, n_features)
        Bin i of a feature holds ``edges[i - 1] < value <= edges[i]``.
    """

    edges: tuple[NDArray[np.float64], ...]
    bins: NDArray[np.uint8]

    def of(self, features: NDArray[np.int64]) -> Binned:
        """Return the bins of some of the features."""
        return Binned(tuple(self.edges[i] for i in features), self.bins[:, features])


@dataclass(frozen=True, eq=False)
class OrderedFeatures:
    """Features that are sorted once, however often bins are made of some of the events.

    Attributes
    ----------
    order : ndarray of int64, shape (n_features, n_events)
        Events from the smallest to the largest value of a feature.
    values : ndarray of float64, shape (n_features, n_events)
        The values in this order.

    Examples
    --------
    >>> features = OrderedFeatures.of(np.array([[3.0], [1.0], [2.0], [4.0]], np.float32))
    >>> features.binned(np.ones(4), 2).bins.ravel().tolist()
    [1, 0, 0, 1]
    """

    order: NDArray[np.int64]
    values: NDArray[np.float64]

    @classmethod
    def of(cls, x: NDArray[np.float32]) -> Self:
        """Sort features, shape (n_events, n_features)."""
        order = np.argsort(x.T, axis=1)
        return cls(order, np.take_along_axis(x.T, order, axis=1).astype(np.float64))

    def binned(self, weight: NDArray[np.float64], bins: int) -> Binned:
        """Return the bins of all events, of equal weight each.

        Weighted quantiles by the averaged inverse of the distribution function (Hyndman and Fan,
        The American Statistician 50 (1996) 361, definition 2), as in scikit-learn.

        Parameters
        ----------
        weight : ndarray of float64, shape (n_events,)
            Event weights, some positive; an event of weight 0 has no say in the edges.
        bins : int
            Largest number of bins, at most 256.
        """
        n_features, n_events = self.order.shape
        edges, found = [], np.empty((n_events, n_features), np.uint8)
        for i, (order, values) in enumerate(zip(self.order, self.values, strict=True)):
            ordered = weight[order]
            counted = ordered > 0
            of_feature = _edges(values[counted], ordered[counted], bins)
            last = np.searchsorted(values, of_feature, side="right")
            sizes = np.diff(last, prepend=0, append=n_events)
            found[order, i] = np.repeat(np.arange(len(sizes), dtype=np.uint8), sizes)
            edges.append(of_feature)
        return Binned(tuple(edges), found)


def _edges(
    ordered: NDArray[np.float64], weight: NDArray[np.float64], bins: int
) -> NDArray[np.float64]:
    """Return the edges between bins of equal weight, of values in rising order."""
    distinct = ordered[np.append(True, ordered[1:] != ordered[:-1])]
    if len(distinct) <= bins:
        return (distinct[1:] + distinct[:-1]) / 2
    below = np.cumsum(weight)
    wanted = np.linspace(0, 100, bins + 1)[1:-1] / 100 * below[-1]
    at = np.minimum(np.searchsorted(below, wanted), len(ordered) - 1)
    on_an_event = below[at] - wanted <= np.finfo(np.float64).eps
    after = np.minimum(at + on_an_event, len(ordered) - 1)
    return np.unique((ordered[at] + ordered[after]) / 2)
