r"""The conditional quantile of a feature given the mass, smooth in ln(mass).

The quantile :math:`u = F(x \mid m)` of a feature x among background of the same mass is uniform at
every mass, whatever x has to do with it, and it keeps the order of events of one mass. F is learnt
outside the signal region and read off inside. It takes two steps, since either alone is not enough:
kinematic limits move quantiles along, which smooth quantiles follow and smooth probabilities do
not; discrete features have no quantiles that move smoothly, but probabilities that do.

1. *Moving quantiles.* In narrow bins of ln(mass), quantiles of the feature are found at fixed levels.
   Each level is a natural cubic spline in ln(mass) (weighted least squares); where two of them cross
   they are sorted (V. Chernozhukov et al., arXiv:0704.3649). This step is left out where many
   events share a value.
2. *Distribution regression.* Of the result, the probability to lie below each of many thresholds is
   a logistic function of such a spline (maximum likelihood), again sorted (V. Chernozhukov et al.,
   arXiv:0904.0951).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, ndtri

from ...core.windows import Window

__all__ = ["QuantileMap", "spread_ties"]

Array = NDArray[np.float64]

_KNOTS = 4  # of a spline; more would swing in the signal region, which has no events
_LEVELS = np.linspace(0.01, 0.99, 25)  # of the moving quantiles
_THRESHOLDS = np.arange(1, 40) / 40  # of the distribution regression
_BIN_EVENTS = 250  # in a bin of the mass, in the first step
_FINE_EVENTS = 50  # in the second, which has no need of quantiles in them
_MOST_BINS = 200
_ATOM = 0.02  # a value that more than this fraction of the events share: the feature is discrete
_ROWS = 65_536  # events that are mapped at once
_NEWTON = 25  # steps at most; convergence takes half a dozen
_HALVINGS = 10  # of a step that leads too far
_ACCURATE = 1e-6  # of the log-odds
_RIDGE = 1e-3  # events: keeps the log-odds finite where none is on one side


@dataclass(frozen=True, eq=False)
class QuantileMap:
    """What was learnt of one feature.

    Attributes
    ----------
    knots : ndarray of shape (n_knots,)
        Of the splines, in ln(mass / GeV).
    values : ndarray of shape (n_values,)
        The values of the feature in the events learnt from, in order, each once.
    moving : ndarray of shape (n_knots, n_levels)
        Coefficients of the moving quantiles; empty where that step is left out.
    ranked : ndarray of shape (n,)
        What the first step makes of the events learnt from, in order.
    thresholds : ndarray of shape (n_thresholds,)
        Ranks between 0 and 1.
    logits : ndarray of shape (n_knots, n_thresholds)
        Coefficients of the log-odds to lie below them.

    Examples
    --------
    A feature that grows with the mass, at masses that were left out when it was learnt:

    >>> window, rng = Window(3500.0, 3200.0, 3800.0, 2800.0, 4400.0), np.random.default_rng(1)
    >>> mass = rng.uniform(2800, 4400, 10_000)
    >>> x, ties, inside = mass * rng.random(10_000), rng.random(10_000), window.signal(mass)
    >>> learnt = QuantileMap.learn(x[~inside], mass[~inside], ties[~inside], window)
    >>> u = learnt.quantile(x[inside], mass[inside], ties[inside])
    >>> bool(abs(u - x[inside] / mass[inside]).max() < 0.05)
    True
    """

    knots: Array
    values: Array
    moving: Array
    ranked: Array
    thresholds: Array
    logits: Array

    @classmethod
    def learn(cls, x: Array, mass: Array, ties: Array, window: Window) -> Self:
        """Learn the map from events outside the signal region.

        Parameters
        ----------
        x, mass : ndarray of shape (n,)
            Feature and mass (GeV) of each; the mass increases or not.
        ties : ndarray of shape (n,)
            Numbers in [0, 1), drawn at random, that put events with equal values in an order.
        window : Window
            Its signal region is in no bin of the mass.
        """
        order = np.argsort(mass, kind="stable")
        x, t, ties = x[order], np.log(mass[order]), ties[order]
        gap = int(np.searchsorted(t, np.log(window.low)))
        knots = _knots(t)
        values, sizes = np.unique(x, return_counts=True)
        discrete = sizes.max() > _ATOM * len(x)
        spread = spread_ties(values, x, ties)
        moving = np.empty((0, 0))
        if not discrete:
            moving = _moving_quantiles(spread, t, knots, _bins(len(x), gap, _BIN_EVENTS))
        moved = _follow(spread, t, knots, moving)
        ranked, thresholds = np.sort(moved), _THRESHOLDS
        if discrete:  # a threshold at the end of each frequent value
            ends, many = np.cumsum(sizes)[:-1] / len(x), sizes > _ATOM * len(x)
            thresholds = np.union1d(thresholds, ends[many[:-1] | many[1:]])
        rank = _rank(moved, ranked)
        fine = _bins(len(x), gap, _FINE_EVENTS)
        return cls(
            knots, values, moving, ranked, thresholds, _log_odds(rank, t, knots, fine, thresholds)
        )

    def quantile(self, x: Array, mass: Array, ties: Array) -> Array:
        """Return the quantile of each event among background of its mass, shape (n,), in [0, 1].

        Parameters are those of `learn`.
        """
        u = np.empty(len(x))
        for start in range(0, len(x), _ROWS):
            rows = slice(start, start + _ROWS)
            t = np.clip(np.log(mass[rows]), self.knots[0], self.knots[-1])
            spread = spread_ties(self.values, x[rows], ties[rows])
            rank = _rank(_follow(spread, t, self.knots, self.moving), self.ranked)
            u[rows] = self._probability(rank, t)
        return u

    def _probability(self, rank: Array, t: Array) -> Array:
        """Return the probability to lie below a rank, linear between the thresholds."""
        below = np.sort(expit(_spline(t, self.knots) @ self.logits), axis=1)
        padded = np.hstack([np.zeros((len(t), 1)), below, np.ones((len(t), 1))])
        at = np.concatenate([[0.0], self.thresholds, [1.0]])
        cell = np.clip(np.searchsorted(at, rank, side="right") - 1, 0, len(at) - 2)
        row = np.arange(len(t))
        lower, upper = padded[row, cell], padded[row, cell + 1]
        return lower + (upper - lower) * (rank - at[cell]) / (at[cell + 1] - at[cell])

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return all that was learnt as plain arrays."""
        return dict(vars(self))

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Take over what `arrays` returned."""
        return cls(**arrays)


def _knots(t: Array) -> Array:
    """Return the knots of the splines: as many events lie between any two as between the next."""
    return np.linspace(t[0], t[-1], _KNOTS) / 2 + np.quantile(t, np.linspace(0, 1, _KNOTS)) / 2


def _spline(t: Array, knots: Array) -> Array:
    """Return the basis of natural cubic splines (Hastie et al., equations 5.4-5), (n, n_knots)."""
    z = (t - knots[0]) / (knots[-1] - knots[0])
    at = (knots - knots[0]) / (knots[-1] - knots[0])
    cubes = np.maximum(z[:, None] - at, 0.0) ** 3
    d = (cubes[:, :-1] - cubes[:, -1:]) / (at[-1] - at[:-1])
    return np.hstack([np.ones((len(t), 1)), z[:, None], d[:, :-1] - d[:, -1:]])


def _bins(n: int, gap: int, events: int) -> list[slice]:
    """Return bins of so many events in order of the mass, none of which spans the signal region."""
    size = max(events, n // _MOST_BINS)
    edges = [
        np.linspace(a, b, max((b - a) // size, 1) + 1).astype(int)
        for a, b in ((0, gap), (gap, n))
        if b > a
    ]
    return [slice(a, b) for each in edges for a, b in pairwise(each)]


def spread_ties(values: Array, x: Array, ties: Array) -> Array:
    """Return the feature, events of one value being spread over the gap to the next one."""
    following = np.append(values, values[-1])[np.searchsorted(values, x, side="right")]
    return x + ties * np.maximum(following - x, 0.0)


def _rank(moved: Array, ranked: Array) -> Array:
    """Return the rank of events among those learnt from, between 0 and 1."""
    n = len(ranked)
    return np.interp(moved, ranked, np.arange(1, n + 1) / (n + 1))


def _moving_quantiles(x: Array, t: Array, knots: Array, bins: list[slice]) -> Array:
    """Return the coefficients of the quantiles as splines, from events in order of the mass."""
    quantiles = np.array([np.quantile(x[each], _LEVELS) for each in bins])
    middle = np.array([t[each].mean() for each in bins])
    size = np.array([each.stop - each.start for each in bins])
    weight = np.sqrt(size) / np.maximum(quantiles[:, -1] - quantiles[:, 0], 1e-9)
    design = _spline(middle, knots) * weight[:, None]
    return np.asarray(np.linalg.lstsq(design, quantiles * weight[:, None], rcond=None)[0], float)


def _follow(x: Array, t: Array, knots: Array, moving: Array) -> Array:
    """Return where events lie among the moving quantiles, as normal quantiles.

    Beyond the outermost of them it goes on in units of their distance.
    """
    if not moving.size:
        return x
    levels, followed = ndtri(_LEVELS), np.empty_like(x)
    for start in range(0, len(x), _ROWS):
        rows = slice(start, start + _ROWS)
        q = np.sort(_spline(t[rows], knots) @ moving, axis=1)
        own, row = x[rows], np.arange(len(q))
        cell = np.clip((q <= own[:, None]).sum(axis=1) - 1, 0, len(levels) - 2)
        lower, upper = q[row, cell], q[row, cell + 1]
        within = np.clip((own - lower) / np.maximum(upper - lower, 1e-12), 0, 1)
        beyond = own - np.clip(own, q[:, 0], q[:, -1])
        scale = np.maximum(q[:, -1] - q[:, 0], 1e-12) / (levels[-1] - levels[0])
        followed[rows] = levels[cell] + within * (levels[cell + 1] - levels[cell]) + beyond / scale
    return followed


def _log_odds(rank: Array, t: Array, knots: Array, bins: list[slice], thresholds: Array) -> Array:
    """Return coefficients of the log-odds to lie below each threshold, by Newton's method."""
    size = np.array([each.stop - each.start for each in bins], dtype=float)[:, None]
    design = _spline(np.array([t[each].mean() for each in bins]), knots)
    below = np.array([np.searchsorted(np.sort(rank[each]), thresholds) for each in bins], float)
    share = (below.sum(axis=0) + 0.5) / (size.sum() + 1)
    beta = np.zeros((len(knots), len(thresholds)))
    beta[0] = np.log(share / (1 - share))
    ridge = _RIDGE * np.eye(len(knots))
    loss = _loss(beta, design, below, size)
    for _ in range(_NEWTON):
        p = expit(design @ beta)
        slope = design.T @ (below - size * p) - _RIDGE * beta
        bend = np.einsum("ki,kl,kj->lij", design, size * p * (1 - p), design) + ridge
        step = np.linalg.solve(bend, slope.T[:, :, None])[:, :, 0].T
        for _ in range(_HALVINGS):
            worse = _loss(beta + step, design, below, size) > loss + 1e-9 * np.abs(loss)
            if not worse.any():
                break
            step = np.where(worse, step / 2, step)
        beta += step
        loss = _loss(beta, design, below, size)
        if np.abs(design @ step).max() < _ACCURATE:
            break
    return beta


def _loss(beta: Array, design: Array, below: Array, size: Array) -> Array:
    """Return minus the logarithm of the likelihood of each threshold, shape (n_thresholds,)."""
    odds = design @ beta
    likelihood = (below * odds - size * np.logaddexp(0.0, odds)).sum(axis=0)
    return _RIDGE / 2 * (beta**2).sum(axis=0) - likelihood
