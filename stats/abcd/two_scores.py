r"""Events counted by two scores, and the background of those that pass both: :math:`N_B N_C / N_D`.

A passes both scores, B the first alone, C the second alone, D none.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

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
        Events in A, what the other regions expect there, and the error of that.
    closure, closure_error : ndarray
        Observed over :math:`N_B N_C / N_D` outside the window, and its statistical error; NaN where
        there are no events.
    deviance : ndarray
        Poisson deviance of A from the expectation in the bins outside.
    log_p : ndarray
        Logarithm of the local p-value; 0 where the closure is not known.

    Examples
    --------
    >>> bins = np.array([[[60.0, 100, 50, 100]], [[440.0, 400, 400, 400]]])
    >>> found = estimates(bins, np.array([[True, False]]))
    >>> found.expected.round(6).tolist(), found.closure.tolist(), found.error.round(1).tolist()
    ([[55.0]], [[1.1]], [[12.3]])
    """

    observed: Array
    expected: Array
    error: Array
    closure: Array
    closure_error: Array
    deviance: Array
    log_p: Array

    @property
    def known(self) -> NDArray[np.bool_]:
        """Whether there are events outside the window that say how well both scores are independent."""
        return np.isfinite(self.closure)

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
    edges, levels = np.asarray(edges), np.arange(n_levels + 2) - 0.5
    inside = mass < edges[-1]  # as in a spectrum, which numpy's last bin is not
    return np.histogramdd(np.c_[mass, one, two][inside], bins=[edges, levels, levels])[0]


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


def estimates(
    regions: Array, inside: NDArray[np.bool_], guarded: NDArray[np.bool_] | None = None
) -> Estimates:
    r"""Estimate the background in A of each window, and correct it as events outside of it say.

    The estimate is made bin by bin, so that scores which both follow the mass need be independent of each
    other at equal masses alone:

    .. math:: b = r \sum_{i \in \mathrm{SR}} e_i, \qquad e_i = \frac{B_i C_i}{D_i}, \qquad
              r = \sum_{i \notin \mathrm{SR}} A_i \Big/ \sum_{i \notin \mathrm{SR}} e_i,

    with the variances :math:`B_i C_i (B_i + C_i + 1) / D_i^2 + (B_i C_i)^2 / D_i^3` of the e, where no
    events in B or C have the error of one, and the Poisson error of the A of r. A closure r that does not
    depend on the mass is so corrected, with its error. The local p-value is that of `local_log_p`.

    Parameters
    ----------
    regions : ndarray of shape (..., n_bins, n_selections, 4)
        Events in A, B, C and D.
    inside : ndarray of bool, shape (n_windows, n_bins)
        Bins of each window.
    guarded : ndarray of bool, shape (n_windows, n_bins), optional
        Bins that say nothing of the closure: the window, by default, or more.

    Returns
    -------
    Estimates
        Of shape (..., n_windows, n_selections).

    Examples
    --------
    >>> bins = np.array([[[60.0, 100, 50, 100]], [[400.0, 400, 400, 400]]])
    >>> found = estimates(bins, np.array([[True, False]]))
    >>> float(found.expected[0, 0]), float(found.observed[0, 0]), float(found.deviance[0, 0])
    (50.0, 60.0, 0.0)
    """
    a, b, c, d = np.moveaxis(regions, -1, 0)
    d = np.maximum(d, 1.0)
    product = b * c / d
    variance = product * (b + c + 1 + product) / d
    within = partial(np.einsum, "wb,...bs->...ws", inside.astype(float))
    beyond = partial(
        np.einsum, "wb,...bs->...ws", (~(inside if guarded is None else guarded)).astype(float)
    )
    seen, said = beyond(a), beyond(product)
    with np.errstate(divide="ignore", invalid="ignore"):
        closure = np.where(np.minimum(seen, said) > 0, seen / said, np.nan)
        relative = np.sqrt(1 / seen + beyond(variance) / said**2)
        mean = np.nan_to_num(closure)[..., None, :] * product[..., None, :, :]
        terms = mean - a[..., None, :, :] * (
            1 + np.log(np.maximum(mean, 1e-9) / np.maximum(a, 1e-9)[..., None, :, :])
        )
    outside = ~(inside if guarded is None else guarded)
    deviance = 2 * np.einsum("wb,...wbs->...ws", outside.astype(float), terms)
    observed, expected = within(a), np.nan_to_num(closure) * within(product)
    # What one event would say.
    least = np.maximum(np.maximum(within(b), within(c)), 1.0) / within(d)
    statistical = np.nan_to_num(closure) * np.maximum(np.sqrt(within(variance)), least)
    known = np.isfinite(closure)
    error = np.where(known, np.hypot(statistical, np.nan_to_num(relative) * expected), 1.0)
    log_p = np.where(known, local_log_p(observed, expected, error), 0.0)
    return Estimates(observed, expected, error, closure, closure * relative, deviance, log_p)


def independent_means(cells: Array, closure: Array | None = None) -> Array:
    r"""Return the expectation of each cell if both scores are independent in each bin of the mass.

    .. math:: \langle n_{ab} \rangle = n_{a\cdot}\, n_{\cdot b} / n

    Parameters
    ----------
    cells : ndarray of shape (n_bins, n_levels + 1, n_levels + 1)
        Events (`count_cells`).
    closure : ndarray of shape (n_levels,), optional
        By what the events that pass both scores are multiplied, at all masses alike; by default 1.

    Examples
    --------
    >>> independent_means(np.array([[[4.0, 2.0], [2.0, 1.0]]])).tolist()
    [[[4.0, 2.0], [2.0, 1.0]]]
    >>> independent_means(np.array([[[4.0, 2.0], [2.0, 1.0]]]), np.array([1.5])).tolist()
    [[[4.0, 2.0], [2.0, 1.5]]]
    """
    one, two = cells.sum(axis=-1), cells.sum(axis=-2)
    total = np.maximum(one.sum(axis=-1), 1.0)
    means = one[..., :, None] * two[..., None, :] / total[..., None, None]
    if closure is None:
        return means
    passing = regions_of(means).sum(axis=0)[:, 0]  # both scores, of each selection
    shells = passing - np.r_[passing[1:], 0.0]
    wanted = closure * passing
    factors = (wanted - np.r_[wanted[1:], 0.0]) / np.maximum(shells, 1e-12)
    level = np.arange(cells.shape[-1])
    return means * np.r_[1.0, np.maximum(factors, 0.0)][np.minimum(level[:, None], level)]
