"""Gradient boosting of histogram trees, compiled: the trees of scikit-learn in a part of the time.

Friedman, Annals of Statistics 29 (2001) 1189, with the second-order gain of arXiv:1603.02754 (equation 7)
and leaves grown best first, as LightGBM and scikit-learn do: from the same bins and seed come the same
trees, to the last digit. scikit-learn spends most of the time of a small training between its loops.
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np
from numba.np.random.random_methods import random_interval
from numpy.typing import NDArray

from .logistic import derive, mean_loss, pairwise_sum

__all__ = ["Growth", "Trees", "boost"]

_LEAST_HESSIAN = 1e-3  # of a child
_ROOT = np.int64(0)  # for numba a literal is a type of its own, for which all is compiled once more
_TINY = 1e-15  # beside a sum of second derivatives, so that it is no zero


class Growth(NamedTuple):
    """How trees grow, as plain numbers.

    Attributes
    ----------
    learning_rate : float
        Step of each tree.
    iterations, patience : int
        Most trees, and trees without improvement before the end.
    leaves, events_per_leaf : int
        Most leaves of a tree, and fewest events in one.
    features : int
        Features tried at each split.
    bins : int
        Bins of a histogram, one for values that are missing included.
    """

    learning_rate: float
    iterations: int
    patience: int
    leaves: int
    events_per_leaf: int
    features: int
    bins: int


class Trees(NamedTuple):
    """The trees of one classifier, one after the other.

    Attributes
    ----------
    root : ndarray of int64, shape (n_trees,)
        First node of each tree.
    feature, cut, left, right, value : ndarray, shape (n_nodes,)
        A node sends events whose bin of ``feature`` is at most ``cut`` to ``left``, others to
        ``right``; a leaf has ``left`` = -1 and adds ``value`` to the log-odds.
    """

    root: NDArray[np.int64]
    feature: NDArray[np.int64]
    cut: NDArray[np.int64]
    left: NDArray[np.int64]
    right: NDArray[np.int64]
    value: NDArray[np.float64]


def boost(
    bins: NDArray[np.uint8],
    used: NDArray[np.int64],
    y: NDArray[np.bool_],
    weight: NDArray[np.float64],
    validation: NDArray[np.bool_],
    *,
    baseline: float,
    growth: Growth,
    rng: np.random.Generator,
) -> Trees:
    """Grow trees until the loss of the validation events no longer falls.

    Parameters
    ----------
    bins : ndarray of uint8, shape (n_events, n_features)
        Bins of the features.
    used : ndarray of int64, shape (n_features,)
        How many each has.
    y : ndarray of bool, shape (n_events,)
        Class.
    weight : ndarray of float64, shape (n_events,)
        Event weights.
    validation : ndarray of bool, shape (n_events,)
        Events that only decide when to stop.
    baseline : float
        Log-odds before the first tree.
    growth : Growth
        How they grow.
    rng : numpy.random.Generator
        Draws the features tried at each split.

    Returns
    -------
    Trees

    Examples
    --------
    >>> bins = np.arange(40, dtype=np.uint8)[:, None] % 8
    >>> found = boost(
    ...     bins, np.array([8]), bins[:, 0] > 3, np.ones(40), np.arange(40) % 5 == 0,
    ...     baseline=0.0, growth=Growth(0.1, 1, 5, 2, 1, 1, 9), rng=np.random.default_rng(1),
    ... )
    >>> int(found.cut[0]), found.value[1:].round(3).tolist()
    (3, [-0.2, 0.2])
    """
    rows = np.flatnonzero(~validation)
    held = np.flatnonzero(validation)
    bins = np.ascontiguousarray(bins)
    found = _boost(bins, used, y.astype(np.float64), weight, rows, held, baseline, growth, rng)
    return Trees(*found)


class _Events(NamedTuple):
    """Events that trees are grown of, and what changes from tree to tree."""

    bins: NDArray[np.uint8]
    odds: NDArray[np.float64]
    gradient: NDArray[np.float32]
    hessian: NDArray[np.float32]
    part: NDArray[np.int64]  # training events, those of a node side by side
    held: NDArray[np.int64]  # validation events, likewise
    buffer: NDArray[np.int64]


class _Nodes(NamedTuple):
    """Nodes of a tree while it grows."""

    feature: NDArray[np.int64]
    cut: NDArray[np.int64]
    left: NDArray[np.int64]
    right: NDArray[np.int64]
    value: NDArray[np.float64]
    place: NDArray[np.int64]  # first and last of its events in part and in held, slot of histograms
    sums: NDArray[np.float64]  # of both derivatives
    split: NDArray[np.float64]  # gain, feature, cut, both derivatives to the left


@numba.njit(cache=True, nogil=True)
def _boost(bins, used, y, weight, rows, held, baseline, growth, rng):  # noqa: PLR0917
    """Grow tree after tree, and return their nodes."""
    most, n = 2 * growth.leaves - 1, len(y)
    ints, values = (
        np.empty((4, most * growth.iterations), np.int64),
        np.empty(most * growth.iterations),
    )
    root, losses = np.empty(growth.iterations, np.int64), np.empty(growth.iterations + 1)
    odds, gradient, hessian = np.full(n, baseline), np.empty(n, np.float32), np.empty(n, np.float32)
    slots = np.empty((growth.leaves + 1, bins.shape[1], growth.bins, 3))
    buffer = np.empty(max(len(rows), len(held)), np.int64)
    place, sums, split = np.empty((most, 5), np.int64), np.empty((most, 2)), np.empty((most, 5))
    losses[0] = mean_loss(odds, y, weight, held)
    n_nodes = n_trees = 0
    for tree in range(growth.iterations):
        events = _Events(bins, odds, gradient, hessian, rows.copy(), held.copy(), buffer)
        derive(odds, y, weight, rows, gradient, hessian)
        feature, cut, left, right = ints[0], ints[1], ints[2], ints[3]
        nodes = _Nodes(
            feature[n_nodes:],
            cut[n_nodes:],
            left[n_nodes:],
            right[n_nodes:],
            values[n_nodes:],
            place,
            sums,
            split,
        )
        grown = _grow(events, nodes, used, slots, growth, rng)
        _add(events, nodes, grown, growth.learning_rate)
        for node in range(n_nodes, n_nodes + grown):
            if left[node] >= 0:
                left[node] += n_nodes
                right[node] += n_nodes
        root[tree] = n_nodes
        n_nodes, n_trees = n_nodes + grown, tree + 1
        losses[n_trees] = mean_loss(odds, y, weight, held)
        before = n_trees - growth.patience
        if before >= 0 and not (losses[before + 1 : n_trees + 1] < losses[before]).any():
            break
    kept = ints[:, :n_nodes].copy()
    return root[:n_trees].copy(), kept[0], kept[1], kept[2], kept[3], values[:n_nodes].copy()


@numba.njit(cache=True, nogil=True)
def _grow(events, nodes, used, slots, growth, rng):  # noqa: PLR0917
    """Grow one tree, the split of largest gain first; return the number of its nodes."""
    waiting, n_waiting, n_done = np.empty(growth.leaves + 1, np.int64), 0, 0
    free, n_free = np.arange(len(slots))[::-1].copy(), len(slots) - 1
    _put(nodes.place[0], 0, len(events.part), 0, len(events.held), 0)
    _fill(slots[0], events, _ROOT, len(events.part))
    for which in range(2):
        nodes.sums[0, which] = pairwise_sum(slots[0, 0, :, which].copy())
    nodes.value[0], nodes.left[0], n_nodes = 0.0, -1, _ROOT + 1
    if _gains(_ROOT, nodes, used, slots, growth, rng):
        waiting[0], n_waiting = 0, 1
    while n_waiting:
        at = _largest(waiting, n_waiting, nodes.split)
        node, n_waiting = waiting[at], n_waiting - 1
        waiting[at] = waiting[n_waiting]
        _divide(events, nodes, node, n_nodes)
        n_nodes += 2
        if n_done + n_waiting + 2 == growth.leaves:
            break
        small, large = n_nodes - 2, n_nodes - 1
        if _size(nodes, small) >= _size(nodes, large):
            small, large = large, small
        slot, new = nodes.place[node, 4], -1
        if _size(nodes, large) >= 2 * growth.events_per_leaf:
            n_free -= 1
            new = free[n_free]
            _fill(slots[new], events, nodes.place[small, 0], nodes.place[small, 1])
            _take_away(slots[slot], slots[new])
            nodes.place[small, 4], nodes.place[large, 4] = new, slot
        for child in range(n_nodes - 2, n_nodes):
            if _gains(child, nodes, used, slots, growth, rng):
                waiting[n_waiting], n_waiting = child, n_waiting + 1
                continue
            n_done += 1
            no_longer = slot if child == large else new
            if no_longer >= 0:
                free[n_free], n_free = no_longer, n_free + 1
    return n_nodes


@numba.njit(cache=True, nogil=True)
def _size(nodes, node):
    """Count the training events of a node."""
    return nodes.place[node, 1] - nodes.place[node, 0]


@numba.njit(cache=True, nogil=True)
def _largest(waiting, n_waiting, split):
    """Return where the node waits whose split gains most."""
    at = 0
    for i in range(1, n_waiting):
        if split[waiting[i], 0] > split[waiting[at], 0]:
            at = i
    return at


@numba.njit(cache=True, nogil=True)
def _gains(node, nodes, used, slots, growth, rng):  # noqa: PLR0917
    """Find the best split of a node, if it may have one; say whether it has."""
    nodes.split[node, 0] = -1.0
    enough = _size(nodes, node) >= 2 * growth.events_per_leaf
    if enough and (node > 0 or nodes.sums[0, 1] >= _LEAST_HESSIAN):
        mask = np.zeros(len(used), np.bool_)
        mask[: growth.features] = True
        if growth.features < len(mask):
            _shuffle(rng, mask)
        for feature in range(len(mask)):
            if mask[feature]:
                histogram = slots[nodes.place[node, 4], feature]
                _try_feature(feature, histogram, used[feature] - 1, nodes, node, growth)
    return nodes.split[node, 0] > 0


@numba.njit(cache=True, nogil=True)
def _shuffle(rng, mask):
    """Do what ``rng.shuffle`` does, which takes five seconds to compile."""
    for i in range(len(mask) - 1, 0, -1):
        j = np.intp(random_interval(rng.bit_generator, i))
        mask[i], mask[j] = mask[j], mask[i]


@numba.njit(cache=True, nogil=True)
def _take_away(histogram, other):
    """Do what ``histogram -= other`` does, which takes seconds to compile: its error names the shapes."""
    for feature in range(histogram.shape[0]):
        for index in range(histogram.shape[1]):
            for which in range(histogram.shape[2]):
                histogram[feature, index, which] -= other[feature, index, which]


@numba.njit(cache=True, nogil=True)
def _put(row, first, second, third, fourth, fifth):  # noqa: PLR0917
    """Write five numbers; a tuple of them would be made an array first, which is long to compile."""
    row[0], row[1], row[2], row[3], row[4] = first, second, third, fourth, fifth


@numba.njit(cache=True, nogil=True)
def _fill(histogram, events, start, stop):
    """Sum derivatives and count events in each bin of each feature."""
    bins = events.bins
    histogram[:] = 0.0
    for row in events.part[start:stop]:
        first, second = events.gradient[row], events.hessian[row]
        for feature in range(bins.shape[1]):
            index = bins[row, feature]
            histogram[feature, index, 0] += first
            histogram[feature, index, 1] += second
            histogram[feature, index, 2] += 1.0


@numba.njit(cache=True, nogil=True)
def _try_feature(feature, histogram, n_cuts, nodes, node, growth):  # noqa: PLR0917
    """Find the cut on a feature that gains most, and keep it if it gains more than others."""
    all_first, all_second = nodes.sums[node, 0], nodes.sums[node, 1]
    now, least, n_events = all_first * nodes.value[node], growth.events_per_leaf, _size(nodes, node)
    first = second = seen = 0.0
    for cut in range(n_cuts):
        first += histogram[cut, 0]
        second += histogram[cut, 1]
        seen += histogram[cut, 2]
        if seen < least or second < _LEAST_HESSIAN:
            if n_events - seen < least:
                break
            continue
        other, rest = all_first - first, all_second - second
        if n_events - seen < least or rest < _LEAST_HESSIAN:
            break
        gain = now - first * _value(first, second) - other * _value(other, rest)
        if gain > max(nodes.split[node, 0], 0.0):
            _put(nodes.split[node], gain, float(feature), float(cut), first, second)


@numba.njit(cache=True, nogil=True)
def _divide(events, nodes, node, first):
    """Split a node into two new ones."""
    nodes.feature[node], nodes.cut[node] = int(nodes.split[node, 1]), int(nodes.split[node, 2])
    nodes.left[node], nodes.right[node] = first, first + 1
    place = nodes.place[node]
    begin, end, held_begin, held_end = place[0], place[1], place[2], place[3]
    column, cut = events.bins[:, nodes.feature[node]], nodes.cut[node]
    middle = begin + _sort_out(column, cut, events.part[begin:end], events.buffer)
    held = held_begin + _sort_out(column, cut, events.held[held_begin:held_end], events.buffer)
    _put(nodes.place[first], begin, middle, held_begin, held, -1)
    _put(nodes.place[first + 1], middle, end, held, held_end, -1)
    for which in range(2):
        nodes.sums[first, which] = nodes.split[node, 3 + which]
        nodes.sums[first + 1, which] = nodes.sums[node, which] - nodes.split[node, 3 + which]
    for child in range(first, first + 2):
        nodes.value[child] = _value(nodes.sums[child, 0], nodes.sums[child, 1])
        nodes.feature[child] = nodes.cut[child] = nodes.left[child] = nodes.right[child] = -1


@numba.njit(cache=True, nogil=True)
def _sort_out(column, cut, part, buffer):
    """Put the events of the left child first, in the order they have; return how many there are."""
    left = right = 0
    for row in part:  # without a branch, which would be guessed wrong half the time
        part[left] = row
        buffer[right] = row
        goes_right = int(column[row] > cut)
        left += 1 - goes_right
        right += goes_right
    for i in range(right):
        part[left + i] = buffer[i]
    return left


@numba.njit(cache=True, nogil=True)
def _add(events, nodes, n_nodes, rate):
    """Scale the leaves of a tree, and add them to the log-odds of its events."""
    for node in range(n_nodes):
        if nodes.left[node] < 0:
            nodes.value[node] *= rate
            place = nodes.place[node]
            for row in events.part[place[0] : place[1]]:
                events.odds[row] += nodes.value[node]
            for row in events.held[place[2] : place[3]]:
                events.odds[row] += nodes.value[node]


@numba.njit(cache=True, nogil=True)
def _value(first, second):
    """Return what a leaf adds before it is scaled (arXiv:1603.02754, equation 5)."""
    return -first / (second + _TINY)
