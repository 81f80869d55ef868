"""Features made standard normal one by one, discrete ones too, with the density of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy import special

__all__ = ["Marginal", "Marginals", "effective_number"]

Array = NDArray[np.float64]

_MOST_CELLS, _EVENTS_PER_CELL = 64, 25  # effective events, so that few give a smooth density
_TAIL, _EVENTS_IN_TAIL = 0.005, 10  # the larger one, on each side, in an exponential tail
_MOST_VALUES = 50  # that a column of whole numbers may have to get a cell for each
_SPIKE = 0.02  # share of events with one and the same value, from which on it is no accident
_SPIKE_WIDTH = 1e-3  # of the range of the others
_LEAST_WIDTH = 1e-9


@dataclass(frozen=True, eq=False)
class Marginal:
    """The distribution of one feature: cells of constant density between two exponential tails.

    With the distribution F and the normal one Φ, z = Φ⁻¹(F(x)) is standard normal. A feature of
    whole numbers is spread over ±1/2 first (dequantised), so that the density of a cell is the
    probability of a number; a value that many events share, such as the zero of a mass where there
    is no pair, is spread over a narrow cell of its own, and counts as if it were spread over the
    interquartile range of the others: a density and a probability cannot be compared otherwise.

    Attributes
    ----------
    knots : ndarray of float64, shape (n + 1,)
        Edges of the cells.
    mass : ndarray of float64, shape (n + 2,)
        Probability of the lower tail, of each cell, and of the upper tail; all above zero.
    volume : ndarray of float64, shape (n,)
        What the probability of a cell is divided by to give the density.
    decay : ndarray of float64, shape (2,)
        Mean distance from the outer knots in the tails.
    values, widths : ndarray of float64
        Values that are spread, and over which width; of whole numbers all are, and both are empty.
    whole : ndarray of bool, shape (1,)
        Whether the feature is of whole numbers.
    """

    knots: Array
    mass: Array
    volume: Array
    decay: Array
    values: Array
    widths: Array
    whole: NDArray[np.bool_]

    @classmethod
    def fit(cls, x: Array, weight: Array) -> Self:
        """Learn the distribution of values that are not all the same, with weights of at least 0."""
        whole = bool(np.all(x == np.round(x)))
        values, index = np.unique(x, return_inverse=True)
        share = np.bincount(index, weight) / weight.sum()
        spikes = np.zeros(0) if whole else values[share > _SPIKE]
        rest = ~np.isin(x, spikes)
        low, high = _range(x[rest] if rest.any() else x)
        widths = np.full(len(spikes), max(_SPIKE_WIDTH * (high - low), _LEAST_WIDTH))
        scale = _quartiles(x[rest], weight[rest]) if rest.any() else 1.0
        around = np.concatenate([spikes - widths / 2, spikes + widths / 2])
        if whole and len(values) <= _MOST_VALUES:
            knots = np.concatenate([values - 0.5, values + 0.5])
        elif whole:  # between numbers, so that each is spread within one cell
            known = np.round(_quantile_knots(x, weight))
            knots = np.concatenate([known - 0.5, known[-1:] + 0.5])
        else:
            knots = np.concatenate([_quantile_knots(x[rest], weight[rest]), around])
        knots = np.unique(knots)
        mass = np.bincount(np.searchsorted(knots, x, side="right"), weight, len(knots) + 1)
        mass = mass + 0.5 * weight.sum() / effective_number(weight)  # no cell is impossible
        volume = np.diff(knots)
        volume[np.isin(knots[:-1], spikes - widths / 2)] = scale
        decay = [
            _mean_excess(knots[0] - x, weight, 1.0 if whole else scale),
            _mean_excess(x - knots[-1], weight, 1.0 if whole else scale),
        ]
        return cls(
            knots, mass / mass.sum(), volume, np.array(decay), spikes, widths, np.array([whole])
        )

    @property
    def is_spread(self) -> bool:
        """Whether some values are spread by random numbers."""
        return bool(self.whole[0]) or len(self.values) > 0

    def spread(self, x: Array, u: Array) -> Array:
        """Return the values with those that are discrete spread by u, from 0 to 1."""
        if self.whole[0]:
            return x + u - 0.5
        out = x.astype(np.float64)
        for value, width in zip(self.values, self.widths, strict=True):
            out = np.where(x == value, value + (u - 0.5) * width, out)
        return out

    def forward(self, y: Array) -> tuple[Array, Array]:
        """Return z, and the logarithm of the density, of values that are spread already."""
        cell = np.searchsorted(self.knots, y, side="right") - 1
        inner = cell.clip(0, len(self.volume) - 1)
        share = (y - self.knots[inner]) / np.diff(self.knots)[inner]
        of_cell, below = self.mass[1:-1][inner], np.cumsum(self.mass)[inner]
        lower = below + share * of_cell
        distance = np.maximum(self.knots[0] - y, y - self.knots[-1]).clip(0)
        tail = np.where(y < self.knots[0], 0, -1)
        log_tail = np.log(self.mass[tail]) - distance / self.decay[tail]
        outside = distance > 0
        log_lower = np.where(outside, log_tail, np.log(np.minimum(lower, 1 - lower).clip(1e-300)))
        negative = np.where(outside, tail == 0, lower < 0.5)
        z = np.where(negative, 1, -1) * special.ndtri_exp(log_lower)
        log_density = np.where(
            outside,
            log_tail - np.log(self.decay[tail]),
            np.log(of_cell) - np.log(self.volume[inner]),
        )
        return z, log_density

    def inverse(self, z: Array) -> Array:
        """Return values of given z; discrete ones are made discrete again."""
        below = np.cumsum(self.mass)[:-1]
        lower, log_lower, log_upper = special.ndtr(z), special.log_ndtr(z), special.log_ndtr(-z)
        cell = (np.searchsorted(below, lower, side="right") - 1).clip(0, len(self.volume) - 1)
        share = ((lower - below[cell]) / self.mass[1:-1][cell]).clip(0, 1)
        y = self.knots[cell] + share * np.diff(self.knots)[cell]
        under = self.knots[0] + self.decay[0] * (log_lower - np.log(self.mass[0]))
        over = self.knots[-1] - self.decay[1] * (log_upper - np.log(self.mass[-1]))
        y = np.where(lower < self.mass[0], under, y)
        y = np.where(log_upper < np.log(self.mass[-1]), over, y)
        if self.whole[0]:
            return np.round(y)
        for value, width in zip(self.values, self.widths, strict=True):
            y = np.where(np.abs(y - value) <= width / 2, value, y)
        return y

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return all that was learnt as plain arrays."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


@dataclass(frozen=True, eq=False)
class Marginals:
    """The distributions of all features, each for itself.

    Attributes
    ----------
    of : tuple of Marginal
        One a feature.
    """

    of: tuple[Marginal, ...]

    @classmethod
    def fit(cls, x: NDArray[Any], weight: Array) -> Self:
        """Learn them from events of shape (n_events, n_features), none of them constant."""
        return cls(tuple(Marginal.fit(np.asarray(each, np.float64), weight) for each in x.T))

    @property
    def is_spread(self) -> bool:
        """Whether random numbers are needed."""
        return any(each.is_spread for each in self.of)

    def forward(self, x: NDArray[Any], u: Array) -> tuple[Array, Array]:
        """Return z, shape (n_events, n_features), and the log-densities, of the same shape.

        Parameters
        ----------
        x : ndarray, shape (n_events, n_features)
            Features.
        u : ndarray
            Numbers from 0 to 1 that spread what is discrete; of the shape of x, or one a feature.
        """
        u = np.broadcast_to(u, x.shape)
        found = [
            each.forward(each.spread(np.asarray(x[:, i], np.float64), u[:, i]))
            for i, each in enumerate(self.of)
        ]
        z, log_density = (np.column_stack(each) for each in zip(*found, strict=True))
        return z, log_density

    def inverse(self, z: NDArray[Any]) -> Array:
        """Return the features of given z, both of shape (n_events, n_features)."""
        return np.column_stack(
            [each.inverse(np.asarray(z[:, i], np.float64)) for i, each in enumerate(self.of)]
        )

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return all that was learnt as plain arrays."""
        found: dict[str, NDArray[Any]] = {"features": np.array(len(self.of))}
        for i, each in enumerate(self.of):
            found |= {f"{i}.{name}": array for name, array in each.arrays().items()}
        return found

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Take over what :meth:`arrays` returned."""
        names = [field.name for field in fields(Marginal)]
        return cls(
            tuple(
                Marginal(**{name: arrays[f"{i}.{name}"] for name in names})
                for i in range(int(arrays["features"]))
            )
        )


def effective_number(weight: Array) -> float:
    """Return how many events of equal weights have the same relative error: (Σw)² / Σw².

    Examples
    --------
    >>> effective_number(np.array([1.0, 1.0, 2.0, 0.0])).round(2)
    np.float64(2.67)
    """
    weight = weight / np.abs(weight).max(initial=1e-300)  # squares of large ones are infinite
    return weight.sum() ** 2 / np.square(weight).sum()


def _range(x: Array) -> tuple[float, float]:
    return float(x.min()), float(x.max())


def _quantile_knots(x: Array, weight: Array) -> Array:
    """Return edges with the same weight between them, without the tails."""
    if not len(x) or x.min() == x.max():
        return np.zeros(0)
    n = max(effective_number(weight), 1.0)
    tail = min(max(_TAIL, _EVENTS_IN_TAIL / n), 0.2)
    cells = int(np.clip(n / _EVENTS_PER_CELL, 2, _MOST_CELLS))
    return _quantiles(x, weight, np.linspace(tail, 1 - tail, cells + 1))


def _quartiles(x: Array, weight: Array) -> float:
    low, high = _quantiles(x, weight, np.array([0.25, 0.75]))
    return max(float(high - low), _LEAST_WIDTH)


def _quantiles(x: Array, weight: Array, levels: Array) -> Array:
    order = np.argsort(x, kind="stable")
    below = np.cumsum(weight[order]) - weight[order] / 2
    return np.interp(levels * weight.sum(), below, x[order])


def _mean_excess(distance: Array, weight: Array, otherwise: float) -> float:
    """Return the weighted mean of positive distances, or another scale where there are none."""
    beyond = np.where(distance > 0, weight, 0.0)
    if beyond.sum() <= 0:
        return otherwise
    return max(float((beyond * distance).sum() / beyond.sum()), _LEAST_WIDTH * otherwise)
