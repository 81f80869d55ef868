"""Searches made of nothing but masses from a dijet shape and random, correlated scores."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest

from overdensity.stats import log_edges, selection_levels
from overdensity.stats.spectra.functions import SQRT_S

EDGES = log_edges(2632.0, 6000.0, 16)
WINDOWS = np.array([(EDGES[i], EDGES[i + 3]) for i in range(2, 12)])
EFFICIENCIES = (0.1, 0.01, 0.002)


def dijet_density(mass):
    """A dijet shape like that of the R&D sample: dN/dm = (1-y)^4 / y^3."""
    y = np.asarray(mass) / SQRT_S
    return (1 - y) ** 4 / y**3


@dataclass(frozen=True)
class Box:
    mass: np.ndarray
    levels: np.ndarray

    edges = EDGES
    windows = WINDOWS
    efficiencies = EFFICIENCIES

    @property
    def scan(self) -> dict:
        return {"edges": EDGES, "windows": WINDOWS, "efficiencies": EFFICIENCIES}


def make_box(
    seed: int,
    n: int = 30_000,
    *,
    n_signal: int = 0,
    signal_mass: float = 3500.0,
    correlation: float = 0.5,
    sculpting: float = 0.0,
) -> Box:
    """Make a dataset of n background events in the scan range, and a resonance if asked.

    The scores of the windows share the given correlation; ``sculpting`` adds a dependence on
    mass; signal scores lie three standard deviations higher.
    """
    rng = np.random.default_rng(seed)
    grid = np.linspace(EDGES[0], EDGES[-1], 20_001)
    cdf = np.concatenate([[0], np.cumsum(dijet_density((grid[1:] + grid[:-1]) / 2))])
    mass = np.interp(rng.random(rng.poisson(n)) * cdf[-1], cdf, grid)
    mass = np.concatenate([mass, rng.normal(signal_mass, 0.04 * signal_mass, n_signal)])
    shared = rng.normal(size=(mass.size, 1))
    own = rng.normal(size=(mass.size, len(WINDOWS)))
    scores = np.sqrt(correlation) * shared + np.sqrt(1 - correlation) * own
    scores += sculpting * np.log(mass / 3500.0)[:, None]
    scores[mass.size - n_signal :] += 3.0
    inside = (mass >= EDGES[0]) & (mass < EDGES[-1])
    folds = rng.integers(0, 5, mass.size)
    levels = [selection_levels(column, folds, EFFICIENCIES, within=inside) for column in scores.T]
    return Box(mass, np.stack(levels, axis=1))


@pytest.fixture(scope="session")
def box() -> Callable[..., Box]:
    return make_box
