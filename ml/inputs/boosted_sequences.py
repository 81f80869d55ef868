"""Jets boosted to one mass, one energy and one orientation, as sequences of their constituents."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..blocks.constituents import mask_of

__all__ = ["ENERGY", "FEWEST", "MASS", "Order", "boosted", "sequences"]

Order = Literal["kt", "pt"]

MASS, ENERGY = 0.25, 1.0
"""Of every jet after the boost, in units of its own."""
FEWEST = 3
"""Constituents that a jet must keep."""

_RADIUS = 1.0
_ROUNDS = 20  # most jets are done after two
_MASSLESS = 1e-9  # m²/E², below which a jet cannot be boosted


def sequences(
    padded: NDArray[np.float32], longest: int, order: Order = "kt"
) -> NDArray[np.float32]:
    r"""Return jets as sequences of their constituents, boosted (:func:`boosted`).

    Those of the largest :math:`p_T \Delta R` to the axis of the jet are kept, and boosted anew. In kT order the first
    is the hardest, and each next one that with the largest :math:`p_{T,n} \Delta R_{n,n-1}` from the
    one before (A. Kahn et al., LHC Olympics 2020, arXiv:2101.08320, section 3.1, equation 3.1).

    Parameters
    ----------
    padded : ndarray of float32, shape (n_jets, n_constituents, 3)
        pT, eta and phi from the axis of the jet, in any unit; zeros are padding.
    longest : int
        Constituents that are kept.
    order : {"kt", "pt"}
        ``"pt"``: in order of falling pT after the boost.

    Returns
    -------
    ndarray of float32, shape (n_jets, longest, 3)
        pT, eta and phi after the boost. A jet that cannot be boosted has none.

    Examples
    --------
    >>> jet = np.array([[[0.5, 0.1, 0.0], [0.3, -0.2, 0.1], [0.2, 0.1, -0.2], [0, 0, 0]]], "f4")
    >>> sequences(jet, 3).shape, bool(sequences(jet, 3)[0, 0, 0] > 0)
    ((1, 3, 3), True)
    """
    places = boosted(padded)
    n, width = len(places), min(longest, places.shape[1])
    kt = places[..., 0] * np.hypot(places[..., 1], places[..., 2])
    kt[~mask_of(places)] = -1.0
    chosen = np.argsort(-kt, axis=1, kind="stable")[:, :width]
    kept = boosted(np.take_along_axis(places, chosen[..., None], axis=1))
    by_pt = np.argsort(-kept[..., 0], axis=1, kind="stable")
    kept = np.take_along_axis(kept, by_pt[..., None], axis=1)
    if order == "kt":
        kept = np.take_along_axis(kept, _far_from_the_last(kept)[..., None], axis=1)
    made = np.zeros((n, longest, 3), np.float32)
    made[:, :width] = kept
    return made


def boosted(padded: NDArray[Any]) -> NDArray[np.float64]:
    """Return the constituents of jets that all have one mass, one energy and one orientation.

    A jet is scaled to the mass 0.25 and boosted along its axis to the energy 1; its axis becomes
    eta = phi = 0, and it is turned about it until its hardest constituent, that of the largest energy,
    has eta = 0 and phi > 0. Constituents with ΔR > 1 are then dropped and the jet is boosted anew,
    until none is (LHC Olympics 2020, arXiv:2101.08320, section 3.1.1, and the authors' public code).
    All that a jet of other mass or momentum differs by afterwards is its substructure.

    Parameters
    ----------
    padded : ndarray of float32, shape (n_jets, n_constituents, 3)
        As in :func:`sequences`; constituents are massless.

    Returns
    -------
    ndarray of float64, shape (n_jets, n_constituents, 3)
        pT, eta and phi; zeros where a constituent was dropped, and for all of a jet that has
        fewer than three left, or no mass.
    """
    pt, eta, phi = padded.astype(np.float64).transpose(2, 0, 1)
    momenta = np.stack([pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta)], axis=2)
    mask = mask_of(padded)
    places = np.zeros(padded.shape)
    todo = np.arange(len(padded))
    for _ in range(_ROUNDS):
        of, kept = momenta[todo], mask[todo]
        found = _one_boost(of, kept)
        near = kept & (np.hypot(found[..., 1], found[..., 2]) <= _RADIUS) & (found[..., 0] > 0)
        places[todo] = np.where(near[..., None], found, 0.0)
        again = (near != kept).any(axis=1)
        mask[todo] = near
        todo = todo[again]
        if not len(todo):
            break
    places[todo] = 0.0
    places[mask_of(places).sum(axis=1) < FEWEST] = 0.0
    return places


def _one_boost(momenta: NDArray[np.float64], mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return pT, eta and phi of the constituents after one boost; zeros for jets without mass."""
    momenta = np.where(mask[..., None], momenta, 0.0)
    energy = np.sqrt((momenta**2).sum(axis=2))
    total, whole = momenta.sum(axis=1), energy.sum(axis=1)
    length = np.sqrt((total**2).sum(axis=1))
    mass2 = whole**2 - length**2
    good = (mass2 > _MASSLESS * whole**2) & (length > 0)
    axis = total / np.where(good, length, 1.0)[:, None]
    along = np.einsum("nci,ni->nc", momenta, axis)
    across = momenta - along[..., None] * axis[:, None]
    # Along the axis rapidities are added: from that of the jet to that of mass 0.25 at energy 1.
    beta = np.divide(length, whole, out=np.zeros_like(length), where=good)
    by = np.arctanh(np.sqrt(1 - (MASS / ENERGY) ** 2)) - np.arctanh(np.where(good, beta, 0.0))
    scale = MASS / np.sqrt(np.where(good, mass2, 1.0))
    cosh, sinh = np.cosh(by)[:, None], np.sinh(by)[:, None]
    x, after = (along * cosh + energy * sinh), (energy * cosh + along * sinh)
    hardest = across[np.arange(len(across)), np.where(mask, after, -1.0).argmax(axis=1)]
    second = _unit(hardest)
    third = np.cross(axis, second)
    y, z = (np.einsum("nci,ni->nc", across, each) for each in (second, third))
    pt = np.hypot(x, y)
    eta = np.arcsinh(np.divide(z, pt, out=np.zeros_like(z), where=pt > 0))
    found = np.stack([pt * scale[:, None], eta, np.arctan2(y, x)], axis=2)
    return np.where((mask & good[:, None])[..., None], found, 0.0)


def _unit(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    length = np.sqrt((vectors**2).sum(axis=1))[:, None]
    return np.divide(vectors, length, out=np.zeros_like(vectors), where=length > 0)


def _far_from_the_last(jets: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the kT order of jets whose constituents come in order of falling pT; padding is last."""
    n, width = jets.shape[:2]
    rows, order = np.arange(n), np.zeros((n, width), np.int64)
    left = np.where(mask_of(jets), 0.0, -1.0)
    last = np.zeros(n, np.int64)
    for place in range(width):
        if place:
            here = jets[rows, last]
            kt: NDArray[Any] = jets[..., 0] * np.hypot(
                jets[..., 1] - here[:, None, 1], jets[..., 2] - here[:, None, 2]
            )
            last = np.where(np.isinf(left), left, np.where(left < 0, left, kt)).argmax(axis=1)
        order[:, place] = last
        left[rows, last] = -np.inf
    return order
