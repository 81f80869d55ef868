"""Declusterings of jets as counts in the cells of a plane: the words of topic models.

Which splittings a jet has, and not in which order, is what latent Dirichlet allocation reads: a bag of
words (arXiv:2101.08320, section 3.6). Each plane is one basis of it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .cambridge import Trees

__all__ = ["LUND_PLANE", "MASS_PLANE", "lund_plane", "mass_plane"]

_LEAST_MASS = 30.0  # GeV, of a subjet whose splitting counts (section 3.6.1)
_MASSES = np.concatenate([np.arange(30.0, 200.0, 10.0), np.arange(200.0, 801.0, 50.0), [np.inf]])
_DROPS = np.linspace(0.0, 0.8, 9)  # above, an emission so soft that it tells little
_LN_INV_DELTA = np.linspace(0.0, 5.0, 11)
_LN_KT = np.linspace(-1.0, 7.0, 17)

MASS_PLANE = (len(_MASSES) - 1, len(_DROPS) - 1)
"""Rows and columns of `mass_plane`."""
LUND_PLANE = (len(_LN_KT) - 1, len(_LN_INV_DELTA) - 1)
"""Rows and columns of `lund_plane`."""


def mass_plane(trees: Trees) -> NDArray[np.uint8]:
    """Return how many splittings jets have in cells of subjet mass and mass drop.

    The mass basis: splittings of subjets above 30 GeV, on all branches, whose heavier piece has no more than
    0.8 of the mass of the subjet, its mass drop: half of all splittings are softer, and topics describe
    them in place of a signal. Bins of 10 GeV to 200 GeV and of 50 GeV to 800 GeV, with what is above in the
    last row; eight equal bins of the mass drop.

    Parameters
    ----------
    trees : Trees
        Of `cambridge_aachen`.

    Returns
    -------
    array of uint8, shape (n_jets, *MASS_PLANE)
    """
    masses = trees.masses
    parents = np.flatnonzero((trees.pieces[0] >= 0) & (masses > _LEAST_MASS))
    drop = masses[trees.pieces[:, parents]].max(axis=0) / masses[parents]
    jet = np.repeat(np.arange(len(trees)), np.diff(trees.offsets))[parents]
    return _counts(jet, (masses[parents], _MASSES), (drop, _DROPS), len(trees))


def lund_plane(
    jet: NDArray[np.int64],
    ln_inv_delta: NDArray[np.float64],
    ln_kt: NDArray[np.float64],
    *,
    n_jets: int,
) -> NDArray[np.uint8]:
    """Return how many primary declusterings jets have in cells of the Lund plane.

    Cells of 0.5 in ln(1/Δ), from 0 to 5, and in ln(kt / GeV), from -1 to 7 (kt of 0.4 to 1100 GeV); what
    is outside is left out.

    Parameters
    ----------
    jet : array of int, shape (n_splittings,)
        To which jet a declustering belongs.
    ln_inv_delta, ln_kt : array, shape (n_splittings,)
        As `lund_declusterings` has them.
    n_jets : int
        How many jets there are.

    Returns
    -------
    array of uint8, shape (n_jets, *LUND_PLANE)
        Rows in ln kt, columns in ln(1/Δ).

    Examples
    --------
    >>> plane = lund_plane(np.array([0, 0]), np.array([0.2, 0.3]), np.array([5.1, 5.2]), n_jets=1)
    >>> plane.shape, int(plane[0, 12, 0])
    ((1, 16, 10), 2)
    """
    return _counts(jet, (ln_kt, _LN_KT), (ln_inv_delta, _LN_INV_DELTA), n_jets)


def _counts(
    jet: NDArray[np.int64],
    rows: tuple[NDArray[np.float64], NDArray[np.float64]],
    columns: tuple[NDArray[np.float64], NDArray[np.float64]],
    n_jets: int,
) -> NDArray[np.uint8]:
    """Return counts in the cells of values and edges; the last edge belongs to the last cell."""
    height, width = len(rows[1]) - 1, len(columns[1]) - 1
    cell, inside = np.zeros(len(jet), np.int64), np.ones(len(jet), np.bool_)
    for (values, edges), n in ((rows, height), (columns, width)):
        index = np.searchsorted(edges, values, side="right") - 1
        index -= values == edges[-1]
        inside &= (index >= 0) & (index < n)
        cell = cell * n + index
    place = jet[inside] * (height * width) + cell[inside]
    counts = np.bincount(place, minlength=n_jets * height * width)
    return counts.clip(max=255).astype(np.uint8).reshape(n_jets, height, width)
