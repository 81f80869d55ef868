"""What is inside a jet: N-subjettiness, over whole arrays of jets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import awkward as ak
import fastjet
import numpy as np
from numpy.typing import NDArray

from ..core import InputError, nearest_names

__all__ = ["n_subjettiness", "ratio"]

# FastJet-contrib takes a name that it does not know for its default, without a word.
_AXES = (
    "KT_Axes",
    "CA_Axes",
    "AntiKT_Axes",
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
    axes: str = "OnePass_WTA_KT_Axes",
) -> NDArray[np.float64]:
    r"""Return the N-subjettiness of jets.

    .. math::
        \tau_N = \frac{\sum_i p_{T,i} \min_k \Delta R_{ik}^\beta}{\sum_i p_{T,i} R_0^\beta}

    over the constituents i, with N axes k: Thaler, Van Tilburg, arXiv:1011.2268, eq. (1); one
    pass of minimisation from the axes of winner-takes-all kT, arXiv:1108.2701.

    Parameters
    ----------
    constituents : ak.Array, shape (n_jets, var)
        Momentum4D with px, py, pz, E, in GeV.
    n : sequence of int
        The numbers of axes.
    beta, radius : float
        The exponent and R0.
    axes : str
        How the axes are found, by FastJet-contrib's name.

    Returns
    -------
    array, shape (n_jets, len(n))
        Zero for a jet of n or fewer constituents.

    Raises
    ------
    InputError
        If the axes have an unknown name.

    Examples
    --------
    Two equal particles at ΔR = 0.4: one axis lies on one of them, two lie on both.

    >>> from overdensity.processors.momentum import cartesian, momenta
    >>> jet = momenta(np.array([50.0, 50.0]), np.zeros(2), np.array([0.0, 0.4]), np.array([2]))
    >>> n_subjettiness(cartesian(jet), (1, 2)).round(3)
    array([[0.2, 0. ]])
    """
    if axes not in _AXES:
        msg = f"no N-subjettiness axes {axes!r}: {nearest_names(axes, _AXES)}"
        raise InputError(msg)
    if len(constituents) == 0:
        return np.empty((0, len(n)))
    # The sequence is only a vessel for the particles: any algorithm gives the same, and
    # Cambridge/Aachen with a tiny radius is the quickest to do next to nothing.
    vessel = fastjet.JetDefinition(fastjet.cambridge_algorithm, 1e-3)
    sequence: Any = fastjet.ClusterSequence(ak.to_packed(constituents), vessel)
    tau = sequence.njettiness("NormalizedMeasure", axes, list(n), beta, radius)
    return np.asarray(tau, dtype=np.float64).reshape(len(constituents), len(n))


def ratio(above: NDArray[Any], below: NDArray[Any]) -> NDArray[Any]:
    """Return the ratio of two arrays, and zero where the one below is zero."""
    return np.divide(above, below, out=np.zeros_like(above), where=below > 0)
