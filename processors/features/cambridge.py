"""Cambridge/Aachen clustering of whole jets or events in numba, with the trees it makes.

FastJet's awkward interface gives single results of a declustering (its soft drop, the angles and
kT of a Lund plane) and clusters again for each. Here one clustering gives a tree from which all of
them are read, and the interpreter lock is free meanwhile.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import awkward as ak
import numba
import numpy as np
from numpy.typing import NDArray

from ..jets.constituents import FlatJets, flat_jets, over_jets

__all__ = ["Trees", "cambridge_aachen"]

_FAR = 1e5  # FastJet's rapidity of what moves along the beam
_SPOT = 1e-8  # ΔR that is only the rounding of momenta: two particles on one spot

# Sums and minima may be reordered, which vectorises them; infinities keep their meaning, and NaNs
# do not come here.
_compiled = numba.njit(
    cache=True,
    nogil=True,
    error_model="numpy",
    fastmath={"reassoc", "contract", "nsz", "arcp", "nnan"},
)


@dataclass(frozen=True)
class Trees:
    """Clustering trees of many jets, as flat buffers of nodes, jet after jet.

    A jet of n constituents has 2n - 1 nodes: the constituents in their order, then the mergers,
    each after its two pieces. The last node is the jet. A jet without constituents has none.

    Attributes
    ----------
    offsets : array of int, shape (n_jets + 1,)
        Where the nodes of each jet begin.
    pieces : array of int, shape (2, n_nodes)
        The nodes of which a node is made, that of larger pT first; -1 for a constituent.
    momenta : array, shape (4, n_nodes)
        px, py, pz, E in GeV.
    places : array, shape (3, n_nodes)
        pT in GeV, rapidity, azimuth in (-π, π].
    """

    offsets: NDArray[np.int64]
    pieces: NDArray[np.int64]
    momenta: NDArray[np.float64]
    places: NDArray[np.float64]

    def __len__(self) -> int:
        """Return the number of jets."""
        return len(self.offsets) - 1

    @cached_property
    def counts(self) -> NDArray[np.int64]:
        """The number of constituents of each jet, shape (n_jets,)."""
        return (np.diff(self.offsets) + 1) // 2

    @cached_property
    def leaves(self) -> NDArray[np.int64]:
        """The nodes of all constituents, jet after jet, shape (n_constituents,)."""
        counts = self.counts
        before = np.cumsum(counts) - counts
        return np.arange(counts.sum()) + np.repeat(self.offsets[:-1] - before, counts)

    @cached_property
    def masses(self) -> NDArray[np.float64]:
        """The mass of each node in GeV, shape (n_nodes,); zero where rounding gives E² < p²."""
        px, py, pz, energy = self.momenta
        return np.sqrt(np.maximum((energy - pz) * (energy + pz) - px * px - py * py, 0.0))

    @cached_property
    def steps(self) -> NDArray[np.float64]:
        """From the harder to the softer piece in rapidity and azimuth, shape (2, n_nodes).

        Zero for a constituent, which has no pieces.
        """
        dy, dphi = self.places[1:, self.pieces[1]] - self.places[1:, self.pieces[0]]
        return np.stack([dy, dphi - 2 * np.pi * np.rint(dphi / (2 * np.pi))])

    @cached_property
    def angles(self) -> NDArray[np.float64]:
        """ΔR of the two pieces of each node, shape (n_nodes,).

        Zero for a constituent, and for two pieces on one spot but for rounding.
        """
        angles = np.hypot(*self.steps)
        return np.where(angles > _SPOT, angles, 0.0)

    @cached_property
    def z(self) -> NDArray[np.float64]:
        """Share of the softer piece in the sum of the two pT, shape (n_nodes,).

        Meaningless for a constituent.
        """
        hard, soft = self.places[0, self.pieces]
        return np.divide(soft, hard + soft, out=np.zeros_like(soft), where=soft > 0)


@_compiled
def _distance2(y: float, phi: float, other_y: float, other_phi: float) -> float:
    dphi = abs(phi - other_phi)
    dphi = min(dphi, 2 * math.pi - dphi)
    return (y - other_y) ** 2 + dphi * dphi


@_compiled
def _place(momenta: Any, places: Any, node: int) -> None:
    px, py, pz, energy = momenta[0, node], momenta[1, node], momenta[2, node], momenta[3, node]
    pt2 = px * px + py * py
    mt2 = pt2 + max((energy + pz) * (energy - pz) - pt2, 0.0)
    y = 0.5 * math.log((energy + abs(pz)) ** 2 / mt2) if mt2 > 0 else _FAR + abs(pz)
    places[0, node] = math.sqrt(pt2)
    places[1, node] = math.copysign(y, pz)
    places[2, node] = math.atan2(py, px)


@_compiled
def _smallest(row: Any, n: int) -> tuple[float, int]:
    """Return the smallest of the first n numbers, and the first place where it is."""
    smallest, where = np.inf, 0
    for i in range(n):
        smallest = min(smallest, row[i])
    while where < n - 1 and row[where] != smallest:
        where += 1
    return smallest, where


@_compiled
def _neighbours(y: Any, phi: Any, distance: Any, near: Any, row: Any) -> None:
    """Find the nearest neighbour of each particle, and the squared distance to it."""
    for i in range(len(y)):
        for j in range(i):
            row[j] = _distance2(y[i], phi[i], y[j], phi[j])
        for j in range(i):
            nearer = row[j] < distance[j]
            distance[j] = row[j] if nearer else distance[j]
            near[j] = i if nearer else near[j]
        distance[i], near[i] = _smallest(row, i)


@_compiled
def _nearest(y: Any, phi: Any, i: int, left: int, row: Any) -> tuple[float, int]:
    """Return the squared distance to the nearest of those left, and which it is."""
    for j in range(left):
        row[j] = _distance2(y[i], phi[i], y[j], phi[j])
    row[i] = np.inf
    return _smallest(row, left)


@_compiled
def _merge(momenta: Any, places: Any, pieces: Any, first: int, n: int) -> None:
    """Cluster the n particles from node ``first`` on; the mergers go to the nodes behind them.

    Those left are kept side by side: a merger takes the place of one piece, the last of the row
    that of the other. Neighbours are looked up again only by those who lost theirs.
    """
    node = np.arange(first, first + n)
    y, phi = places[1, first : first + n].copy(), places[2, first : first + n].copy()
    near, row = np.empty(n, dtype=np.int64), np.empty(n)
    distance = np.full(n, np.inf)
    _neighbours(y, phi, distance, near, row)
    for left in range(n, 1, -1):
        made = first + 2 * n - left
        a = _smallest(distance, left)[1]
        while near[a] < 0:
            distance[a], near[a] = _nearest(y, phi, a, left, row)
            a = _smallest(distance, left)[1]
        b = near[a]
        a, b = min(a, b), max(a, b)
        hard, soft = node[a], node[b]
        if places[0, hard] < places[0, soft]:
            hard, soft = soft, hard
        pieces[0, made], pieces[1, made] = hard, soft
        for k in range(4):
            momenta[k, made] = momenta[k, hard] + momenta[k, soft]
        _place(momenta, places, made)
        last = left - 1
        node[a], y[a], phi[a] = made, places[1, made], places[2, made]
        node[b], y[b], phi[b] = node[last], y[last], phi[last]
        distance[b], near[b] = distance[last], near[last]
        distance[a], near[a] = _nearest(y, phi, a, last, row)
        neighbour = near[a]
        for i in range(last):
            moved = b if near[i] == last else near[i]
            lost = near[i] == a or near[i] == b
            nearer = row[i] < distance[i]
            near[i] = a if nearer else (-1 if lost else moved)
            distance[i] = row[i] if nearer else distance[i]
        near[a] = neighbour


@_compiled
def _all_trees(momenta: Any, offsets: Any, places: Any, pieces: Any) -> None:
    for jet in range(len(offsets) - 1):
        n = (offsets[jet + 1] - offsets[jet] + 1) // 2
        if n > 1:
            _merge(momenta, places, pieces, offsets[jet], n)


def cambridge_aachen(jets: ak.Array | FlatJets, *, threads: int = 1) -> Trees:
    """Cluster all constituents of each jet into one, the closest pair first.

    Cambridge/Aachen with an infinite radius and four-momenta that add up: Dokshitzer, Leder,
    Moretti, Webber, hep-ph/9707323; Wobisch, Wengler, hep-ph/9907280. What FastJet does with its
    largest radius.

    Parameters
    ----------
    jets : ak.Array, shape (n_jets, var), or FlatJets
        Constituents: Momentum4D with px, py, pz, E, in GeV; pT above zero. Jets may be empty.
    threads : int
        How many slices of the jets are worked on at a time.

    Raises
    ------
    InputError
        If a constituent is not finite or has no pT.
    """
    flat = jets if isinstance(jets, FlatJets) else flat_jets(jets)
    offsets = np.zeros(len(flat) + 1, dtype=np.int64)
    np.cumsum(np.maximum(2 * flat.counts - 1, 0), out=offsets[1:])
    momenta, places = np.empty((4, offsets[-1])), np.empty((3, offsets[-1]))
    pieces = np.full((2, offsets[-1]), -1, dtype=np.int64)
    trees = Trees(offsets, pieces, momenta, places)
    momenta[:, trees.leaves] = flat.momenta
    places[:, trees.leaves] = flat.places

    def run(first: int, last: int) -> None:
        _all_trees(momenta, offsets[first : last + 1], places, pieces)

    over_jets(run, len(flat), threads=threads)
    return trees
