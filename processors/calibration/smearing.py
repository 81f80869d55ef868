"""Jet energy resolution of the simulation, smeared to that of data by CMS's hybrid method."""

from __future__ import annotations

from typing import Any

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from ...core.identity import GOLDEN, mix64
from ..jets.momentum import Jagged

__all__ = ["matched_pt", "normal_deviates", "smearing_factor"]

Floats = NDArray[np.float64]

_SMEARING = np.uint64(
    0x6A65725F736D6561
)  # keeps these random numbers apart from others of an event
_MATCH_SIGMA = 3.0
_SMALLEST = 1e-3  # a jet is not turned round, whatever the tail of a normal distribution says


def normal_deviates(event: NDArray[np.uint64], index: NDArray[np.integer[Any]]) -> Floats:
    """Return a normal random number for each jet, made of its event's id and its place there.

    The same for a jet whatever the chunk, the worker and the variation: the nominal, up and down
    smearing of a jet differ by the scale factor alone. Two uniform numbers from `mix64` by the
    transformation of Box and Muller (Ann. Math. Statist. 29 (1958) 610).

    Parameters
    ----------
    event : array of uint64, shape (n_jets,)
        Id of the event of each jet.
    index : array of int, shape (n_jets,)
        Place of the jet in the event, as stored.

    Returns
    -------
    array of float64, shape (n_jets,)
    """
    state = mix64(event ^ _SMEARING)
    place = np.uint64(2) * index.astype(np.uint64)
    uniform = [
        (np.right_shift(mix64(state + (place + np.uint64(k)) * GOLDEN), np.uint64(11)) + 0.5)
        * 2.0**-53
        for k in (1, 2)
    ]
    return np.sqrt(-2 * np.log(uniform[0])) * np.cos(2 * np.pi * uniform[1])


def matched_pt(jets: Jagged, generated: Jagged, resolution: Floats, *, radius: float) -> Floats:
    """Return the pT of the generator jet that belongs to each jet, or -1 where there is none.

    It is the nearest of those within ΔR < R / 2 whose pT differs by less than three times the
    resolution, as in CMS's software (`JetResolution`, see `smearing_factor`).

    Parameters
    ----------
    jets, generated : ak.Array, shape (n_events, var)
        With pt, eta, phi; GeV.
    resolution : array, shape (n_jets,)
        Relative resolution of pT of each jet, event after event.
    radius : float
        R of the jets.

    Returns
    -------
    array of float64, shape (n_jets,)
        GeV.
    """
    pairs: Jagged = ak.cartesian({"jet": jets, "generated": generated}, nested=True)
    sigma = ak.unflatten(resolution, ak.num(jets.pt, axis=1)) * jets.pt
    deta = pairs.jet.eta - pairs.generated.eta
    dphi = (pairs.jet.phi - pairs.generated.phi + np.pi) % (2 * np.pi) - np.pi
    distance = np.hypot(deta, dphi)
    close = (distance < radius / 2) & (
        np.abs(pairs.jet.pt - pairs.generated.pt) < _MATCH_SIGMA * sigma
    )
    nearest = ak.argmin(ak.where(close, distance, np.inf), axis=2, keepdims=True)
    candidates = ak.where(close, pairs.generated.pt, -1.0)[nearest]
    found = ak.flatten(ak.firsts(candidates, axis=2))
    return ak.to_numpy(ak.fill_none(found, -1.0)).astype(np.float64)


def smearing_factor(
    pt: Floats, generated_pt: Floats, resolution: Floats, scale: Floats, deviate: Floats
) -> Floats:
    r"""Return the factor on each jet's momentum that gives the simulation the resolution of data.

    With the resolution :math:`\sigma` of the simulation and the ratio :math:`s` of that of data
    to it, a jet with a generator jet moves away from it and another one is smeared at random
    (CMS, arXiv:1607.03663; `JetResolution
    <https://twiki.cern.ch/twiki/bin/view/CMS/JetResolution>`_):

    .. math::

        c = 1 + (s - 1) \frac{p_T - p_T^\text{gen}}{p_T}
        \qquad\text{or}\qquad
        c = 1 + z \sigma \sqrt{\max(s^2 - 1, 0)}, \quad z \sim N(0, 1).

    Parameters
    ----------
    pt : array, shape (n_jets,)
        In GeV.
    generated_pt : array, shape (n_jets,)
        That of `matched_pt`; negative where there is none.
    resolution, scale, deviate : array, shape (n_jets,)
        :math:`\sigma` (relative), :math:`s` and :math:`z`.

    Returns
    -------
    array of float64, shape (n_jets,)
        At least 0.001.
    """
    scaled = 1 + (scale - 1) * (pt - generated_pt) / pt
    random = 1 + deviate * resolution * np.sqrt(np.maximum(scale**2 - 1, 0))
    return np.maximum(np.where(generated_pt >= 0, scaled, random), _SMALLEST)
