"""N-subjettiness in numba: what FastJet-contrib does for one-pass winner-takes-all kT axes.

FastJet-contrib clusters a jet again for each number of axes and carries four-momenta along. Here
one clustering gives the seeds of all: the winner of a merger stays where it is, so positions never
change, neighbours are looked up again only by those who lost theirs, and the axes for N are the N
last survivors. It also releases the interpreter lock.
"""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from ..jets.constituents import FlatJets, over_jets

__all__ = ["one_pass_wta_kt"]

_ACCURACY = 1e-4  # FastJet-contrib's defaults: where the iteration stops, and what keeps the
_MAX_STEPS = 1000  # weight of a particle on the axis finite

# Sums and minima may be reordered, which vectorises them. No number is a NaN (`flat_jets` sees to
# that), but infinities keep their meaning.
_compiled = numba.njit(
    cache=True,
    nogil=True,
    error_model="numpy",
    fastmath={"reassoc", "contract", "nsz", "arcp", "nnan"},
)


@_compiled
def _delta_phi(a: float, b: float) -> float:
    d = a - b
    if d > math.pi:
        d -= 2 * math.pi
    if d < -math.pi:
        d += 2 * math.pi
    return d


@_compiled
def _distance2(y: float, phi: float, axis_y: float, axis_phi: float) -> float:
    dphi = _delta_phi(phi, axis_phi)
    return (y - axis_y) ** 2 + dphi * dphi


@_compiled
def _row(y: Any, phi: Any, i: int, n: int, row: Any) -> None:
    """Fill in the squared distances of particle i to the first n particles."""
    for j in range(n):
        dphi = abs(phi[j] - phi[i])
        dphi = min(dphi, 2 * math.pi - dphi)
        row[j] = (y[j] - y[i]) ** 2 + dphi * dphi


@_compiled
def _smallest(values: Any, n: int) -> tuple[float, int]:
    """Return the smallest of the first n values and its place: two passes, the first vectorised."""
    smallest = np.inf
    for i in range(n):
        smallest = min(smallest, values[i])
    place = 0
    while place < n - 1 and values[place] != smallest:
        place += 1
    return smallest, place


@_compiled
def _neighbours(y: Any, phi: Any, distance: Any, near: Any, row: Any) -> None:
    """Find the nearest neighbour of each particle, and the squared distance to it."""
    distance[0] = np.inf
    for i in range(1, len(y)):
        _row(y, phi, i, i, row)
        distance[i], near[i] = _smallest(row, i)
        for j in range(i):
            nearer = row[j] < distance[j]
            distance[j] = row[j] if nearer else distance[j]
            near[j] = i if nearer else near[j]


@_compiled
def _survivors(pt: Any, y: Any, phi: Any, order: Any) -> None:
    """Cluster a jet by kT with infinite radius, the winner taking all.

    ``order[:N]`` are the particles on which the N last pseudojets lie. Of all pairs, the one with
    the smallest min(pT)² ΔR² is merged first; it is found among the nearest neighbours (the lemma
    of Cacciari, Salam, hep-ph/0512210). The pseudojets that are left stay together at the front of
    the arrays: the last one moves to where one has gone.
    """
    n = len(pt)
    weight, y, phi, who = pt.copy(), y.copy(), phi.copy(), np.arange(n)
    near = np.zeros(n, dtype=np.int64)
    distance, kt2, row = np.empty(n), np.empty(n), np.empty(n)
    _neighbours(y, phi, distance, near, row)
    for i in range(n):
        kt2[i] = weight[i] * weight[i] * distance[i]
    for last in range(n - 1, 0, -1):
        _, soft = _smallest(kt2, last + 1)
        hard = near[soft]
        if weight[soft] > weight[hard]:
            soft, hard = hard, soft
        order[last] = who[soft]
        weight[hard] += weight[soft]
        kt2[hard] = weight[hard] * weight[hard] * distance[hard]
        weight[soft], y[soft], phi[soft], who[soft] = weight[last], y[last], phi[last], who[last]
        near[soft], distance[soft], kt2[soft] = near[last], distance[last], kt2[last]
        for i in range(last):
            if near[i] == soft:
                _row(y, phi, i, last, row)
                row[i] = np.inf
                distance[i], near[i] = _smallest(row, last)
                kt2[i] = weight[i] * weight[i] * distance[i]
            elif near[i] == last:
                near[i] = soft
    order[0] = who[0]


@_compiled
def _assign(y: Any, phi: Any, axes: Any, square: Any, closest: Any) -> None:
    """Find the axis that is closest to each particle, and its squared distance."""
    for i in range(len(y)):
        square[i] = _distance2(y[i], phi[i], axes[0, 0], axes[1, 0])
        closest[i] = 0
    for k in range(1, axes.shape[1]):
        for i in range(len(y)):
            d = _distance2(y[i], phi[i], axes[0, k], axes[1, k])
            nearer = d < square[i]
            square[i] = d if nearer else square[i]
            closest[i] = k if nearer else closest[i]


@_compiled
def _power(square: Any, beta: float, result: Any) -> None:
    """Raise distances, given squared, to the power beta."""
    for i in range(len(square)):
        result[i] = math.sqrt(square[i]) if beta == 1.0 else square[i] ** (0.5 * beta)


@_compiled
def _minimise(pt: Any, y: Any, phi: Any, beta: float, seeds: Any) -> float:
    """Move axes from their seeds until they rest; return the sum of pT times distance^beta.

    Each axis moves to the mean of the particles that are closest to it, weighted by pT ΔR^(beta-2)
    as if none were closer than the accuracy: for beta = 1, Weiszfeld's algorithm for the geometric
    median.
    """
    axes = np.stack((y[seeds], phi[seeds]))
    closest = np.empty(len(pt), dtype=np.int64)
    square, weight = np.empty(len(pt)), np.empty(len(pt))
    _assign(y, phi, axes, square, closest)
    for _ in range(_MAX_STEPS):
        square += _ACCURACY * _ACCURACY
        _power(square, beta, weight)
        for i in range(len(pt)):
            weight[i] = pt[i] * weight[i] / square[i]
        moved = 0.0
        for k in range(len(seeds)):
            total = sum_y = sum_phi = 0.0
            for i in range(len(pt)):
                w = weight[i] if closest[i] == k else 0.0
                total += w
                sum_y += w * (y[i] - axes[0, k])
                sum_phi += w * _delta_phi(phi[i], axes[1, k])
            if total > 0:
                dy, dphi = sum_y / total, sum_phi / total
                axes[0, k] += dy
                axes[1, k] = _delta_phi(axes[1, k] + dphi, 0.0)
                moved += math.sqrt(dy * dy + dphi * dphi)
        _assign(y, phi, axes, square, closest)
        if moved <= _ACCURACY * len(seeds):
            break
    _power(square, beta, weight)
    return np.sum(pt * weight)


@_compiled
def _all_jets(particles: Any, offsets: Any, n_axes: Any, beta: float, tau: Any) -> None:
    for jet in range(len(offsets) - 1):
        pt, y, phi = particles[:, offsets[jet] : offsets[jet + 1]]
        order = np.empty(len(pt), dtype=np.int64)
        if len(pt) > 1:
            _survivors(pt, y, phi, order)
        for column in range(len(n_axes)):
            n = n_axes[column]
            if len(pt) > n:
                tau[jet, column] = _minimise(pt, y, phi, beta, order[:n]) / np.sum(pt)


def one_pass_wta_kt(
    jets: FlatJets, n: NDArray[np.int64], *, beta: float, radius: float, threads: int = 1
) -> NDArray[np.float64]:
    """Return the N-subjettiness of many jets; see `n_subjettiness.n_subjettiness`.

    Parameters
    ----------
    jets : FlatJets
        The jets.
    n : array of int, shape (n_columns,)
        The numbers of axes.
    beta, radius : float
        The exponent and R0.
    threads : int
        How many slices of the jets are worked on at a time.

    Returns
    -------
    array, shape (n_jets, n_columns)
        Zero for a jet of n or fewer constituents.
    """
    tau = np.zeros((len(jets), len(n)))

    def run(first: int, last: int) -> None:
        _all_jets(jets.places, jets.offsets[first : last + 1], n, beta, tau[first:last])

    over_jets(run, len(jets), threads=threads)
    return tau / radius**beta
