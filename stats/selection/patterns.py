"""Events grouped by mass bin and by the selections they pass: all that the statistics needs.

The selected samples of a scan overlap: each window has its own classifier, and selections are
nested. How much they overlap is kept by counting events by *pattern*, the mass bin and, for each
window, the number of selections passed. Patterns of partitions add up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...core import InputError
from ..spectra.binning import checked_edges

__all__ = ["Patterns", "count_patterns", "merge_patterns"]


@dataclass(frozen=True, eq=False)
class Patterns:
    """How many events have each pattern.

    Attributes
    ----------
    edges : ndarray of shape (n_bins + 1,)
        Mass bin edges, GeV.
    bins : ndarray of int, shape (n_groups,)
        Mass bin of each pattern.
    levels : ndarray of int8, shape (n_groups, n_windows)
        Selections passed in each window.
    counts : ndarray of int64, shape (n_groups,)
        Number of events.

    Examples
    --------
    >>> patterns = count_patterns([1500, 2500, 2600], [[0], [1], [1]], [1000, 2000, 3000])
    >>> patterns.counts.tolist(), patterns.spectra(1).tolist()
    ([1, 2], [[[1, 2], [0, 2]]])
    """

    edges: NDArray[np.float64]
    bins: NDArray[np.int64]
    levels: NDArray[np.int8]
    counts: NDArray[np.int64]

    @property
    def n_windows(self) -> int:
        """Number of windows."""
        return self.levels.shape[1]

    def spectra(self, n_selections: int) -> NDArray[np.int64]:
        """Return the mass spectra of all windows and selections.

        Returns
        -------
        ndarray of int64, shape (n_windows, n_selections + 1, n_bins)
            First the unselected spectrum (the same for every window), then from loose to tight.

        Raises
        ------
        InputError
            If an event has passed fewer selections than none, or more than there are.
        """
        if self.levels.size and not (0 <= self.levels.min() <= self.levels.max() <= n_selections):
            msg = (
                f"levels go from {self.levels.min()} to {self.levels.max()}, and with {n_selections} "
                f"selections they are 0 to {n_selections}; give the levels of the same selections"
            )
            raise InputError(msg)
        shape = (self.n_windows, n_selections + 1, self.edges.size - 1)
        shells = np.zeros(shape, dtype=np.int64)
        for window in range(self.n_windows):
            np.add.at(shells[window], (self.levels[:, window], self.bins), self.counts)
        return np.cumsum(shells[:, ::-1], axis=1)[:, ::-1]

    def overlaps(self, n_selections: int, bins: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Return how far selections pass the same events: the correlation of passing them.

        Parameters
        ----------
        n_selections : int
            The selections, the unselected spectrum not counted.
        bins : ndarray of bool, shape (n_bins,)
            Whose events count.

        Returns
        -------
        ndarray of shape (n_windows * n_selections, n_windows * n_selections)
            Window by window, from loose to tight; 1 with itself, 0 with one that no event passes.

        Examples
        --------
        >>> patterns = count_patterns([1.5, 1.6, 1.7, 1.8], [[1, 1], [1, 0], [0, 1], [0, 0]], [1, 2])
        >>> patterns.overlaps(1, np.array([True])).tolist()
        [[1.0, 0.0], [0.0, 1.0]]
        """
        used = bins[self.bins]
        events = self.counts[used, None] / max(self.counts[used].sum(), 1)
        passed = (self.levels[used][:, :, None] > np.arange(n_selections)).astype(float)
        passed = passed.reshape(len(events), self.n_windows * n_selections)
        passed -= (events * passed).sum(axis=0)
        covariance = (events * passed).T @ passed
        spread = np.sqrt(np.maximum(np.diag(covariance), 1e-300))
        correlation = covariance / np.outer(spread, spread)
        np.fill_diagonal(correlation, 1.0)
        return correlation


def count_patterns(mass: ArrayLike, levels: ArrayLike, edges: ArrayLike) -> Patterns:
    """Count the patterns of events.

    Parameters
    ----------
    mass : array_like of shape (n_events,)
        Resonant mass, GeV. Events outside the edges are dropped.
    levels : array_like of int, shape (n_events, n_windows)
        Number of selections passed in each window (`selection_levels`).
    edges : array_like of shape (n_bins + 1,)
        Mass bin edges, GeV.

    Returns
    -------
    Patterns

    Raises
    ------
    InputError
        If shapes disagree or a mass is not a number.

    Examples
    --------
    >>> count_patterns([1500, 2500, 2600], [[0], [1], [1]], [1000, 2000, 3000]).counts.tolist()
    [1, 2]
    """
    mass, levels, edges = np.asarray(mass, float), np.asarray(levels), checked_edges(edges)
    if mass.ndim != 1 or levels.ndim != 2 or levels.shape[0] != mass.size:
        msg = f"mass {mass.shape} and levels {levels.shape} must be (n_events,), (n_events, n_windows)"
        raise InputError(msg)
    if np.isnan(mass).any():
        msg = f"{np.isnan(mass).sum()} masses are NaN, the first that of event {np.isnan(mass).argmax()}"
        raise InputError(msg)
    inside = (mass >= edges[0]) & (mass < edges[-1])
    bins = np.searchsorted(edges, mass[inside], side="right") - 1
    return _group(edges, bins, levels[inside].astype(np.int8), np.ones(bins.size, dtype=np.int64))


def merge_patterns(parts: Sequence[Patterns]) -> Patterns:
    """Add the patterns of several partitions, made with the same edges and windows.

    Examples
    --------
    >>> part = count_patterns([1500, 2500, 2600], [[0], [1], [1]], [1000, 2000, 3000])
    >>> merge_patterns([part, part]).counts.tolist()
    [2, 4]
    """
    return _group(
        parts[0].edges,
        np.concatenate([part.bins for part in parts]),
        np.concatenate([part.levels for part in parts]),
        np.concatenate([part.counts for part in parts]),
    )


def _group(
    edges: NDArray[np.float64],
    bins: NDArray[np.int64],
    levels: NDArray[np.int8],
    counts: NDArray[np.int64],
) -> Patterns:
    """Join equal patterns; their order depends on the patterns alone."""
    keys = np.column_stack([bins.astype(">i4").view(np.int8).reshape(-1, 4), levels])
    rows = np.ascontiguousarray(keys).view(f"V{keys.shape[1]}").ravel()
    _, first, inverse = np.unique(rows, return_index=True, return_inverse=True)
    totals = np.bincount(inverse.ravel(), weights=counts, minlength=first.size).astype(np.int64)
    return Patterns(edges, bins[first], levels[first], totals)
