"""The logistic loss of log-odds and its derivatives, to the last digit as scikit-learn has them."""

from __future__ import annotations

import numba
import numpy as np

__all__ = ["derive", "mean_loss", "pairwise_sum"]

_FAR = -37.0  # log-odds below which the exponential is the probability, to all digits


@numba.njit(cache=True, nogil=True)
def derive(odds, y, weight, rows, gradient, hessian):  # noqa: PLR0917 - bare arrays, for numba
    """Write the derivatives of the loss by the log-odds.

    Parameters
    ----------
    odds, y, weight : ndarray of float64, shape (n_events,)
        Log-odds, class (0 or 1) and weight of events.
    rows : ndarray of int64
        Which events.
    gradient, hessian : ndarray of float32, shape (n_events,)
        Where the first and second derivatives of these events are put.

    Examples
    --------
    >>> first, second = np.empty(1, np.float32), np.empty(1, np.float32)
    >>> derive(np.zeros(1), np.ones(1), np.ones(1), np.arange(1), first, second)
    >>> first.tolist(), second.tolist()
    ([-0.5], [0.25])
    """
    for row in rows:
        if odds[row] > _FAR:
            away = np.exp(-odds[row])
            gradient[row] = weight[row] * (((1 - y[row]) - y[row] * away) / (1 + away))
            hessian[row] = weight[row] * (away / ((1 + away) * (1 + away)))
        else:
            away = np.exp(odds[row])
            gradient[row] = weight[row] * (away - y[row])
            hessian[row] = weight[row] * away


@numba.njit(cache=True, nogil=True)
def mean_loss(odds, y, weight, rows):
    """Return the mean loss of events.

    Parameters
    ----------
    odds, y, weight, rows
        As in `derive`.

    Examples
    --------
    >>> round(mean_loss(np.zeros(2), np.array([0.0, 1.0]), np.ones(2), np.arange(2)), 4)
    0.6931
    """
    terms, of_rows = np.empty(len(rows)), np.empty(len(rows))
    for i, row in enumerate(rows):
        x = odds[row]
        if x <= _FAR:
            rest = np.exp(x)
        elif x <= -2:
            rest = np.log1p(np.exp(x))
        elif x <= 18:
            rest = np.log(1.0 + np.exp(x))
        elif x <= 33.3:
            rest = x + np.exp(-x)
        else:
            rest = x
        terms[i], of_rows[i] = (rest - y[row] * x) * weight[row], weight[row]
    return pairwise_sum(terms) / pairwise_sum(of_rows)


@numba.njit(cache=True, nogil=True)
def pairwise_sum(values):
    """Sum as numpy does, in blocks of 128 and eight at a time.

    Examples
    --------
    >>> some = np.random.default_rng(1).random(1000)
    >>> bool(pairwise_sum(some) == some.sum())
    True
    """
    n = len(values)
    if n < 8:
        total = 0.0
        for each in values:
            total += each
        return total
    if n > 128:
        half = n // 2
        half -= half % 8
        return pairwise_sum(values[:half]) + pairwise_sum(values[half:])
    r = values[:8].copy()
    whole = n - n % 8
    for i in range(8, whole, 8):
        for j in range(8):
            r[j] += values[i + j]
    total = ((r[0] + r[1]) + (r[2] + r[3])) + ((r[4] + r[5]) + (r[6] + r[7]))
    for i in range(whole, n):
        total += values[i]
    return total
