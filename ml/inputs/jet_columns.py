"""Jet columns as a classifier should see them: free of the resonant mass, in a useful order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..blocks.block import Block
from ..sample import Sample

__all__ = ["mass_difference", "rescale_masses", "sort_jets"]


def rescale_masses(data: Sample) -> Sample:
    """Return the sample with jet masses divided by the resonant mass.

    Background jets grow heavier with the resonant mass, and a classifier of the signal region
    would learn just that. Columns named ``*_mass``, ``mJ*`` and ``dmJ`` become

        (m - 30 GeV) / mjj + 30 GeV / 3000 GeV

    (arXiv:2101.08320, equation 4.2); in the difference ``dmJ`` the offsets cancel. Other columns
    stay.

    Parameters
    ----------
    data : Sample
        Masses in GeV.

    Returns
    -------
    Sample
        The masses without unit.
    """
    features = data.features.copy()
    for i, name in enumerate(data.names):
        if name.startswith("dmJ"):
            features[:, i] = data.features[:, i] / data.mass
        elif name.endswith("_mass") or name.startswith("mJ"):
            features[:, i] = (data.features[:, i] - 30.0) / data.mass + 30.0 / 3000.0
    return replace(data, features=features)


def sort_jets(data: Sample) -> Sample:
    """Return the sample with the lighter of the two jets first.

    Ordered by pt, two jets of different mass come in either order and a signal lies in two places
    of the feature space; ordered by mass it lies in one, with all its events (the baseline
    features of the LHC Olympics, the lighter mass and the difference, do the same). Where
    ``j1_mass`` > ``j2_mass``, every pair of columns or blocks ``j1_*``, ``j2_*`` is exchanged; samples
    without these columns stay as they are.

    Parameters
    ----------
    data : Sample
        Any features.

    Returns
    -------
    Sample
        The same names, ``j1`` now the lighter jet.
    """
    names = data.names
    if not {"j1_mass", "j2_mass"} <= set(names):
        return data
    first = [i for i, n in enumerate(names) if n.startswith("j1_") and f"j2{n[2:]}" in names]
    second = [names.index(f"j2{names[i][2:]}") for i in first]
    swap = data.features[:, names.index("j1_mass")] > data.features[:, names.index("j2_mass")]
    features = data.features.copy()
    features[:, first + second] = np.where(
        swap[:, None], data.features[:, second + first], data.features[:, first + second]
    )
    return replace(data, features=features, blocks=_exchanged(data.blocks, swap))


def mass_difference(data: Sample) -> Sample:
    """Return the sample with the mass of the second jet as its difference to that of the first.

    Of jets in the order of their masses (:func:`sort_jets`) the second is never the lighter one: the
    plane of the masses ends on a diagonal, which a density estimator must learn. In the baseline
    features of the LHC Olympics, the lighter mass and the difference, it ends at zero. The column
    ``j2_mass`` becomes ``dmJ``; samples without ``j1_mass`` and ``j2_mass`` stay as they are.

    Parameters
    ----------
    data : Sample
        Masses in GeV.

    Returns
    -------
    Sample
        The same columns but one, in the same order.
    """
    names = data.names
    if not {"j1_mass", "j2_mass"} <= set(names):
        return data
    first, second = names.index("j1_mass"), names.index("j2_mass")
    features = data.features.copy()
    features[:, second] -= features[:, first]
    renamed = tuple("dmJ" if name == "j2_mass" else name for name in names)
    return replace(data, features=features, names=renamed)


def _exchanged(blocks: Mapping[str, Block[Any]], swap: NDArray[np.bool_]) -> dict[str, Block[Any]]:
    """Return the blocks, those of the first and second jet exchanged in some events."""
    exchanged = dict(blocks)
    for name in blocks:
        other = f"j2{name[2:]}"
        if name.startswith("j1_") and other in blocks:
            both, n = blocks[name].beside(blocks[other]), len(swap)
            exchanged[name] = both.take(np.arange(n) + n * swap)
            exchanged[other] = both.take(np.arange(n) + n * ~swap)
    return exchanged
