"""Points that fill a cube evenly, to average over nuisances without noise."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import qmc

__all__ = ["DRAWS", "evenly"]

DRAWS = 2**12


def evenly(dimensions: int) -> NDArray[np.float64]:
    """Return quasi-random points between 0 and 1, shape (4096, dimensions); always the same.

    Each coordinate is the middle of a stratum instead of a random place in it: smooth, and never
    0 or 1 (Sobol, USSR Comput. Math. Math. Phys. 7 (1967) 86).

    Examples
    --------
    >>> points = evenly(2)
    >>> points.shape, float(points.min() * 2 * len(points)), points.mean(axis=0).tolist()
    ((4096, 2), 1.0, [0.5, 0.5])
    """
    random = qmc.Sobol(dimensions, rng=0).random(DRAWS)
    return (np.argsort(np.argsort(random, axis=0), axis=0) + 0.5) / DRAWS
