"""Reliability of a classifier: predicted probabilities against observed fractions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...core import Record

__all__ = ["Reliability", "reliability"]

# Tenths of the events; the last tenth is divided once more, since selections are made there.
_QUANTILES = (*np.arange(0.1, 0.91, 0.1).tolist(), 0.99)


@dataclass(frozen=True)
class Reliability(Record):
    """The reliability diagram of a classifier: predicted against observed fractions.

    Attributes
    ----------
    predicted : tuple of float
        Weighted mean probability of the first class, of the events in a bin of it.
    observed : tuple of float
        Their weighted fraction in the first class.
    error : tuple of float
        Statistical error of that.

    Examples
    --------
    >>> diagram = Reliability(predicted=(0.2, 0.8), observed=(0.25, 0.5), error=(0.05, 0.05))
    >>> p, f, e = map(np.asarray, (diagram.predicted, diagram.observed, diagram.error))
    >>> (abs(p - f) < 2 * e).tolist()
    [True, False]
    """

    predicted: tuple[float, ...]
    observed: tuple[float, ...]
    error: tuple[float, ...]


def reliability(
    probability: NDArray[np.floating], y: NDArray[np.bool_], weight: NDArray[np.float64]
) -> Reliability:
    """Compare probabilities with classes, in tenths of the events and their highest hundredth.

    Parameters
    ----------
    probability : ndarray, shape (n_events,)
        Of the first class, by models that were not trained on the event.
    y : ndarray of bool, shape (n_events,)
        Whether the event is of the first class.
    weight : ndarray of float64, shape (n_events,)
        Event weights, not negative.

    Returns
    -------
    Reliability
        Bins without weight are left out.

    Examples
    --------
    >>> p = np.repeat([0.2, 0.6], 500)
    >>> of = reliability(p, np.arange(1000) % 5 < np.repeat([1, 3], 500), np.ones(1000))
    >>> np.round(of.predicted, 3), np.round(of.observed, 3)
    (array([0.2, 0.6]), array([0.2, 0.6]))
    """
    edges = np.unique(np.quantile(probability, _QUANTILES))
    bins = np.searchsorted(edges, probability, side="right")

    def total(values: NDArray[np.floating]) -> NDArray[np.float64]:
        return np.bincount(bins, weights=values, minlength=len(edges) + 1).astype(np.float64)

    n = total(weight)
    filled = n > 0
    n = n[filled]
    found = total(weight * y)[filled] / n
    squares, of_first = total(weight**2)[filled], total(weight**2 * y)[filled]
    variance = (of_first * (1 - found) ** 2 + (squares - of_first) * found**2) / n**2
    return Reliability(
        tuple((total(weight * probability)[filled] / n).tolist()),
        tuple(found.tolist()),
        tuple(np.sqrt(variance).tolist()),
    )
