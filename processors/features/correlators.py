"""Energy correlation functions of jets in numba, and the ratios C2 and D2 of them."""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from ..jets.constituents import FlatJets, over_jets

__all__ = ["energy_correlators"]

# Sums may be reordered, which vectorises them; infinities and NaNs keep their meaning.
_compiled = numba.njit(
    cache=True, nogil=True, error_model="numpy", fastmath={"reassoc", "contract", "nsz", "arcp"}
)


@_compiled
def _angles(y: Any, phi: Any, beta: float, theta: Any) -> None:
    """Fill theta[i, j] for j > i with the distances of all pairs to the power beta."""
    for i in range(len(y)):
        for j in range(i + 1, len(y)):
            dphi = abs(phi[i] - phi[j])
            dphi = min(dphi, 2 * math.pi - dphi)
            theta[i, j] = (y[i] - y[j]) ** 2 + dphi * dphi
        if beta == 1.0:
            for j in range(i + 1, len(y)):
                theta[i, j] = math.sqrt(theta[i, j])
        elif beta != 2.0:
            for j in range(i + 1, len(y)):
                theta[i, j] = theta[i, j] ** (0.5 * beta)


@_compiled
def _correlate(pt: Any, y: Any, phi: Any, beta: float) -> tuple[float, float]:
    """Return e2 and e3 of a jet.

    Around each particle j, what those before it give to each k behind it is added up row by row:
    n³ / 6 steps, vectorised over k.
    """
    n = len(pt)
    z = pt / np.sum(pt)
    theta, before = np.empty((n, n)), np.empty(n)
    _angles(y, phi, beta, theta)
    e2 = e3 = 0.0
    for j in range(n):
        before[:] = 0.0
        for i in range(j):
            weight = z[i] * theta[i, j]
            for k in range(j + 1, n):
                before[k] += weight * theta[i, k]
        two = three = 0.0
        for k in range(j + 1, n):
            pair = z[k] * theta[j, k]
            two += pair
            three += pair * before[k]
        e2 += z[j] * two
        e3 += z[j] * three
    return e2, e3


@_compiled
def _all_jets(places: Any, offsets: Any, beta: float, result: Any) -> None:
    for jet in range(len(offsets) - 1):
        pt, y, phi = places[:, offsets[jet] : offsets[jet + 1]]
        if len(pt) > 1:
            result[jet, 0], result[jet, 1] = _correlate(pt, y, phi, beta)


def energy_correlators(
    jets: FlatJets, *, beta: float = 1.0, threads: int = 1
) -> NDArray[np.float64]:
    r"""Return the normalised two- and three-point energy correlation functions of jets.

    .. math::
        e_2 = \sum_{i<j} z_i z_j \theta_{ij}^\beta, \qquad
        e_3 = \sum_{i<j<k} z_i z_j z_k \theta_{ij}^\beta \theta_{ik}^\beta \theta_{jk}^\beta

    with the fractions z of the scalar sum of pT and θ the distance in rapidity and azimuth
    (Larkoski, Salam, Thaler, arXiv:1305.0007). Of them, ``C2 = e3 / e2²`` is defined there and
    ``D2 = e3 / e2³`` in Larkoski, Moult, Neill, arXiv:1409.6298.

    Parameters
    ----------
    jets : FlatJets
        The jets.
    beta : float
        The exponent.
    threads : int
        How many slices of the jets are worked on at a time.

    Returns
    -------
    array, shape (n_jets, 2)
        e2 and e3; zero for a jet of fewer than two, or three, constituents.
    """
    result = np.zeros((len(jets), 2))

    def run(first: int, last: int) -> None:
        _all_jets(jets.places, jets.offsets[first : last + 1], beta, result[first:last])

    over_jets(run, len(jets), threads=threads)
    return result
