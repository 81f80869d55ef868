"""What is inside a jet: N-subjettiness, over whole arrays of jets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import awkward as ak
import fastjet
import numpy as np
from numpy.typing import NDArray

from ...core import InputError, nearest_names
from ..jets.constituents import flat_jets
from .n_subjettiness_kernel import one_pass_wta_kt

__all__ = ["contrib_n_subjettiness", "n_subjettiness", "ratio"]

# FastJet-contrib takes a name that it does not know for its default, silently.
_AXES = (
    "KT_Axes",
    "CA_Axes",
    "WTA_KT_Axes",
    "WTA_CA_Axes",
    "OnePass_KT_Axes",
    "OnePass_CA_Axes",
    "OnePass_WTA_KT_Axes",
    "OnePass_WTA_CA_Axes",
)


def n_subjettiness(
    constituents: ak.Array,
    n: Sequence[int] = (1, 2, 3),
    *,
    beta: float = 1.0,
    radius: float = 1.0,
    threads: int = 1,
) -> NDArray[np.float64]:
    r"""Return the N-subjettiness of jets, with one-pass winner-takes-all kT axes.

    .. math::
        \tau_N = \frac{\sum_i p_{T,i} \min_k \Delta R_{ik}^\beta}{\sum_i p_{T,i} R_0^\beta}

    over the constituents i, with N axes k: Thaler, Van Tilburg, arXiv:1011.2268, eq. (1); one pass
    of minimisation as in arXiv:1108.2701, from the axes of winner-takes-all kT clustering
    (Larkoski, Neill, Thaler, arXiv:1401.2158). Computed by `n_subjettiness_kernel`, which gives
    what FastJet-contrib's ``OnePass_WTA_KT_Axes`` gives, several times faster.

    Parameters
    ----------
    constituents : ak.Array, shape (n_jets, var)
        Momentum4D with px, py, pz, E, in GeV; pT above zero.
    n : sequence of int
        The numbers of axes.
    beta, radius : float
        The exponent and R0.
    threads : int
        How many threads share the jets; one where each core has its own worker process.

    Returns
    -------
    array, shape (n_jets, len(n))
        Zero for a jet of n or fewer constituents.

    Raises
    ------
    InputError
        If a number of axes, the exponent or the radius is not positive, or a constituent is not
        finite or has no pT.

    Examples
    --------
    Two particles at ΔR = 0.4: one axis rests on the harder, two lie on both.

    >>> from overdensity.processors.jets.momentum import cartesian, momenta
    >>> jet = momenta(np.array([75.0, 25.0]), np.zeros(2), np.array([0.0, 0.4]), np.array([2]))
    >>> n_subjettiness(cartesian(jet), (1, 2)).round(3)
    array([[0.1, 0. ]])
    """
    _check(n, beta, radius)
    axes = np.asarray(n, dtype=np.int64)
    jets = flat_jets(constituents)
    return one_pass_wta_kt(jets, axes, beta=beta, radius=radius, threads=threads)


def contrib_n_subjettiness(
    constituents: ak.Array,
    n: Sequence[int] = (1, 2, 3),
    *,
    beta: float = 1.0,
    radius: float = 1.0,
    axes: str = "OnePass_WTA_KT_Axes",
) -> NDArray[np.float64]:
    """Return the N-subjettiness of jets from FastJet-contrib, with any of its axes.

    Parameters
    ----------
    constituents, n, beta, radius
        As of `n_subjettiness`.
    axes : str
        How the axes are found, by FastJet-contrib's name.

    Returns
    -------
    array, shape (n_jets, len(n))
        Zero for a jet of n or fewer constituents.

    Raises
    ------
    InputError
        If the axes have an unknown name, or a parameter is not positive.
    """
    _check(n, beta, radius)
    if axes not in _AXES:
        msg = f"no N-subjettiness axes {axes!r}: {nearest_names(axes, _AXES)}"
        raise InputError(msg)
    if len(constituents) == 0:
        return np.empty((0, len(n)))
    # The cluster sequence only holds the particles: any algorithm gives the same, and
    # Cambridge/Aachen with a tiny radius is the fastest.
    vessel = fastjet.JetDefinition(fastjet.cambridge_algorithm, 1e-3)
    sequence: Any = fastjet.ClusterSequence(ak.to_packed(constituents), vessel)
    tau = sequence.njettiness("NormalizedMeasure", axes, list(n), beta, radius)
    return np.asarray(tau, dtype=np.float64).reshape(len(constituents), len(n))


def _check(n: Sequence[int], beta: float, radius: float) -> None:
    if min(n, default=0) < 1 or not beta > 0 or not radius > 0:
        msg = (
            f"N-subjettiness with {list(n)} axes, beta = {beta} and R0 = {radius}: "
            "all of these must be positive, and there must be axes"
        )
        raise InputError(msg)


def ratio(above: NDArray[Any], below: NDArray[Any]) -> NDArray[Any]:
    """Return the ratio of two arrays, and zero where the one below is zero."""
    return np.divide(above, below, out=np.zeros_like(above), where=below > 0)
