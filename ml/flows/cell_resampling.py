"""Weights below zero made positive among near events, without a change of the local sums."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from ...core import InputError

__all__ = ["resample_cells"]

_NEIGHBOURS = 32  # looked up at first; more where these are not enough


def resample_cells(z: NDArray[np.floating], weight: NDArray[np.float64]) -> NDArray[np.float64]:
    r"""Return weights of at least zero with the same sums in small cells of the features.

    Cell resampling (J. Andersen and A. Maier, arXiv:2109.07851): beginning with the most negative
    weight, a cell grows around the event by one nearest neighbor after the other until its weights
    sum to zero or more, and all weights in it become
    :math:`|w| \sum w / \sum |w|`. What a generator of higher order says of a region is kept on the
    scale of the cells, and a density can be learnt from the weights.

    Parameters
    ----------
    z : ndarray, shape (n_events, n_features)
        Features of comparable scales; distances are Euclidean.
    weight : ndarray of float64, shape (n_events,)
        Event weights of a positive sum.

    Returns
    -------
    ndarray of float64, shape (n_events,)

    Raises
    ------
    InputError
        If the weights do not sum to more than zero.

    Examples
    --------
    >>> resample_cells(np.array([[0.0], [0.1], [5.0]]), np.array([-1.0, 3.0, 1.0])).tolist()
    [0.5, 1.5, 1.0]
    """
    total = float(weight.sum())
    if not total > 0:
        msg = f"the weights of {len(weight)} simulated events sum to {total:g}; a density needs more than 0"
        raise InputError(msg)
    weight = np.array(weight, np.float64)
    seeds = np.flatnonzero(weight < 0)
    if not len(seeds):
        return weight
    tree = KDTree(z)
    for seed in seeds[np.argsort(weight[seeds], kind="stable")]:
        if weight[seed] < 0:  # no cell before has had it
            cell = _cell(tree, z, seed, weight)
            inside = weight[cell]
            weight[cell] = np.abs(inside) * max(inside.sum(), 0.0) / np.abs(inside).sum()
    return weight


def _cell(
    tree: KDTree, z: NDArray[np.floating], seed: np.intp, weight: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Return an event and the nearest others, the fewest whose weights sum to zero or more."""
    k = min(_NEIGHBOURS, len(weight))
    while True:
        near = np.atleast_1d(tree.query(z[seed], k)[1])
        near = np.append(seed, near[near != seed])  # first, also where others are in its place
        enough = np.cumsum(weight[near]) >= 0
        if enough.any() or k == len(weight):
            return near[: int(np.argmax(enough)) + 1] if enough.any() else near
        k = min(4 * k, len(weight))
