"""What the clustering tree of a jet tells: soft drop, the Lund plane, sums of mass ratios.

Every function takes the constituents of jets, or the `Trees` that `cambridge_aachen` has made of
them: cluster once, then ask for several.
"""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

import awkward as ak
import numba
import numpy as np
from numpy.typing import NDArray

from ...core import InputError
from ..jets.constituents import FlatJets
from .cambridge import Trees, cambridge_aachen

__all__ = [
    "Groomed",
    "SoftDrop",
    "cambridge_aachen",
    "declustering_sum",
    "lund_declusterings",
    "recursive_soft_drop",
    "soft_drop",
]

Jets: TypeAlias = ak.Array | FlatJets | Trees

_compiled = numba.njit(cache=True, nogil=True, error_model="numpy")


class SoftDrop(NamedTuple):
    """Jets after soft drop.

    Attributes
    ----------
    mass : array, shape (n_jets,)
        In GeV. Of a single constituent where no splitting passes, zero without constituents.
    zg, rg : array, shape (n_jets,)
        Momentum fraction and ΔR of the splitting that passes; zero where none does.
    """

    mass: NDArray[np.float64]
    zg: NDArray[np.float64]
    rg: NDArray[np.float64]


class Groomed(NamedTuple):
    """Jets after recursive soft drop.

    Attributes
    ----------
    mass : array, shape (n_jets,)
        In GeV.
    n_prongs : array of int, shape (n_jets,)
        One more than splittings have passed; zero without constituents.
    kept : ak.Array of bool, shape (n_jets, var)
        Which constituents are left: ``constituents[kept]`` are those of the groomed jets.
    """

    mass: NDArray[np.float64]
    n_prongs: NDArray[np.int64]
    kept: ak.Array


def soft_drop(
    jets: Jets, *, z_cut: float = 0.1, beta: float = 0.0, radius: float = 1.0
) -> SoftDrop:
    r"""Groom jets by soft drop: leave out soft particles at wide angles.

    From the last merger on, the piece of smaller pT is dropped until

    .. math::
        z = \frac{\min(p_{T,1}, p_{T,2})}{p_{T,1} + p_{T,2}}
          > z_\mathrm{cut} \left(\frac{\Delta R_{12}}{R_0}\right)^\beta

    Larkoski, Marzani, Soyez, Thaler, arXiv:1402.2657, eq. (1.1), on a Cambridge/Aachen tree.
    β = 0 is the modified mass-drop tagger (Dasgupta et al., arXiv:1307.0007).

    Parameters
    ----------
    jets : ak.Array, shape (n_jets, var), FlatJets or Trees
        Constituents with px, py, pz, E in GeV, or their trees.
    z_cut, beta : float
        The condition.
    radius : float
        R0.

    Raises
    ------
    InputError
        If z_cut is negative, the radius is not positive, or a constituent is not finite or has
        no pT.

    Examples
    --------
    A soft particle at a wide angle goes; two like ones stay.

    >>> from overdensity.processors.jets.momentum import cartesian, momenta
    >>> pt, phi = np.array([60.0, 40.0, 5.0]), np.array([0.0, 0.2, 0.8])
    >>> jet = cartesian(momenta(pt, np.zeros(3), phi, np.array([3])))
    >>> mass, zg, rg = soft_drop(jet)
    >>> [float(x[0].round(3)) for x in (mass, zg, rg)]
    [9.782, 0.4, 0.2]
    """
    _check(z_cut, radius)
    trees = _trees(jets)
    passes = trees.z * radius**beta > z_cut * _powers(trees, beta)
    last = _last_nodes(trees.offsets, trees.pieces, passes)
    mass, zg, rg = np.zeros((3, len(trees)))
    some = np.flatnonzero(last >= 0)
    mass[some] = trees.masses[last[some]]
    tagged = some[trees.pieces[0, last[some]] >= 0]
    zg[tagged], rg[tagged] = trees.z[last[tagged]], trees.angles[last[tagged]]
    return SoftDrop(mass, zg, rg)


def lund_declusterings(jets: Jets) -> ak.Array:
    r"""Return the primary Lund planes of jets: the declusterings along their hardest branches.

    From the last merger on, always into the piece a of larger pT, away from the piece b; of each
    splitting (Dreyer, Salam, Soyez, arXiv:1807.04758, eqs. (2.1) and (2.2))

    .. math::
        \Delta = \Delta R_{ab}, \quad k_t = p_{T,b} \Delta, \quad
        z = \frac{p_{T,b}}{p_{T,a} + p_{T,b}}, \quad
        \psi = \operatorname{atan2}(y_b - y_a, \varphi_b - \varphi_a), \quad m^2 = (p_a + p_b)^2

    Splittings without an angle (two particles on one spot) lie at infinity and are left out.

    Parameters
    ----------
    jets : ak.Array, shape (n_jets, var), FlatJets or Trees
        Constituents with px, py, pz, E in GeV, or their trees.

    Returns
    -------
    ak.Array, shape (n_jets, var)
        Records of ``ln_inv_delta``, ``ln_kt`` (kt in GeV), ``z``, ``psi`` in (-π, π], ``mass``,
        ``mass_hard`` and ``mass_soft`` in GeV, of the pair and its pieces; float64, the first
        splitting first.

    Raises
    ------
    InputError
        If a constituent is not finite or has no pT.
    """
    trees = _trees(jets)
    nodes, counts = _primary_branches(trees.offsets, trees.pieces, trees.angles)
    hard, soft = trees.pieces[:, nodes]
    dy, dphi = trees.steps[:, nodes]
    delta, masses = trees.angles[nodes], trees.masses
    record = {
        "ln_inv_delta": -np.log(delta),
        "ln_kt": np.log(trees.places[0, soft] * delta),
        "z": trees.z[nodes],
        "psi": np.arctan2(dy, dphi),
        "mass": masses[nodes],
        "mass_hard": masses[hard],
        "mass_soft": masses[soft],
    }
    return ak.unflatten(ak.zip(record), counts)


def declustering_sum(jets: Jets, *, scale: float = 20.0) -> NDArray[np.float64]:
    r"""Return the sum of the mass ratios of parents to daughters in the trees of jets.

    The "observable similar to soft drop defined by clustering the jets with the C/A algorithm,
    then de-clustering them branch by branch, and summing the ratios of parent to daughter subjet
    masses along the way, stopping at some pre-defined mass scale which we have chosen to be
    20 GeV" of BuHuLaSpa: LHC Olympics 2020, arXiv:2101.08320, section 3.3.1. The words leave open
    which branches are followed and what the last ratio of a branch is. Here all branches are
    followed, and a daughter below the scale ends its branch without adding to the sum, which its
    mass, often zero, could make infinite:

    .. math:: \sum_{\text{parent} \to d,\; m_d > m_\mathrm{scale}} m_\text{parent} / m_d

    Parameters
    ----------
    jets : ak.Array, shape (n_jets, var), FlatJets or Trees
        Constituents with px, py, pz, E in GeV, or their trees.
    scale : float
        Where the declustering stops, in GeV.

    Returns
    -------
    array, shape (n_jets,)
        Zero for a jet without subjets above the scale.

    Raises
    ------
    InputError
        If the scale is not positive, or a constituent is not finite or has no pT.
    """
    if not scale > 0:
        msg = f"the declustering stops at a mass of {scale} GeV; it must be positive"
        raise InputError(msg)
    trees = _trees(jets)
    # Parents are heavier than daughters: a subjet above the scale has only parents above it.
    parents = np.flatnonzero(trees.pieces[0] >= 0)
    masses = trees.masses
    daughters = masses[trees.pieces[:, parents]]
    ratios = np.divide(
        masses[parents], daughters, out=np.zeros_like(daughters), where=daughters > scale
    )
    jet = np.repeat(np.arange(len(trees)), np.diff(trees.offsets))[parents]
    sums = np.bincount(jet, weights=ratios.sum(axis=0), minlength=len(trees))
    return sums.astype(np.float64)  # without weights, numpy counts in integers


def recursive_soft_drop(
    jets: Jets,
    *,
    z_cut: float = 0.1,
    beta: float = 0.0,
    radius: float = 1.0,
    n: int | None = None,
    dynamic_radius: bool = True,
) -> Groomed:
    """Groom jets by recursive soft drop: soft drop in the pieces of what has passed it.

    Of all branches, that with the largest ΔR is split next, until n splittings have passed the
    condition of `soft_drop`, or no branch is left: Dreyer, Necib, Soyez, Thaler, arXiv:1804.03657,
    section 2.2. With the dynamic radius, R0 is the ΔR of the last splitting that has passed,
    whichever branch it was on, as in FastJet-contrib's ``set_dynamical_R0``; two particles on one
    spot leave it as it is.

    Parameters
    ----------
    jets : ak.Array, shape (n_jets, var), FlatJets or Trees
        Constituents with px, py, pz, E in GeV, or their trees.
    z_cut, beta : float
        The condition.
    radius : float
        R0, with the dynamic radius that of the first splitting.
    n : int, optional
        How many splittings are to pass; infinity by default. One gives soft drop, zero nothing.
    dynamic_radius : bool
        Whether R0 follows the splittings.

    Raises
    ------
    InputError
        If z_cut or n is negative, the radius is not positive, or a constituent is not finite or
        has no pT.
    """
    _check(z_cut, radius)
    if n is not None and n < 0:
        msg = f"recursive soft drop with {n} splittings; there must be none, some, or None for all"
        raise InputError(msg)
    trees = _trees(jets)
    angles = np.where(trees.pieces[0] < 0, -1.0, trees.angles)
    splittings = np.stack([angles, trees.z, _powers(trees, beta)])
    settings = (z_cut, float(radius) ** beta, len(angles) if n is None else n, dynamic_radius)
    kept, n_prongs = _groom(trees.offsets, trees.pieces, splittings, settings)
    leaves = trees.leaves[kept[trees.leaves]]
    jet = np.repeat(np.arange(len(trees)), np.diff(trees.offsets))[leaves]
    px, py, pz, energy = (
        np.bincount(jet, weights=p[leaves], minlength=len(trees)) for p in trees.momenta
    )
    mass = np.sqrt(np.maximum((energy - pz) * (energy + pz) - px * px - py * py, 0.0))
    return Groomed(mass, n_prongs, ak.unflatten(kept[trees.leaves], trees.counts))


def _trees(jets: Jets) -> Trees:
    return jets if isinstance(jets, Trees) else cambridge_aachen(jets)


def _check(z_cut: float, radius: float) -> None:
    if not (z_cut >= 0 and radius > 0):
        msg = (
            f"soft drop with z_cut = {z_cut} and R0 = {radius}: "
            "z_cut must not be negative and R0 must be positive"
        )
        raise InputError(msg)


def _powers(trees: Trees, beta: float) -> NDArray[np.float64]:
    """Return ΔR^β of all nodes, shape (n_nodes,)."""
    with np.errstate(divide="ignore"):  # particles on one spot never pass if β is negative
        return trees.angles**beta


@_compiled
def _last_nodes(offsets: Any, pieces: Any, stops: Any) -> Any:
    """Return for each jet the first node along the hardest branch to stop at; -1 if empty."""
    last = np.full(len(offsets) - 1, -1, dtype=np.int64)
    for jet in range(len(last)):
        if offsets[jet + 1] > offsets[jet]:
            node = offsets[jet + 1] - 1
            while pieces[0, node] >= 0 and not stops[node]:
                node = pieces[0, node]
            last[jet] = node
    return last


@_compiled
def _primary_branches(offsets: Any, pieces: Any, angles: Any) -> Any:
    """Return the mergers with an angle along the hardest branches, and how many each jet has."""
    nodes, total = np.empty(pieces.shape[1], dtype=np.int64), 0
    counts = np.zeros(len(offsets) - 1, dtype=np.int64)
    for jet in range(len(counts)):
        if offsets[jet + 1] == offsets[jet]:
            continue
        node = offsets[jet + 1] - 1
        while pieces[0, node] >= 0:
            if angles[node] > 0:
                nodes[total] = node
                counts[jet] += 1
                total += 1
            node = pieces[0, node]
    return nodes[:total], counts


@_compiled
def _groom(offsets: Any, pieces: Any, splittings: Any, settings: Any) -> Any:
    """Return which nodes are left in the groomed jets, and how many prongs each of these has.

    Of each node, ``splittings`` has ΔR (negative for a constituent), z and ΔR^β; ``settings`` are
    z_cut, R0^β, n, and whether the radius is dynamic.
    """
    angles, z, powers = splittings
    z_cut, first_power, n, dynamic = settings
    kept = np.zeros(pieces.shape[1], dtype=np.bool_)
    n_prongs = np.zeros(len(offsets) - 1, dtype=np.int64)
    for jet in range(len(n_prongs)):
        if offsets[jet + 1] == offsets[jet]:
            continue
        root, n_branches, power = offsets[jet + 1] - 1, 1, first_power
        branches = np.empty((root - offsets[jet]) // 2 + 1, dtype=np.int64)
        branches[0] = root
        while n_branches <= n:
            widest = 0
            for i in range(1, n_branches):
                widest = i if angles[branches[i]] > angles[branches[widest]] else widest
            node = branches[widest]
            if angles[node] < 0:
                break
            branches[widest] = pieces[0, node]
            if z[node] * power > z_cut * powers[node]:
                branches[n_branches] = pieces[1, node]
                n_branches += 1
                if dynamic and angles[node] > 0:
                    power = powers[node]
        n_prongs[jet] = n_branches
        for i in range(n_branches):
            kept[branches[i]] = True
        for node in range(root, offsets[jet] + len(branches) - 1, -1):
            if kept[node]:
                kept[pieces[0, node]] = kept[pieces[1, node]] = True
    return kept, n_prongs
