"""Where the bulk of the scores lies at each mass: what a classifier that learnt the mass moves."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

__all__ = ["bulk_location", "common_shift", "contrasts", "kept_fractions"]

Array = NDArray[np.float64]

_FARTHEST = 4.0  # location of a bin, in standard deviations of the score, beyond which none is told


def bulk_location(
    z: Array, bins: NDArray[np.int64], n_bins: int, bulk: float
) -> tuple[Array, Array]:
    r"""Return location and error of the bulk of normal scores in each mass bin.

    The mean of the scores below the ``bulk`` quantile c is that of a truncated normal distribution
    about the location a,

    .. math:: \langle z \rangle_{z < c} = a - \frac{\phi(c - a)}{\Phi(c - a)},

    and the error of a is :math:`1 / \sqrt{n\,v(a)}`, v being the variance of that distribution.

    Parameters
    ----------
    z : ndarray of shape (n_events,)
        Normal scores (`normal_scores`).
    bins : ndarray of int, shape (n_events,)
        Mass bin of each event.
    n_bins : int
        Number of mass bins.
    bulk : float
        Fraction of all events, the lowest in score, that make the bulk.

    Returns
    -------
    location, error : ndarray of shape (n_bins,)
        In standard deviations of the score.

    Examples
    --------
    >>> import numpy as np
    >>> rng, bins = np.random.default_rng(1), np.repeat([0, 1], 20_000)
    >>> location, error = bulk_location(rng.normal(0.2 * bins), bins, 2, 0.9)
    >>> (location + 1).round(1).tolist(), error.round(2).tolist()
    ([1.0, 1.2], [0.01, 0.01])
    """
    cut = float(ndtri(bulk))
    low = z < cut
    n = np.bincount(bins[low], minlength=n_bins)
    total = np.bincount(bins[low], weights=z[low], minlength=n_bins)
    grid = np.linspace(-_FARTHEST, _FARTHEST, 801)
    ratio = np.exp(-((cut - grid) ** 2) / 2) / np.sqrt(2 * np.pi) / ndtr(cut - grid)
    mean = grid - ratio
    variance = 1 - (cut - grid) * ratio - ratio**2
    location = np.where(n > 0, np.interp(total / np.maximum(n, 1), mean, grid), 0.0)
    return location, 1 / np.sqrt(np.maximum(n, 0.5) * np.interp(location, grid, variance))


def kept_fractions(location: Array, total: Array, steps: Array) -> Array:
    """Return the efficiency in each bin, shape (n_windows, n_selections, n_bins), from locations.

    The threshold is found by bisection such that the efficiency of all events is as asked.

    Parameters
    ----------
    location : ndarray of shape (n_windows, n_bins)
        Location of the bulk.
    total : ndarray of shape (n_bins,)
        Events in each bin.
    steps : ndarray of shape (n_selections,)
        Efficiencies of the selections.

    Examples
    --------
    >>> import numpy as np
    >>> kept_fractions(np.array([[0.0, 0.5]]), np.array([50, 50]), np.array([0.1])).round(2).tolist()
    [[[0.06, 0.14]]]
    """
    low = np.full((len(location), steps.size), -2 * _FARTHEST)
    high = -low
    share = total / total.sum()
    for _ in range(60):
        middle = (low + high) / 2
        too_many = ndtr(location[:, None] - middle[..., None]) @ share > steps
        low, high = np.where(too_many, middle, low), np.where(too_many, high, middle)
    return ndtr(location[:, None] - ((low + high) / 2)[..., None])


def contrasts(columns: Array, signal: NDArray[np.bool_], error: Array) -> Array:
    """Return the weights that take locations to shifts, shape (n_windows, n_bins).

    A shift is the weighted mean of the locations in the signal region, less that of a fit to the
    sidebands by the columns of the efficiency.

    Parameters
    ----------
    columns : ndarray of shape (n_bins, n_parameters)
        Columns of the log-odds of passing (`odds_columns`).
    signal : ndarray of bool, shape (n_windows, n_bins)
        Bins of each signal region.
    error : ndarray of shape (n_windows, n_bins)
        Errors of the locations.

    Examples
    --------
    With a constant for the efficiency, a shift is the difference of two means:

    >>> import numpy as np
    >>> signal = np.array([[False, True, False]])
    >>> contrasts(np.ones((3, 1)), signal, np.ones((1, 3))).round(9).tolist()
    [[-0.5, 1.0, -0.5]]
    """
    weights = np.empty_like(error)
    for contrast, inside, weight in zip(weights, signal, error**-2.0, strict=True):
        known = columns * np.where(inside, 0.0, weight)[:, None]
        share = np.where(inside, weight, 0.0) / weight[inside].sum()
        contrast[:] = share - known @ np.linalg.pinv(known.T @ columns) @ (columns.T @ share)
    return weights


def common_shift(weights: Array, location: Array, error: Array) -> float:
    """Return the mean pull of the windows' shifts over its standard deviation.

    That is the larger of the two for scores that the windows have in common, and for scores that
    know nothing of each other: linear in their correlation, it lies between these.

    Examples
    --------
    >>> import numpy as np
    >>> weights, error = np.array([[1.0, -1.0, 0.0], [0.0, -1.0, 1.0]]), np.full((2, 3), 0.1)
    >>> location = np.array([[0.3, 0.0, 0.3], [0.3, 0.0, 0.3]])
    >>> round(common_shift(weights, location, error), 2)  # two of 2.1 standard deviations
    2.45
    """
    shift_error = np.sqrt((weights**2 * error**2).sum(axis=1))
    pulls = (weights * location).sum(axis=1) / shift_error
    together = (weights * error / shift_error[:, None]).mean(axis=0)
    return float(pulls.mean() / np.sqrt(max(1 / len(pulls), (together**2).sum())))
