"""Jets as sequences of their constituents, for networks that read one after another."""

from __future__ import annotations

from typing import Any

import awkward as ak
import numba
import numpy as np
from numpy.typing import NDArray

from ..jets.constituents import FlatJets, over_jets

__all__ = ["kt_sequences", "pt_sequences"]

_compiled = numba.njit(cache=True, nogil=True, error_model="numpy")


@_compiled
def _far_from_the_last(pt: Any, eta: Any, phi: Any, order: Any) -> None:
    """Fill ``order``: of the particles that are left, the farthest in kT from the last one.

    The particles come in order of falling pT, so the first is the hardest, and of equals the
    harder is taken.
    """
    taken = np.zeros(len(pt), dtype=np.bool_)
    last = 0
    for place in range(len(pt)):
        order[place] = last
        taken[last] = True
        farthest, which = -1.0, -1
        for j in range(len(pt)):
            dphi = abs(phi[j] - phi[last])
            dphi = min(dphi, 2 * np.pi - dphi)
            kt2 = pt[j] * pt[j] * ((eta[j] - eta[last]) ** 2 + dphi * dphi)
            if kt2 > farthest and not taken[j]:
                farthest, which = kt2, j
        last = which


@_compiled
def _all_jets(pt: Any, eta: Any, phi: Any, offsets: Any, order: Any) -> None:
    for jet in range(len(offsets) - 1):
        a, b = offsets[jet], offsets[jet + 1]
        _far_from_the_last(pt[a:b], eta[a:b], phi[a:b], order[a:b])


def pt_sequences(jets: FlatJets, *, longest: int | None = None) -> ak.Array:
    """Return the constituents of jets in order of falling pT.

    Parameters
    ----------
    jets : FlatJets
        The jets.
    longest : int, optional
        How many constituents of a jet are kept; all by default.

    Returns
    -------
    ak.Array, shape (n_jets, var)
        Records of float32: ``pt`` in GeV, ``eta`` and ``phi`` relative to the jet, whose axis is
        the sum of the momenta.
    """
    return _records(jets, _by_pt(jets), longest)


def kt_sequences(jets: FlatJets, *, longest: int | None = None, threads: int = 1) -> ak.Array:
    r"""Return the constituents of jets in order of kT distance.

    The first is the hardest; each next one is, of those that are left, that with the largest
    :math:`p_{T,n} \Delta R_{n,n-1}` from the one before (VRNN: Kahn et al., LHC Olympics 2020,
    arXiv:2101.08320, eq. (3.1)), so that the sequence goes back and forth between prongs.

    Parameters
    ----------
    jets : FlatJets
        The jets.
    longest : int, optional
        How many constituents of a jet are kept, the first of the sequence; all by default.
    threads : int
        How many slices of the jets are worked on at a time.

    Returns
    -------
    ak.Array, shape (n_jets, var)
        As of `pt_sequences`.
    """
    by_pt = _by_pt(jets)
    pt, phi, eta = jets.places[0, by_pt], jets.places[2, by_pt], jets.eta[by_pt]
    order = np.empty(len(pt), dtype=np.int64)

    def run(first: int, last: int) -> None:
        _all_jets(pt, eta, phi, jets.offsets[first : last + 1], order)

    over_jets(run, len(jets), threads=threads)
    return _records(jets, by_pt[order + jets.offsets[jets.jet_of]], longest)


def _by_pt(jets: FlatJets) -> NDArray[np.int64]:
    return np.lexsort((-jets.places[0], jets.jet_of)).astype(np.int64)


def _records(jets: FlatJets, order: NDArray[np.int64], longest: int | None) -> ak.Array:
    """Return the constituents in an order that keeps jet after jet, cut to the longest length."""
    counts = jets.counts
    if longest is not None:
        order = order[np.arange(len(order)) - jets.offsets[jets.jet_of] < longest]
        counts = np.minimum(counts, longest)
    px, py, pz = (jets.total(jets.momenta[i]) for i in range(3))
    jet = jets.jet_of[order]
    axis_pt = np.hypot(px, py)
    axis_eta = np.arcsinh(np.divide(pz, axis_pt, out=np.zeros_like(pz), where=axis_pt > 0))
    dphi = jets.places[2, order] - np.arctan2(py, px)[jet]
    columns = {
        "pt": jets.places[0, order],
        "eta": jets.eta[order] - axis_eta[jet],
        "phi": (dphi + np.pi) % (2 * np.pi) - np.pi,
    }
    record = ak.contents.RecordArray(
        [ak.contents.NumpyArray(column.astype(np.float32)) for column in columns.values()],
        list(columns),
    )
    offsets = np.zeros(len(counts) + 1, dtype=np.int64)
    np.cumsum(counts, out=offsets[1:])
    return ak.Array(ak.contents.ListOffsetArray(ak.index.Index64(offsets), record))
