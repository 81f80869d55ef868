"""Uncertainties of a signal as nuisance parameters by name, in all bins."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...core import InputError, Record
from ..spectra.binning import gaussian_fractions
from ..workspaces.categories import Variation

__all__ = ["SignalErrors", "moved_masses", "peak_shapes", "signal_variations"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class SignalErrors(Record):
    """Relative uncertainties of a signal, one standard deviation.

    Attributes
    ----------
    luminosity : float
        Of the number of signal events.
    tagger : float
        Of the efficiency of the selection: what passes more fails less.
    position, width : float
        Of the mass at which the resonance is seen, and of its width.

    Examples
    --------
    >>> SignalErrors(luminosity=0.016).tagger
    0.0
    >>> SignalErrors(width=-0.1)
    Traceback (most recent call last):
    overdensity.core.errors.InputError: the uncertainty of width is -0.1; it must be from 0 to below 1
    """

    luminosity: float = 0.0
    tagger: float = 0.0
    position: float = 0.0
    width: float = 0.0

    def __post_init__(self) -> None:
        """Refuse what is no relative uncertainty."""
        for name, value in self.to_dict().items():
            if not 0 <= value < 1:
                msg = f"the uncertainty of {name} is {value:g}; it must be from 0 to below 1"
                raise InputError(msg)


def peak_shapes(
    edges: ArrayLike, mass: float, width: float, errors: SignalErrors
) -> dict[str, tuple[Array, Array]]:
    """Return the fraction of a Gaussian peak in each bin at plus and minus one σ.

    Parameters
    ----------
    edges : array_like of shape (n_bins + 1,)
        Bin edges, GeV.
    mass, width : float
        Position and standard deviation, GeV.
    errors : SignalErrors
        Of both.

    Returns
    -------
    dict of str to tuple of ndarray of shape (n_bins,)
        ``position`` and ``width``, where they have an uncertainty.

    Examples
    --------
    >>> found = peak_shapes([3000, 3400, 3600], 3500, 100, SignalErrors(position=0.02))
    >>> [shape.round(2).tolist() for shape in found["position"]]
    [[0.04, 0.57], [0.38, 0.57]]
    """
    moved = {
        "position": [(mass * (1 + r), width) for r in (errors.position, -errors.position)],
        "width": [(mass, width * (1 + q)) for q in (errors.width, -errors.width)],
    }
    shapes = {}
    for name, (up, down) in moved.items():
        if getattr(errors, name) > 0:
            shapes[name] = (gaussian_fractions(edges, *up), gaussian_fractions(edges, *down))
    return shapes


def moved_masses(mass: Array, errors: SignalErrors) -> dict[str, tuple[Array, Array]]:
    """Return the masses of simulated signal events at plus and minus one σ of position and width.

    The width is that about their median.

    Parameters
    ----------
    mass : ndarray of shape (n_events,)
        GeV.
    errors : SignalErrors
        Of both.

    Returns
    -------
    dict of str to tuple of ndarray of shape (n_events,)
        ``position`` and ``width``, where they have an uncertainty.

    Examples
    --------
    >>> found = moved_masses(np.array([3000.0, 3500.0, 4000.0]), SignalErrors(width=0.2))
    >>> [masses.tolist() for masses in found["width"]]
    [[2900.0, 3500.0, 4100.0], [3100.0, 3500.0, 3900.0]]
    """
    moved, middle = {}, float(np.median(mass))
    if errors.position > 0:
        moved["position"] = (mass * (1 + errors.position), mass * (1 - errors.position))
    if errors.width > 0:
        up, down = (middle + (mass - middle) * (1 + q) for q in (errors.width, -errors.width))
        moved["width"] = (up, down)
    return moved


def signal_variations(
    signal: ArrayLike, errors: SignalErrors, shapes: Mapping[str, tuple[Array, Array]]
) -> dict[str, Variation]:
    """Return the nuisances of a signal in all bins, by name.

    Parameters
    ----------
    signal : array_like of shape (n_bins,) or (n_categories, n_bins)
        Events at ``mu = 1``: those that pass, and those that fail, where they are known.
    errors : SignalErrors
        Uncertainties of its size.
    shapes : mapping of str to tuple of two ndarray
        The signal at plus and minus one σ, like ``signal``: jet energy scale, position and so on.

    Returns
    -------
    dict of str to Variation
        Those that are not zero. A row is added for a signal that fails and of which nothing is
        known.

    Examples
    --------
    >>> found = signal_variations([[4.0, 6.0], [2.0, 4.0]], SignalErrors(tagger=0.25), {})
    >>> found["tagger"].up.tolist()
    [[5.0, 7.5], [1.0, 2.5]]
    """
    events = np.atleast_2d(np.asarray(signal, dtype=float))
    found = {}
    if errors.luminosity > 0:
        more = 1 + errors.luminosity
        found["luminosity"] = Variation(events * more, events / more)
    if errors.tagger > 0:
        more, up, down = 1 + errors.tagger, events.copy(), events.copy()
        up[0], down[0] = events[0] * more, events[0] / more
        if len(events) > 1:
            up[1] = np.maximum(events[1] + events[0] - up[0], 0.0)
            down[1] = events[1] + events[0] - down[0]
        found["tagger"] = Variation(up, down)
    for name, (up, down) in shapes.items():
        found[name] = Variation(np.atleast_2d(up), np.atleast_2d(down))
    return found
