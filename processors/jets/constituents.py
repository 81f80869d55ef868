"""The constituents of many jets as flat buffers, jet after jet: what the kernels read."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from ...core import InputError
from .momentum import Jagged, turned

__all__ = ["FlatJets", "flat_jets", "over_jets"]

_SLICES_A_THREAD = 4  # so that a slice of small jets leaves no thread idle for long


@dataclass(frozen=True)
class FlatJets:
    """Jets as flat buffers of their constituents.

    Attributes
    ----------
    offsets : array of int, shape (n_jets + 1,)
        Where the constituents of each jet begin.
    momenta : array, shape (4, n_particles)
        px, py, pz, E in GeV; finite, with pT above zero.
    places : array, shape (3, n_particles)
        pT in GeV, rapidity, azimuth in (-π, π].
    """

    offsets: NDArray[np.int64]
    momenta: NDArray[np.float64]
    places: NDArray[np.float64]

    def __len__(self) -> int:
        """Return the number of jets."""
        return len(self.offsets) - 1

    @property
    def counts(self) -> NDArray[np.int64]:
        """The number of constituents of each jet, shape (n_jets,)."""
        return np.diff(self.offsets)

    @cached_property
    def jet_of(self) -> NDArray[np.int64]:
        """The jet to which each particle belongs, shape (n_particles,)."""
        return np.repeat(np.arange(len(self)), self.counts)

    @cached_property
    def eta(self) -> NDArray[np.float64]:
        """The pseudorapidity of each particle, shape (n_particles,)."""
        return np.arcsinh(self.momenta[2] / self.places[0])

    @cached_property
    def axes(self) -> NDArray[np.float64]:
        """Momenta of the jets, shape (3, n_jets): pT in GeV, pseudorapidity, azimuth.

        The axis of a jet is the sum of the momenta; that of a jet without constituents is zero.
        """
        px, py, pz = (self.total(self.momenta[i]) for i in range(3))
        pt = np.hypot(px, py)
        slope = np.divide(pz, pt, out=np.zeros_like(pz), where=pt > 0)
        return np.stack([pt, np.arcsinh(slope), np.arctan2(py, px)])

    @cached_property
    def phi_from_axis(self) -> NDArray[np.float64]:
        """The azimuth of each particle relative to its jet, in [-π, π), shape (n_particles,)."""
        return turned(self.places[2] - self.axes[2, self.jet_of])

    def total(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Add up a number of each particle in each jet, shape (n_jets,)."""
        total: NDArray[np.float64] = np.bincount(
            self.jet_of, weights=values, minlength=len(self)
        ).astype(np.float64, copy=False)
        return total


def flat_jets(constituents: ak.Array) -> FlatJets:
    """Return the constituents of jets as flat buffers.

    Parameters
    ----------
    constituents : ak.Array, shape (n_jets, var)
        Momentum4D with px, py, pz, E, in GeV.

    Raises
    ------
    InputError
        If a constituent is not finite or has no pT.

    Examples
    --------
    >>> from overdensity.processors.jets.momentum import cartesian, momenta
    >>> pt, zeros = np.array([60.0, 40.0, 70.0]), np.zeros(3)
    >>> jets = flat_jets(cartesian(momenta(pt, zeros, zeros, np.array([2, 1]))))
    >>> len(jets), jets.counts.tolist(), jets.total(jets.places[0]).tolist()
    (2, [2, 1], [100.0, 70.0])
    """
    counts = ak.to_numpy(ak.num(constituents, axis=1))
    offsets = np.zeros(len(counts) + 1, dtype=np.int64)
    np.cumsum(counts, out=offsets[1:])
    flat: Jagged = ak.flatten(constituents, axis=1)
    momenta = np.empty((4, len(flat)))
    for row, name in zip(momenta, ("px", "py", "pz", "E"), strict=True):
        row[:] = ak.to_numpy(flat[name])
    px, py, pz, energy = momenta
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        pt2 = px * px + py * py
        mass2 = np.maximum((energy + pz) * (energy - pz) - pt2, 0.0)
        y = np.copysign(0.5 * np.log((energy + np.abs(pz)) ** 2 / (pt2 + mass2)), pz)
        bad = ~(np.isfinite(y) & (pt2 > 0))
    if bad.any():
        msg = (
            f"{np.count_nonzero(bad)} of {len(y)} constituents have no pT or are not finite; "
            "features of jets cannot be computed with them, leave them out"
        )
        raise InputError(msg)
    return FlatJets(offsets, momenta, np.stack([np.sqrt(pt2), y, np.arctan2(py, px)]))


def over_jets(run: Callable[[int, int], None], n_jets: int, *, threads: int = 1) -> None:
    """Call ``run(first, last)`` on slices that cover all jets, several at a time.

    The threads are made here and are gone afterwards, so a process may fork at any other time;
    numba's own pools do not survive that, and the workers of `coffea.processor.FuturesExecutor`
    are forked.

    Parameters
    ----------
    run : callable
        Works on jets ``first`` to ``last - 1`` and writes where no other slice does; a kernel
        that releases the interpreter lock, or threads gain nothing.
    n_jets : int
        How many jets there are.
    threads : int
        How many slices are worked on at a time. One is right where each core has its own worker
        process.

    Examples
    --------
    >>> done = np.zeros(5)
    >>> def run(first, last):
    ...     done[first:last] = 1
    >>> over_jets(run, 5, threads=2)
    >>> done.tolist()
    [1.0, 1.0, 1.0, 1.0, 1.0]
    """
    if threads == 1 or n_jets < 2:
        run(0, n_jets)
        return
    edges = np.linspace(0, n_jets, min(_SLICES_A_THREAD * threads, n_jets) + 1).astype(int)
    with ThreadPoolExecutor(threads) as pool:
        for done in [pool.submit(run, *slice_) for slice_ in pairwise(edges)]:
            done.result()
