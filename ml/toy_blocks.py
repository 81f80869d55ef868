"""Constituents and images of toy jets, which have one prong or two."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .block import Block
from .constituents import Constituents
from .images import Images

__all__ = ["toy_blocks"]

_PARTICLES = 12
_PIXELS = 12
_RADIUS = 0.8


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
