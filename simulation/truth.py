"""What jets come from: quarks and gluons of the hard process, and the resonances above them."""

from __future__ import annotations

from dataclasses import dataclass

import awkward as ak
import numpy as np
from numpy.typing import NDArray

__all__ = ["Partons", "origin_of_jets", "partons_of"]

_OUTGOING = (22, 23)  # status of what the hard process and its resonances decay to
_GLUON, _HEAVIEST_QUARK = 21, 5
_LEVELS = 3  # of resonances: a quark of a W boson of a top quark of a Z'
_SAME = 1_000  # copies of one particle, at most: showers make one at each recoil


@dataclass(frozen=True)
class Partons:
    """Quarks and gluons of the hard process and of decays of resonances, of a batch of events.

    Attributes
    ----------
    event : NDArray[np.int64], shape (n_partons,)
        Index of the event in the batch, not decreasing.
    pdg_id : NDArray[np.int64], shape (n_partons,)
        Particle Data Group code.
    pt, eta, phi : NDArray[np.float64], shape (n_partons,)
        Transverse momentum (GeV) and direction before the shower.
    above : NDArray[np.int64], shape (n_partons, 3)
        The resonances it comes from, the nearest first, as rows of the batch's record; -1: none.
    above_id : NDArray[np.int64], shape (n_partons, 3)
        Their codes; 0: none.
    """

    event: NDArray[np.int64]
    pdg_id: NDArray[np.int64]
    pt: NDArray[np.float64]
    eta: NDArray[np.float64]
    phi: NDArray[np.float64]
    above: NDArray[np.int64]
    above_id: NDArray[np.int64]


def partons_of(prt: ak.Array) -> Partons:
    """Find the partons in Pythia's event records.

    Parameters
    ----------
    prt : ak.Array
        Particles of a batch, as ``Pythia.nextBatch`` gives them.

    Returns
    -------
    Partons
        Of status 23 (Pythia's manual, "Particle Properties"): outgoing, and no resonance.
    """
    counts = ak.num(prt, axis=1).to_numpy()
    starts = np.cumsum(counts) - counts
    flat = ak.flatten(prt, axis=1)
    pdg_id, status = flat.id.to_numpy().astype(np.int64), np.abs(flat.status.to_numpy())
    kinds = np.abs(pdg_id)
    rows = np.flatnonzero((status == 23) & ((kinds <= _HEAVIEST_QUARK) | (kinds == _GLUON)))
    event = np.searchsorted(starts, rows, side="right") - 1
    first = starts[event]
    mothers = flat.mother1.to_numpy().astype(np.int64)

    above = np.full((len(rows), _LEVELS), -1)
    here = rows
    for level in range(_LEVELS):
        here = _first_copy(first + mothers[here], first, pdg_id, mothers)
        made = (status[here] == 22) & (here > first)  # of the hard process or of a decay
        above[:, level] = np.where(made, here, -1)
    px, py, pz = (flat.p[x].to_numpy()[rows] for x in ("px", "py", "pz"))
    pt = np.hypot(px, py)
    return Partons(
        event=event,
        pdg_id=pdg_id[rows],
        pt=pt,
        eta=np.arcsinh(pz / np.maximum(pt, 1e-9)),
        phi=np.arctan2(py, px),
        above=above,
        above_id=np.where(above >= 0, pdg_id[above], 0),
    )


def _first_copy(
    rows: NDArray[np.int64],
    first: NDArray[np.int64],
    pdg_id: NDArray[np.int64],
    mothers: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Follow particles back through copies of themselves; entry 0 of a record is its end."""
    for _ in range(_SAME):
        back = first + mothers[rows]
        same = (pdg_id[back] == pdg_id[rows]) & (back > first) & (back != rows)
        if not same.any():
            break
        rows = np.where(same, back, rows)
    return rows


def origin_of_jets(
    partons: Partons,
    eta: NDArray[np.float64],
    phi: NDArray[np.float64],
    radius: float,
) -> tuple[NDArray[np.int32], NDArray[np.int8]]:
    """Say what each jet comes from: a resonance whose decay it holds, or a quark or gluon.

    A jet is of a resonance if all partons of its decay lie within the radius of the jet's axis;
    of several, of the one with most partons. Else it is of its hardest parton within the radius.

    Parameters
    ----------
    partons : Partons
        Of a batch of events.
    eta, phi : NDArray[np.float64], shape (n_events, n_jets)
        Directions of jets; NaN where there is none.
    radius : float
        In η and φ.

    Returns
    -------
    pdg_id : NDArray[np.int32], shape (n_events, n_jets)
        Code of the resonance or parton, without its sign; 0: none is near.
    prongs : NDArray[np.int8], shape (n_events, n_jets)
        Partons of it.
    """
    n_events, n_jets = eta.shape
    origin = np.zeros((n_events, n_jets), np.int32)
    prongs = np.zeros((n_events, n_jets), np.int8)
    event, kinds = partons.event, np.abs(partons.pdg_id)
    below, level = np.nonzero(partons.above >= 0)  # partons of resonances, at any level
    _, first, which = np.unique(partons.above[below, level], return_index=True, return_inverse=True)
    size = np.bincount(which, minlength=len(first))
    of_event = event[below[first]]
    code = np.abs(partons.above_id[below[first], level[first]])
    by_size = np.argsort(size, kind="stable")
    by_pt = np.argsort(partons.pt, kind="stable")
    for jet in range(n_jets):
        difference = np.abs(partons.phi - phi[event, jet]) % (2 * np.pi)
        distance = np.hypot(
            partons.eta - eta[event, jet], np.minimum(difference, 2 * np.pi - difference)
        )
        inside = distance < radius  # false for no jet, which is NaN
        rows = by_pt[inside[by_pt]]
        origin[event[rows], jet] = kinds[rows]  # the hardest is the last, and stays
        prongs[event[rows], jet] = 1
        held = np.bincount(which, weights=inside[below], minlength=len(first)).astype(np.int64)
        whole = by_size[((held == size) & (size > 1))[by_size]]
        origin[of_event[whole], jet] = code[whole]  # and here the one with most partons
        prongs[of_event[whole], jet] = size[whole]
    return origin, prongs
