"""Permutations of labels: two-sample statistics of scored events, and the p-values they give."""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

__all__ = ["linearised", "p_values", "permuted_differences"]


def linearised(
    score: NDArray[np.floating], is_data: NDArray[np.bool_], weight: NDArray[np.float64]
) -> NDArray[np.float64]:
    r"""Return numbers whose plain means differ as the mean scores of data and weighted simulation.

    They are :math:`u_i = w_i (s_i - m) / \bar w` for simulation and :math:`s_i - m` for data, with
    m the mean of both. Where all weights are equal they are the scores less a constant, and say
    nothing of the labels.

    Parameters
    ----------
    score : ndarray, shape (n_events,)
        Larger is more like data.
    is_data : ndarray of bool, shape (n_events,)
        Which events are data.
    weight : ndarray of float64, shape (n_events,)
        Weights, of any sign, whose sum over the simulation is positive; data have none.

    Returns
    -------
    ndarray of float64, shape (n_events,)

    Examples
    --------
    >>> is_data = np.array([True, False, False])
    >>> linearised(np.array([0.8, 0.2, 0.8]), is_data, np.array([1.0, 1.0, 3.0])).round(2).tolist()
    [0.1, -0.25, 0.15]
    """
    relative = np.where(is_data, 1.0, weight / weight[~is_data].mean())
    return relative * (score - np.sum(relative * score) / np.sum(relative))


def permuted_differences(
    values: NDArray[np.float64],
    is_data: NDArray[np.bool_],
    permutations: int,
    rng: np.random.Generator,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return differences of means, data less simulation, as observed and with permuted labels.

    Parameters
    ----------
    values : ndarray of float64, shape (n_events, n_columns)
        What is averaged; all columns see the same permutations.
    is_data : ndarray of bool, shape (n_events,)
        Which events are data, at least two of each kind.
    permutations : int
        How often the labels are permuted.
    rng : numpy.random.Generator
        Draws the permutations.

    Returns
    -------
    difference, variance : ndarray of float64, shape (permutations + 1, n_columns)
        The first row is the observed one; variances as of Welch's test.
    """
    n_data, n = np.count_nonzero(is_data), len(is_data)
    n_simulation = n - n_data
    fewer, sign = (is_data, 1) if n_data <= n_simulation else (~is_data, -1)
    values = np.ascontiguousarray(values)
    few, many = np.count_nonzero(fewer), n - np.count_nonzero(fewer)
    observed = np.stack([values[fewer].sum(axis=0), (values[fewer] ** 2).sum(axis=0)], axis=1)
    drawn = _sums_of_chosen(values, few, np.arange(n), permutations, rng)
    sums = np.concatenate([observed[None], drawn])
    total = np.stack([values.sum(axis=0), (values**2).sum(axis=0)], axis=1)
    mean, square = np.moveaxis(sums, 2, 0) / few
    other_mean, other_square = np.moveaxis(total - sums, 2, 0) / many
    variance = (square - mean**2) / (few - 1) + (other_square - other_mean**2) / (many - 1)
    return sign * (mean - other_mean), np.maximum(variance, 0.0)


def p_values(
    statistic: NDArray[np.float64], rng: np.random.Generator
) -> tuple[NDArray[np.float64], float]:
    r"""Return the p-value of each region, and that of the smallest of all regions.

    Every fold's statistic becomes a p-value :math:`p_k` by its rank among those of the permuted
    labels, ties decided by chance; those of a region are combined to
    :math:`\sum_k \Phi^{-1}(1 - p_k)`, the observed ones as the permuted ones. The rank of the
    observed sum is the local p-value, and that of the smallest local p-value the global one
    (P. Westfall, S. Young, *Resampling-based multiple testing*, Wiley 1993: min-p).

    Parameters
    ----------
    statistic : ndarray of float64, shape (n_regions, n_folds, permutations + 1)
        The first of the last axis is observed. The same permutation has the same place in all
        regions, so that what they have in common stays.
    rng : numpy.random.Generator
        Decides ties.

    Returns
    -------
    p_local : ndarray of float64, shape (n_regions,)
        From 1 / (permutations + 1) to 1.
    p_global : float

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> statistic = rng.normal(size=(5, 3, 1000))
    >>> statistic[2, :, 0] = 3.0
    >>> local, of_all = p_values(statistic, rng)
    >>> local[2], of_all < 0.01
    (np.float64(0.001), True)
    """
    n = statistic.shape[-1]
    total = norm.isf((_ranks(statistic, rng) - 0.5) / n).sum(axis=1)
    local = _ranks(total, rng) / n
    smallest = local.min(axis=0)
    return local[:, 0], float(np.mean(smallest <= smallest[0]))


def _ranks(values: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.int64]:
    """Return the place of each value along the last axis, 1 for the largest."""
    order = np.lexsort((rng.random(values.shape), -values), axis=-1)
    ranks = np.empty(values.shape, np.int64)
    places = np.broadcast_to(np.arange(1, values.shape[-1] + 1), values.shape)
    np.put_along_axis(ranks, order, places, axis=-1)
    return ranks


@numba.njit(cache=True, nogil=True)
def _sums_of_chosen(values, chosen, order, permutations, rng):
    """Return sums of values and squares of events drawn without replacement, many times."""
    n, n_columns = values.shape
    sums = np.zeros((permutations, n_columns, 2))
    for drawing in range(permutations):
        for i in range(chosen):
            j = i + int(rng.random() * (n - i))
            order[i], order[j] = order[j], order[i]
            for column in range(n_columns):
                value = values[order[i], column]
                sums[drawing, column, 0] += value
                sums[drawing, column, 1] += value * value
    return sums
