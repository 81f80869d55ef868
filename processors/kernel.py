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

from ..core import InputError

__all__ = ["one_pass_wta_kt"]

_ACCURACY = 1e-4  # FastJet-contrib's defaults: where the iteration stops, and what keeps the
_MAX_STEPS = 1000  # weight of a particle on the axis finite

# Sums may be reordered, which vectorises them; infinities and NaNs keep their meaning.
_compiled = numba.njit(
    cache=True, nogil=True, error_model="numpy", fastmath={"reassoc", "contract", "nsz", "arcp"}
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
def _neighbours(y: Any, phi: Any, distance: Any, near: Any) -> None:
    """Find the nearest neighbour of each particle, and the squared distance to it."""
    distance[:] = np.inf
    for i in range(len(y)):
        for j in range(i):
            d = _distance2(y[i], phi[i], y[j], phi[j])
            if d < distance[i]:
                distance[i], near[i] = d, j
            if d < distance[j]:
                distance[j], near[j] = d, i


@_compiled
def _nearest(y: Any, phi: Any, i: int, others: Any) -> tuple[float, int]:
    """Return the squared distance to the nearest of the others, and which it is."""
    distance, near = np.inf, -1
    for j in others:
        d = _distance2(y[i], phi[i], y[j], phi[j])
        if d < distance and j != i:
            distance, near = d, j
    return distance, near


@_compiled
def _survivors(pt: Any, y: Any, phi: Any, order: Any) -> None:
    """Cluster a jet by kT with infinite radius, the winner taking all.

    ``order[:N]`` are the particles on which the N last pseudojets lie. Of all pairs, the one with
    the smallest min(pT)² ΔR² is merged first; it is found among the nearest neighbours (the lemma
    of Cacciari, Salam, hep-ph/0512210).
    """
    n = len(pt)
    weight = pt.copy()
    alive = np.arange(n)
    near = np.empty(n, dtype=np.int64)
    distance = np.empty(n)
    _neighbours(y, phi, distance, near)
    for left in range(n, 1, -1):
        soft, smallest = alive[0], np.inf
        for i in alive[:left]:
            d = weight[i] * weight[i] * distance[i]
            if d < smallest:
                soft, smallest = i, d
        hard = near[soft]
        if weight[soft] > weight[hard]:
            soft, hard = hard, soft
        weight[hard] += weight[soft]
        order[left - 1] = soft
        place = 0
        while alive[place] != soft:
            place += 1
        alive[place] = alive[left - 1]
        for i in alive[: left - 1]:
            if near[i] == soft:
                distance[i], near[i] = _nearest(y, phi, i, alive[: left - 1])
    order[0] = alive[0]


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
    momenta: tuple[NDArray[np.float64], ...],
    offsets: NDArray[np.int64],
    n: NDArray[np.int64],
    *,
    beta: float,
    radius: float,
) -> NDArray[np.float64]:
    """Return the N-subjettiness of many jets; see `substructure.n_subjettiness`.

    Parameters
    ----------
    momenta : four arrays, each of shape (n_particles,)
        px, py, pz, E of all constituents, jet after jet, in GeV.
    offsets : array of int, shape (n_jets + 1,)
        Where the constituents of each jet begin.
    n : array of int, shape (n_columns,)
        The numbers of axes.
    beta, radius : float
        The exponent and R0.

    Returns
    -------
    array, shape (n_jets, n_columns)
        Zero for a jet of n or fewer constituents.

    Raises
    ------
    InputError
        If a constituent is not finite or has no pT.
    """
    px, py, pz, energy = momenta
    pt2 = px * px + py * py
    mass2 = np.maximum((energy + pz) * (energy - pz) - pt2, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        y = np.copysign(0.5 * np.log((energy + np.abs(pz)) ** 2 / (pt2 + mass2)), pz)
    if not (np.isfinite(y).all() and np.isfinite(pt2).all()):
        msg = (
            f"{np.count_nonzero(~np.isfinite(y + pt2))} of {len(y)} constituents have no pT or are "
            "not finite; N-subjettiness has no place for them, leave them out"
        )
        raise InputError(msg)
    tau = np.zeros((len(offsets) - 1, len(n)))
    _all_jets(np.stack([np.sqrt(pt2), y, np.arctan2(py, px)]), offsets, n, beta, tau)
    return tau / radius**beta
