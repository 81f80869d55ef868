"""Toy events with a bump: columns, groups, and jets that have one prong or two."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .blocks.block import Block
from .blocks.constituents import Constituents
from .blocks.images import Images
from .sample import Sample

__all__ = ["TOY_FEATURES", "toy_blocks", "toy_events"]

TOY_FEATURES = ("j1_mass", "j2_mass", "j1_tau21", "j2_tau21")
"""The feature columns of toy events."""

_PARTICLES = 12
_PIXELS = 12
_RADIUS = 0.8


def toy_events(n_background: int, n_signal: int, seed: int) -> Sample:
    """Return toy events: falling mass, jet masses that scale with it, flat tau21; signal at 3.5 TeV.

    Jets of the signal have masses of 500 and 100 GeV and two prongs, those of the background one.
    Events have a group, 0 or 1, and the blocks of :func:`toy_blocks`.

    Parameters
    ----------
    n_background, n_signal : int
        How many of each; they come in random order.
    seed : int
        Other events for another seed.

    Examples
    --------
    >>> toy_events(90, 10, seed=0).columns[:5]
    ('j1_mass', 'j2_mass', 'j1_tau21', 'j2_tau21', 'j1_constituents')
    """
    rng = np.random.default_rng(seed)
    n = n_background + n_signal
    signal = np.arange(n) >= n_background
    mass = np.where(
        signal, rng.normal(3500.0, 80.0, n), 2600.0 + rng.exponential(700.0, n).clip(max=3400)
    )
    j_mass = 30 + mass[:, None] * rng.gamma(2.0, 0.03, (n, 2))
    j_mass[signal] = rng.normal([500.0, 100.0], 15.0, (n_signal, 2))
    tau21 = rng.uniform(0.1, 1.0, (n, 2))
    tau21[signal] = rng.normal(0.2, 0.04, (n_signal, 2))
    made = Sample.from_arrays(
        mass,
        np.hstack([j_mass, tau21]),
        TOY_FEATURES,
        label=signal,
        group=np.arange(n) % 2,
        blocks=toy_blocks(signal, mass / 2, seed=seed),
    )
    return replace(made.take(rng.permutation(n)), event=made.event)


def toy_blocks(
    two_prong: NDArray[np.bool_], pt: NDArray[np.float64], *, seed: int = 0
) -> dict[str, Block[Any]]:
    """Return constituents and images of both jets of toy events.

    A jet is a narrow cone of 6 to 12 particles; one of two prongs has two of them, as far apart as
    a mass of 400 GeV keeps them at its pT, along a random direction. Images are turned so that this
    direction is upright, as those of processing are.

    Parameters
    ----------
    two_prong : ndarray of bool, shape (n_events,)
        Whether both jets of an event have two prongs.
    pt : ndarray of float64, shape (n_events,)
        Transverse momentum of its jets in GeV.
    seed : int
        Other jets for another seed.

    Returns
    -------
    dict of str to Block
        ``j1_constituents``, ``j2_constituents`` (pT in GeV), ``j1_image``, ``j2_image``.

    Examples
    --------
    >>> blocks = toy_blocks(np.array([True, False]), np.array([1500.0, 1500.0]))
    >>> sorted(blocks), len(blocks["j1_image"])
    (['j1_constituents', 'j1_image', 'j2_constituents', 'j2_image'], 2)
    """
    rng = np.random.default_rng(seed)
    blocks: dict[str, Block[Any]] = {}
    for jet in ("j1", "j2"):
        n = len(pt)
        counts = rng.integers(_PARTICLES // 2, _PARTICLES + 1, n)
        offsets = np.concatenate([[0], np.cumsum(counts)])
        of = np.repeat(np.arange(n), counts)
        share = rng.exponential(size=len(of))
        share /= np.bincount(of, weights=share, minlength=n)[of]
        apart = np.where(two_prong[of], 400.0 / pt[of], 0.0)
        along = rng.choice([-1.0, 1.0], len(of)) * apart + rng.normal(0, 0.08, len(of))
        across = rng.normal(0, 0.08, len(of))
        angle = rng.uniform(-np.pi, np.pi, n)[of]
        eta = along * np.cos(angle) - across * np.sin(angle)
        phi = along * np.sin(angle) + across * np.cos(angle)
        values = np.stack([share * pt[of], eta, phi], axis=1)
        hardest_first = np.lexsort((-share, of))
        blocks[f"{jet}_constituents"] = Constituents.from_arrays(offsets, values[hardest_first])
        blocks[f"{jet}_image"] = _images(of, share, across, along, n)
    return blocks


def _images(
    of: NDArray[np.int64],
    share: NDArray[np.float64],
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    n: int,
) -> Images:
    bins = [
        np.clip((position / _RADIUS + 1) * _PIXELS / 2, 0, _PIXELS - 1).astype(np.int64)
        for position in (y, x)
    ]
    place = (of * _PIXELS + bins[0]) * _PIXELS + bins[1]
    filled = np.bincount(place, weights=share, minlength=n * _PIXELS * _PIXELS)
    return Images.from_array(filled.reshape(n, _PIXELS, _PIXELS))
