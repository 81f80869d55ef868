"""Images: the transverse momentum of a jet or an event on a grid, what is arbitrary taken out."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..jets.constituents import FlatJets
from ..jets.momentum import turned

__all__ = ["EVENT_PIXELS", "PIXELS", "event_images", "jet_images"]

PIXELS = 40
"""Pixels a side, as in the code of Tag N' Train (LHCO section 4.3, arXiv:2101.08320)."""

EVENT_PIXELS = 64
"""Pixels a side of the images of events."""

_LARGEST_ETA = 5.0

# What lies on the border of two halves or pixels but for rounding (a lone particle is in the very
# middle) belongs to the right or upper one, whichever way it was rounded. In units of the radius.
_BORDER = 1e-9


def jet_images(jets: FlatJets, *, radius: float, pixels: int = PIXELS) -> NDArray[np.float32]:
    r"""Return images of jets: fractions of pT on a grid in pseudorapidity and azimuth.

    The steps are those of Macaluso, Shih (arXiv:1803.00107); after them, shifts, turns
    and mirror images of a jet give the same image, but for particles that change pixels:

    1. center: the mean position, weighted by pT, moves to the middle;
    2. rotate: the principal axis, that of the larger second moment weighted by pT, turns upright
       as in LHCO Fig. 20 (arXiv:2101.08320);
    3. flip: the halves with more pT become the right and the upper one;
    4. fill: pT into pixels of a square of ±radius; what is outside is lost;
    5. normalise: the pixels add up to one.

    Parameters
    ----------
    jets : FlatJets
        The jets.
    radius : float
        Half the side of the square: the radius of the jets.
    pixels : int
        Pixels a side.

    Returns
    -------
    array of float32, shape (n_jets, pixels, pixels)
        Row 0 is the lowest, column 0 the leftmost. Zero for a jet without constituents; a jet
        that is a single particle is one pixel, right above the middle.

    Examples
    --------
    >>> from overdensity.processors.jets.constituents import flat_jets
    >>> from overdensity.processors.jets.momentum import cartesian, momenta
    >>> pt, eta, phi = np.array([10.0, 30.0]), np.array([0.4, 0.0]), np.array([3.1, -3.1])
    >>> jets = flat_jets(cartesian(momenta(pt, eta, phi, np.array([2]))))

    >>> image = jet_images(jets, radius=1.0)
    >>> image.shape, image[image > 0].tolist()
    ((1, 40, 40), [0.25, 0.75])
    """
    x, y = _centered(jets)
    x, y = _upright(jets, x, y)
    x, y = (_mirrored(jets, position / radius) for position in (x, y))
    column, row = (_pixel(position, pixels) for position in (x, y))
    inside = (column >= 0) & (column < pixels) & (row >= 0) & (row < pixels)
    place = ((jets.jet_of * pixels + row) * pixels + column)[inside]
    pt = jets.places[0][inside]
    images = np.bincount(place, weights=pt, minlength=len(jets) * pixels * pixels)
    images = images.reshape(len(jets), pixels, pixels)
    total = images.sum(axis=(1, 2), keepdims=True)
    return np.divide(images, total, out=np.zeros(images.shape), where=total > 0).astype(np.float32)


def event_images(events: FlatJets, *, pixels: int = EVENT_PIXELS) -> NDArray[np.float32]:
    """Return images of whole events: pT of the particles relative to the brightest pixel.

    LHC Olympics 2020, arXiv:2101.08320, section 5.1: pseudorapidity from -5 to 5 and the azimuth
    once around; with 224 pixels a side there. The hardest particle is turned to the middle of
    the azimuth, which is arbitrary.

    Parameters
    ----------
    events : FlatJets
        The particles of each event, in the place of the constituents of a jet.
    pixels : int
        Pixels a side.

    Returns
    -------
    array of float32, shape (n_events, pixels, pixels)
        Rows in azimuth, columns in pseudorapidity; zero for an event without particles.

    Examples
    --------
    >>> from overdensity.processors.jets.constituents import flat_jets
    >>> from overdensity.processors.jets.momentum import cartesian, momenta
    >>> pt, eta, phi = np.array([10.0, 40.0]), np.array([-1.0, 1.0]), np.array([3.1, 0.1])
    >>> events = flat_jets(cartesian(momenta(pt, eta, phi, np.array([2]))))
    >>> image = event_images(events, pixels=8)[0]
    >>> [(row.item(), column.item(), image[row, column].item()) for row, column in np.argwhere(image)]
    [(4, 4, 1.0), (7, 3, 0.25)]
    """
    pt, n = events.places[0], len(events)
    hardest_last = np.lexsort((pt, events.jet_of))
    there = events.counts > 0
    phi = np.zeros(n)
    phi[there] = events.places[2][hardest_last[events.offsets[1:][there] - 1]]
    row = _pixel(turned(events.places[2] - phi[events.jet_of]) / np.pi, pixels)
    column = _pixel(events.eta / _LARGEST_ETA, pixels)
    inside = (column >= 0) & (column < pixels)
    place = (events.jet_of * pixels + row % pixels) * pixels + column
    images = np.bincount(place[inside], weights=pt[inside], minlength=n * pixels * pixels)
    images = images.reshape(n, pixels, pixels)
    brightest = images.max(axis=(1, 2), keepdims=True)
    lit = np.divide(images, brightest, out=np.zeros(images.shape), where=brightest > 0)
    return lit.astype(np.float32)


def _mean(jets: FlatJets, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return for each particle the mean of its jet, weighted by pT."""
    pt = jets.places[0]
    return (jets.total(pt * values)[jets.jet_of]) / (jets.total(pt)[jets.jet_of])


def _centered(jets: FlatJets) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return pseudorapidity and azimuth from the mean of the jet; azimuths may cross ±π."""
    phi = jets.phi_from_axis
    return jets.eta - _mean(jets, jets.eta), phi - _mean(jets, phi)


def _upright(
    jets: FlatJets, x: NDArray[np.float64], y: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Turn the principal axis, which makes this angle with the vertical, upright."""
    angle = 0.5 * np.arctan2(2 * _mean(jets, x * y), _mean(jets, y * y) - _mean(jets, x * x))
    cos, sin = np.cos(angle), np.sin(angle)
    return x * cos - y * sin, x * sin + y * cos


def _mirrored(jets: FlatJets, x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mirror a coordinate where there is less pT above its middle than below."""
    side = np.where(np.abs(x) > _BORDER, np.sign(x), 0.0)
    above = jets.total(jets.places[0] * side)
    return x * np.where(above < 0, -1.0, 1.0)[jets.jet_of]


def _pixel(position: NDArray[np.float64], pixels: int) -> NDArray[np.int64]:
    return np.floor((position + 1 + _BORDER) * (0.5 * pixels)).astype(np.int64)
