r"""Several partitions into folds: one result of them all, so that no seed decides.

Every partition k trains its own models and selects its own events, and gives each window and
selection a significance :math:`z_k`, without signal a standard normal variable. The combined one is
made of their mean. Its variance has bounds from both sides: at most 1, whatever the partitions have
learnt from one another (Jensen), and at least what the events do that are selected in several of
them,

.. math:: V = \frac{\sum m^2}{K \sum m} \le \mathrm{Var}\,\bar z \le 1,

with m the number of partitions that select an event, summed over the events beside the signal region
(the same event adds its fluctuation m times). In between lies what V does not know: an event that made
another pass in one partition passes thanks to it in the next. The combined significance is
:math:`\bar z / V^{1/4}`, with the geometric mean of both bounds as standard deviation. With the
hardest of classifiers, retrained, it is conservative down to p = 1e-2; below that 2000 datasets
cannot tell (``benchmarks/repeats.py cells``).
It is compared with the pseudo-experiments of one partition.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["combined_partitions", "combined_z", "distances", "shared_variance"]

Array = NDArray[np.float64]

_HALF = 0.5  # of the partitions, of which more must agree that a spectrum may not be quoted
_QUARTER = 0.25
_LEAST = -2.0  # a deficit counts no more: where one event is expected, none has z = -8


def shared_variance(
    mass: ArrayLike, levels: ArrayLike, windows: ArrayLike, n_selections: int
) -> Array:
    """Return the variance of the mean over partitions that comes of events they share.

    Parameters
    ----------
    mass : array_like of shape (n_events,)
        Resonant mass, GeV.
    levels : array_like of int, shape (n_repeats, n_events, n_windows)
        Selections passed in each partition.
    windows : array_like of shape (n_windows, 2)
        Low and high edge of each signal region, GeV; events in it do not count, so that a signal
        that all partitions select changes nothing.
    n_selections : int
        The selections, the unselected spectrum not counted.

    Returns
    -------
    ndarray of shape (n_windows, n_selections + 1)
        From 1/n_repeats, where no event is selected twice, to 1; 1 for the unselected spectrum, and
        where no event is selected.

    Examples
    --------
    >>> levels = [[[1], [1], [0], [0]], [[1], [0], [1], [0]]]
    >>> shared_variance([2.0, 2.0, 2.0, 5.0], levels, [[4.0, 6.0]], 1).tolist()
    [[1.0, 0.75]]
    """
    mass, levels = np.asarray(mass), np.asarray(levels)
    variance = np.ones((levels.shape[2], n_selections + 1))
    for window, (low, high) in enumerate(np.asarray(windows, dtype=float)):
        beside = levels[:, (mass < low) | (mass >= high), window]
        for level in range(1, n_selections + 1):
            times = (beside >= level).sum(axis=0)
            if times.any():
                variance[window, level] = (times**2).sum() / (len(levels) * times.sum())
    return variance


def combined_z(z: ArrayLike, good: ArrayLike, variance: ArrayLike = 1.0) -> Array:
    """Return the combined significance of the partitions that may be quoted.

    Parameters
    ----------
    z : array_like of shape (n_repeats, ...)
        Significances; below -2 they count as -2.
    good : array_like of bool, the same shape
        Which of them count.
    variance : array_like of shape (...)
        `shared_variance`; with 1, the mean itself is taken.

    Returns
    -------
    ndarray of shape (...)
        -2 where none counts.

    Examples
    --------
    >>> combined_z([[1.0, 2.0], [3.0, -8.2]], [[True, True], [True, False]]).tolist()
    [2.0, 2.0]
    >>> combined_z([1.0, 3.0], [True, True], 0.625).round(2).tolist()
    2.25
    """
    z, good = np.maximum(np.asarray(z, dtype=float), _LEAST), np.asarray(good, dtype=bool)
    number = np.maximum(good.sum(axis=0), 1)
    mean = np.where(good.any(axis=0), np.where(good, z, 0.0).sum(axis=0) / number, _LEAST)
    shared = (len(z) * np.asarray(variance) - 1) / max(len(z) - 1, 1)  # of any two partitions
    of_those = np.where(number > 1, (1 + (number - 1) * shared) / number, 1.0)
    return mean / of_those**_QUARTER


def combined_partitions(
    z: ArrayLike, counts: ArrayLike, badly_fitted: ArrayLike, variance: ArrayLike = 1.0
) -> tuple[Array, NDArray[np.bool_]]:
    """Return the combined significances, and which may be quoted: one rule for all datasets.

    Parameters
    ----------
    z : array_like of shape (n_repeats, n_spectra)
        Significances.
    counts : array_like of bool, the same shape
        The fit converged, and the selection is neither refused nor contradicted: it is in the mean.
    badly_fitted : array_like of bool, the same shape
        The fit does not describe its sidebands.
    variance : array_like of shape (n_spectra,)
        `shared_variance`.

    Returns
    -------
    z : ndarray of shape (n_spectra,)
        `combined_z`.
    quotable : ndarray of bool, shape (n_spectra,)
        At least half of the partitions may be quoted.

    Examples
    --------
    >>> z, good = [[1.0, 2.0], [3.0, 4.0]], [[True, True], [True, False]]
    >>> combined, quotable = combined_partitions(z, good, [[True, False], [True, False]])
    >>> combined.tolist(), quotable.tolist()
    ([2.0, 2.0], [False, True])
    """
    counts = np.asarray(counts, dtype=bool)
    quotable = (counts & ~np.asarray(badly_fitted, dtype=bool)).mean(axis=0) >= _HALF
    return combined_z(z, counts, variance), quotable


def distances(z: Array, counts: NDArray[np.bool_], among: NDArray[np.bool_]) -> Array:
    """Return how far each partition is from the mean of those that count.

    Parameters
    ----------
    z : ndarray of shape (n_repeats, n_spectra)
        Significances.
    counts, among : ndarray of bool, the same shape
        Which are in the mean, and which are asked for; others are infinitely far.
    """
    return np.where(among, np.abs(z - combined_z(z, counts)), np.inf)
