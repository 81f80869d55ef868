"""The shape of a dijet resonance: a Gaussian with exponential tails, before and after a selection."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr

from ...core import InputError
from ..spectra.binning import checked_edges

__all__ = ["ALL", "SELECTED", "PassingPeak", "peak_of", "peak_template"]

Array = NDArray[np.float64]

ALL = 0.77  # standard deviations at which the tails of all signal events begin
SELECTED = 1.2  # and those of events that pass a selection


def peak_template(edges: ArrayLike, mass: float, width: float, *, tail: float = ALL) -> Array:
    r"""Return the fraction of a peak with tails in each bin.

    A Gaussian that goes over into exponentials on both sides, at ``tail`` standard deviations
    (GaussExp; Das, arXiv:1603.08591). By default they set in where they do for Z' → XY of
    3.5 TeV in our simulation, for two- and three-prong jets alike, before any selection: a quarter
    of the events lies beyond the Gaussian. An event whose jets have lost what radiation carries away
    looks less like signal, so that a selection leaves the core as wide as it is and takes the tails:
    after a selection of 1 % they set in at 1.0 to 1.3.

    Parameters
    ----------
    edges : array_like of shape (n_bins + 1,)
        Bin edges, GeV.
    mass, width : float
        Position and standard deviation of the core, GeV.
    tail : float
        Standard deviations from the center at which the tails begin; large for none.

    Returns
    -------
    ndarray of shape (n_bins,)

    Examples
    --------
    >>> import numpy as np
    >>> edges = np.linspace(2000, 5000, 4)
    >>> peak_template(edges, 3500.0, 100.0, tail=9.0).round(3).tolist()
    [0.0, 1.0, 0.0]
    >>> peak_template(edges, 3500.0, 100.0).round(3).tolist()
    [0.011, 0.978, 0.011]
    """
    if not (mass > 0 and width > 0):
        msg = f"a peak needs a positive mass and width, not {mass:g} and {width:g} GeV"
        raise InputError(msg)
    z = (checked_edges(edges) - mass) / width
    beyond = np.exp(-(tail**2) / 2) / tail
    core = np.sqrt(2 * np.pi) * (ndtr(np.clip(z, -tail, tail)) - ndtr(-tail))
    low = beyond * np.exp(tail * (np.minimum(z, -tail) + tail))
    high = beyond * -np.expm1(-tail * (np.maximum(z, tail) - tail))
    whole = 2 * beyond + np.sqrt(2 * np.pi) * (2 * ndtr(tail) - 1)
    return np.diff(low + core + high) / whole


def peak_of(edges: ArrayLike, place: ArrayLike, tail: float = ALL) -> Array:
    """Return the peak at a place of a fit, ln(mass) and ln(width / mass).

    Parameters
    ----------
    edges, tail
        As in `peak_template`.
    place : array_like of shape (2,)
        Logarithms of the mass in GeV and of the width over the mass.

    Examples
    --------
    >>> peak_of([2000, 3000, 4000, 5000], np.log([3500.0, 1 / 35]), 9.0).round(3).tolist()
    [0.0, 1.0, 0.0]
    """
    mass, relative = np.exp(place).tolist()
    return peak_template(edges, mass, relative * mass, tail=tail)


@dataclass(frozen=True, eq=False)
class PassingPeak:
    """The peak among the events that pass a selection, wherever a fit moves it.

    Attributes
    ----------
    edges : ndarray of shape (n_bins + 1,)
        Bin edges, GeV.

    Examples
    --------
    >>> PassingPeak(np.array([2000.0, 3000.0, 4000.0]))(np.log([3500.0, 0.01])).round(2).tolist()
    [[[0.0, 0.0], [0.0, 1.0]]]
    """

    edges: Array

    def __call__(self, place: Array) -> Array:
        """Return the templates of events that fail and pass, shape (1, 2, n_bins)."""
        return np.array([[0.0], [1.0]])[None] * peak_of(self.edges, place, SELECTED)
