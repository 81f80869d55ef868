r"""Events counted by two scores, and the background of those that pass both: :math:`N_B N_C / N_D`.

A passes both scores, B the first alone, C the second alone, D none.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...core import InputError
from ..p_values.local import local_log_p

__all__ = ["Estimates", "count_cells", "estimates", "independent_means", "regions_of"]

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Estimates:
    """ABCD estimates of any number of datasets, windows and selections; arrays have that shape.

    Attributes
    ----------
    observed, expected, error : ndarray
        Events in A, :math:`N_B N_C / N_D`, and the error of that: of the counts and of the closure.
    closure, closure_error : ndarray
        Observed over expected outside the window, and its statistical error; NaN where there are none.
    log_p : ndarray
        Logarithm of the local p-value; 0 where the closure is not known.

    Examples
    --------
    >>> bins = np.array([[[60.0, 100, 50, 100]], [[400.0, 400, 400, 400]]])
    >>> found = estimates(bins, np.array([[True, False]]))
    >>> found.expected.tolist(), found.error.round(1).tolist(), found.closure.tolist()
    ([[50.0]], [[11.8]], [[1.0]])
    """

    observed: Array
    expected: Array
    error: Array
    closure: Array
    closure_error: Array
    log_p: Array

    @property
    def uncertainty(self) -> Array:
        """Relative uncertainty of the closure: the larger of its deviation from 1 and its error."""
        return np.fmax(np.abs(self.closure - 1), self.closure_error)

    @property
    def closure_z(self) -> Array:
        """By how many of its errors the closure differs from 1."""
        return np.abs(self.closure - 1) / self.closure_error


def count_cells(
    mass: ArrayLike, first: ArrayLike, second: ArrayLike, edges: ArrayLike, n_levels: int
) -> Array:
    """Count events by mass and by the selections that they pass in each score.

    Parameters
    ----------
    mass : array_like of shape (n_events,)
        Resonant mass, GeV.
    first, second : array_like of int, shape (n_events,)
        Number of selections that an event passes in each score.
    edges : array_like of shape (n_bins + 1,)
        Bin edges, GeV.
    n_levels : int
        Number of selections.

    Returns
    -------
    ndarray of shape (n_bins, n_levels + 1, n_levels + 1)

    Raises
    ------
    InputError
        If there are not as many masses as levels.

    Examples
    --------
    >>> count_cells([1500.0, 1600.0], [1, 0], [1, 1], [1000.0, 2000.0], 1).tolist()
    [[[0.0, 1.0], [0.0, 1.0]]]
    """
    mass, one, two = np.asarray(mass), np.asarray(first), np.asarray(second)
    if not mass.shape == one.shape == two.shape or mass.ndim != 1:
        msg = (
            f"ABCD needs two levels for each event: masses have the shape {mass.shape}, the levels "
            f"{one.shape} and {two.shape}"
        )
        raise InputError(msg)
    levels = np.arange(n_levels + 2) - 0.5
    return np.histogramdd(np.c_[mass, one, two], bins=[np.asarray(edges), levels, levels])[0]


def regions_of(cells: Array) -> Array:
    """Return the events in A, B, C and D of each selection, from cells of nested levels.

    Parameters
    ----------
    cells : ndarray of shape (..., n_levels + 1, n_levels + 1)
        As of `count_cells`.

    Returns
    -------
    ndarray of shape (..., n_levels, 4)

    Examples
    --------
    >>> regions_of(np.array([[5.0, 3.0], [2.0, 1.0]])).tolist()
    [[1.0, 2.0, 3.0, 5.0]]
    """
    tails = np.flip(np.flip(cells, (-2, -1)).cumsum(axis=-2).cumsum(axis=-1), (-2, -1))
    level = np.arange(1, cells.shape[-1])
    both, one, two = tails[..., level, level], tails[..., level, 0], tails[..., 0, level]
    none = tails[..., 0, 0, None] - one - two + both
    return np.stack([both, one - both, two - both, none], axis=-1)


def estimates(regions: Array, inside: NDArray[np.bool_]) -> Estimates:
    r"""Estimate the background in A of each window, with the closure as it is outside of it.

    The estimate is made bin by bin, so that scores which both follow the mass need be independent of each
    other at equal masses alone:

    .. math:: b = \sum_i \frac{B_i C_i}{D_i}, \qquad
              \sigma^2 = \sum_i \frac{B_i C_i (B_i + C_i + 1)}{D_i^2} + \frac{(B_i C_i)^2}{D_i^3},

    where no events in B or C have the error of one. The uncertainty of the closure κ is that which events
    outside the window support: the larger of :math:`|N_A/b - 1|` there and its statistical error. The
    local p-value is that of `local_log_p`, which knows of both.

    Parameters
    ----------
    regions : ndarray of shape (..., n_bins, n_selections, 4)
        Events in A, B, C and D.
    inside : ndarray of bool, shape (n_windows, n_bins)
        Bins of each window.

    Returns
    -------
    Estimates
        Of shape (..., n_windows, n_selections).

    Examples
    --------
    >>> bins = np.array([[[60.0, 100, 50, 100]], [[400.0, 400, 400, 400]]])
    >>> found = estimates(bins, np.array([[True, False]]))
    >>> round(float(found.uncertainty[0, 0]), 3), float(found.observed[0, 0])
    (0.1, 60.0)
    """
    a, b, c, d = np.moveaxis(regions, -1, 0)
    d = np.maximum(d, 1.0)
    expected = b * c / d
    variance = expected * (b + c + 1 + expected) / d
    weights = inside.astype(float)

    def within(values: Array) -> Array:
        return np.einsum("wb,...bs->...ws", weights, values)

    def beyond(values: Array) -> Array:
        return values.sum(axis=-2)[..., None, :] - within(values)

    seen, said = beyond(a), beyond(expected)
    with np.errstate(divide="ignore", invalid="ignore"):
        closure = np.where(np.minimum(seen, said) > 0, seen / said, np.nan)
        closure_error = closure * np.sqrt(1 / seen + beyond(variance) / said**2)
    kappa = np.fmax(np.abs(closure - 1), closure_error)
    inner, predicted = within(a), within(expected)
    least = np.maximum(np.maximum(within(b), within(c)), 1.0) / within(
        d
    )  # what one event would say
    statistical = np.maximum(np.sqrt(within(variance)), least)
    known = np.isfinite(kappa)
    error = np.where(known, np.hypot(statistical, kappa * predicted), 1.0)
    log_p = np.where(known, local_log_p(inner, predicted, error), 0.0)
    return Estimates(inner, predicted, error, closure, closure_error, log_p)


def independent_means(cells: Array) -> Array:
    r"""Return the expectation of each cell if both scores are independent in each bin of the mass.

    .. math:: \langle n_{ab} \rangle = n_{a\cdot}\, n_{\cdot b} / n

    Examples
    --------
    >>> independent_means(np.array([[[4.0, 2.0], [2.0, 1.0]]])).tolist()
    [[[4.0, 2.0], [2.0, 1.0]]]
    """
    one, two = cells.sum(axis=-1), cells.sum(axis=-2)
    total = np.maximum(one.sum(axis=-1), 1.0)
    return one[..., :, None] * two[..., None, :] / total[..., None, None]
