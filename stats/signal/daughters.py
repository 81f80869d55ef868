"""Masses of what a resonance decays to: a peak in a jet mass of the selected events."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import gaussian_filter1d

from ...core import InputError, Record

__all__ = ["DaughterMass", "daughter_mass"]

Array = NDArray[np.float64]

_GRID = 240  # points at which the shape of the background is known
_STEPS = 40  # of the iteration for the peak
_STARTS = 8
_LEAST_WIDTH = 0.01  # of the upper end of the range
_LARGEST_WIDTH = 0.15
_FEWEST = 10  # events
_RESAMPLED = 100


@dataclass(frozen=True)
class DaughterMass(Record):
    """A peak in a jet mass after the background is taken away.

    Attributes
    ----------
    name : str
        Which jet mass.
    mass, mass_error : float or None
        Position of the Gaussian core, GeV, and its error from resampled events; None where the
        excess is too small to have a peak.
    width : float or None
        Standard deviation of the core, GeV.
    n_events : int
        Selected events in the signal region.
    n_background : float
        Background among them, from the sideband fit of the resonant mass.

    Examples
    --------
    >>> found = DaughterMass('j1_mass', 500.0, 12.0, 30.0, 80, 40.0)
    >>> found.mass
    500.0
    """

    name: str
    mass: float | None
    mass_error: float | None
    width: float | None
    n_events: int
    n_background: float


def daughter_mass(
    signal_region: ArrayLike,
    sidebands: ArrayLike,
    n_background: float,
    *,
    name: str,
    seed: int,
) -> DaughterMass:
    r"""Find the peak of a jet mass among the selected events of a signal region.

    The distribution is :math:`f\,N(x;\mu,\sigma) + (1-f)\,B(x)`: a Gaussian, and the background
    with the shape of the selected events in the sidebands of the resonant mass, smoothed. The
    fraction is known from the fit of the resonant mass, :math:`f = 1 - b/n`; position and width
    follow by expectation and maximisation from several starting points. The error is the spread
    (half the central 68 %) over 100 resampled sets of events, in which b varies as Poisson.

    Parameters
    ----------
    signal_region, sidebands : array_like of shape (n_events,)
        Jet mass of the selected events in the signal region and beside it, GeV.
    n_background : float
        Background expected in the signal region.
    name : str
        Which jet mass.
    seed : int
        Seed of the resampling.

    Returns
    -------
    DaughterMass

    Raises
    ------
    InputError
        If a mass is not finite.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(1)
    >>> beside = rng.exponential(200, 2000)
    >>> inside = np.r_[rng.exponential(200, 200), rng.normal(500, 20, 100)]
    >>> found = daughter_mass(inside, beside, 200.0, name="j1_mass", seed=1)
    >>> bool(abs(found.mass - 500) < 10)
    True
    """
    inside, beside = (np.asarray(x, dtype=float) for x in (signal_region, sidebands))
    if not (np.isfinite(inside).all() and np.isfinite(beside).all()):
        msg = f"{name}: some values are NaN or infinite"
        raise InputError(msg)
    excess = inside.size - n_background
    if min(inside.size, beside.size, excess) < _FEWEST or excess < 2 * np.sqrt(inside.size):
        return DaughterMass(name, None, None, None, inside.size, float(n_background))
    grid = np.linspace(0.0, float(max(inside.max(), beside.max(), 1.0)) * 1.02, _GRID)
    everywhere = np.quantile(inside, (np.arange(_STARTS) + 0.5) / _STARTS)
    mass, width = _peak(inside, beside, excess / inside.size, grid, everywhere)
    starts = np.array([mass, *np.quantile(inside, [0.2, 0.8])])  # another peak may win
    rng = np.random.default_rng(seed)
    again = []
    for _ in range(_RESAMPLED):
        drawn = rng.choice(inside, inside.size)
        background = n_background + rng.normal() * np.sqrt(max(n_background, 1.0))
        fraction = float(np.clip(1 - background / inside.size, 0.05, 0.98))
        again.append(_peak(drawn, rng.choice(beside, beside.size), fraction, grid, starts)[0])
    low, high = np.quantile(again, [0.16, 0.84])
    return DaughterMass(
        name=name,
        mass=mass,
        mass_error=float(high - low) / 2,
        width=width,
        n_events=inside.size,
        n_background=float(n_background),
    )


def _peak(
    inside: Array, beside: Array, fraction: float, grid: Array, starts: Array
) -> tuple[float, float]:
    """Return position and width of the Gaussian that explains most; many starts at a time."""
    fraction = float(np.clip(fraction, 0.05, 0.98))
    background = _density(beside, grid)
    b = (1 - fraction) * np.interp(inside, grid, background)[None]
    mean = starts[:, None].copy()
    narrowest, widest = _LEAST_WIDTH * grid[-1], _LARGEST_WIDTH * grid[-1]
    width = np.full_like(mean, widest / 3)
    total = np.zeros((starts.size, inside.size))
    for _ in range(_STEPS):
        pull = (inside - mean) / width
        core = fraction * np.exp(-(pull**2) / 2) / (np.sqrt(2 * np.pi) * width)
        total = core + b + 1e-12 / grid[-1]
        share = core / total
        weight = np.maximum(share.sum(axis=1, keepdims=True), 1e-9)
        mean = (share * inside).sum(axis=1, keepdims=True) / weight
        spread = (share * (inside - mean) ** 2).sum(axis=1, keepdims=True) / weight
        width = np.clip(np.sqrt(spread), narrowest, widest)
    best = int(np.log(total).sum(axis=1).argmax())
    return float(mean[best, 0]), float(width[best, 0])


def _density(values: Array, grid: Array) -> Array:
    """Return a smoothed density on the grid, with nothing below zero."""
    step = grid[1] - grid[0]
    spread = min(values.std(), float(np.subtract(*np.quantile(values, [0.75, 0.25]))) / 1.34)
    bandwidth = max(0.9 * spread * values.size**-0.2, 2 * step)  # Silverman's rule
    counts = np.bincount(
        np.clip(np.rint(values / step).astype(int), 0, grid.size - 1), minlength=grid.size
    )
    density = gaussian_filter1d(counts.astype(float), bandwidth / step, mode="reflect")
    return density / (density.sum() * step)
