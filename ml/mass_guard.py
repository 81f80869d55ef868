"""How well the mass can be computed from what a method sees: what a classifier would learn first."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

__all__ = ["rank_correlation", "regressed_share"]

_FOLDS = 5
_RIDGE = 1.0
_FARTHEST = 5.0  # standard deviations, so that no single jet decides a fit


def rank_correlation(mass: NDArray[np.float64], column: NDArray[np.float32]) -> float:
    """Return Chatterjee's rank correlation of a column with the mass.

    It is 0 where the column is independent of the mass and tends to 1 where it is any function of
    it, rising or not (arXiv:1909.10140, equation 1).

    Parameters
    ----------
    mass, column : ndarray, shape (n_events,)
        In any order.

    Returns
    -------
    float
        0 for a constant column.
    """
    n = len(mass)
    ordered = column[np.argsort(mass, kind="stable")]
    up, down = rankdata(ordered, "max"), rankdata(-ordered, "max")
    spread = 2 * np.sum(down * (n - down))
    return 0.0 if spread == 0 else float(1 - n * np.abs(np.diff(up)).sum() / spread)


def regressed_share(mass: NDArray[np.float64], inputs: NDArray[np.float64]) -> float:
    """Return which share of the variance of ln(mass) a regression explains, out of fold.

    A ridge regression on the inputs, their squares and products: masses are products of momenta
    and angles, so their logarithms are sums of those of the inputs.

    Parameters
    ----------
    mass : ndarray of float64, shape (n_events,)
        Above zero, GeV.
    inputs : ndarray of float64, shape (n_events, n_inputs)
        Logarithms where that makes sense.

    Returns
    -------
    float
        The coefficient of determination R²: 1 for a mass that is known, 0 or a little less for one
        that is not.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> pt = rng.uniform(1000, 2000, (2000, 2))
    >>> round(regressed_share(2 * np.sqrt(pt[:, 0] * pt[:, 1]), np.log(pt)), 3)
    1.0
    >>> regressed_share(2 * np.sqrt(pt[:, 0] * pt[:, 1]), rng.normal(size=(2000, 2))) < 0.01
    True
    """
    spread = inputs.std(axis=0)
    x = (inputs - inputs.mean(axis=0))[:, spread > 0] / spread[spread > 0]
    x = x.clip(-_FARTHEST, _FARTHEST)
    first, second = np.triu_indices(x.shape[1])
    terms = np.hstack([np.ones((len(x), 1)), x, x[:, first] * x[:, second]])
    target = np.log(mass)
    target = target - target.mean()
    fold = np.random.default_rng(0).permutation(len(x)) % _FOLDS
    predicted = np.empty(len(x))
    for each in range(_FOLDS):
        known = fold != each
        normal = terms[known].T @ terms[known] + _RIDGE * np.eye(terms.shape[1])
        weights = np.linalg.solve(normal, terms[known].T @ target[known])
        predicted[~known] = terms[~known] @ weights
    return float(1 - np.mean((target - predicted) ** 2) / np.mean(target**2))
