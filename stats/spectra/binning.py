"""Bins of the mass, and the events counted in them: none lost, none weighted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr

from ...core import InputError, Record

if TYPE_CHECKING:
    import hist

__all__ = [
    "DIJET_EDGES",
    "Spectrum",
    "checked_edges",
    "dijet_edges",
    "gaussian_fractions",
    "spectrum_of",
    "spectrum_of_histogram",
    "subdivide",
    "window_bins",
]

Array = NDArray[np.float64]

# fmt: off
DIJET_EDGES = (
    1, 3, 6, 10, 16, 23, 31, 40, 50, 61, 74, 88, 103, 119, 137, 156, 176, 197, 220, 244, 270, 296,
    325, 354, 386, 419, 453, 489, 526, 565, 606, 649, 693, 740, 788, 838, 890, 944, 1000, 1058,
    1118, 1181, 1246, 1313, 1383, 1455, 1530, 1607, 1687, 1770, 1856, 1945, 2037, 2132, 2231, 2332,
    2438, 2546, 2659, 2775, 2895, 3019, 3147, 3279, 3416, 3558, 3704, 3854, 4010, 4171, 4337, 4509,
    4686, 4869, 5058, 5253, 5455, 5663, 5877, 6099, 6328, 6564, 6808, 7060, 7320, 7589, 7866, 8152,
    8447, 8752, 9067, 9391, 9726, 10072, 10430, 10798, 11179, 11571, 11977, 12395, 12827, 13272,
    13732, 14000,
)
# fmt: on
"""Edges in GeV of the bins of the CMS dijet searches, about as wide as the mass resolution (CMS,
arXiv:1911.03947, figure 5 and HEPData ins1764471; those below 7 TeV also in `DiJetVarAnalyzer` of
cms-sw/cmssw)."""


@dataclass(frozen=True)
class Spectrum(Record):
    """Events counted in bins of the mass.

    Attributes
    ----------
    edges : tuple of float
        Bin edges, GeV. A bin holds its lower edge, not its upper one.
    counts : tuple of int
        Events in each bin.
    below, above : int or None
        Events under the first edge and from the last one on; None where a histogram has no bins
        for them.

    Examples
    --------
    >>> spectrum_of([1500, 2500, 2700, 9000], [1000, 2000, 3000])
    Spectrum(edges=(1000.0, 2000.0, 3000.0), counts=(1, 2), below=0, above=1)
    """

    edges: tuple[float, ...]
    counts: tuple[int, ...]
    below: int | None
    above: int | None


def subdivide(edges: ArrayLike, parts: int) -> Array:
    """Split each bin into parts of equal ratio, shape (n_bins × parts + 1,).

    Examples
    --------
    >>> subdivide([1000, 4000, 9000], 2).tolist()
    [1000.0, 2000.0, 4000.0, 6000.0, 9000.0]
    """
    edges = checked_edges(edges)
    ratio = (edges[1:] / edges[:-1])[:, None] ** (np.arange(parts) / parts)
    return np.append((edges[:-1, None] * ratio).ravel(), edges[-1])


def dijet_edges(low: float, high: float) -> Array:
    """Return the edges of the CMS dijet searches from ``low`` to ``high``, both included.

    Parameters
    ----------
    low, high : float
        Range, GeV. Edges outside are left out: 2700 to 3300 gives 2775, 2895, …, 3279.

    Returns
    -------
    ndarray of shape (n_bins + 1,)

    Raises
    ------
    InputError
        If no bin lies in the range.

    Examples
    --------
    >>> dijet_edges(2700, 3300).tolist()
    [2775.0, 2895.0, 3019.0, 3147.0, 3279.0]
    """
    edges = np.array([edge for edge in DIJET_EDGES if low <= edge <= high], dtype=float)
    if edges.size < 2:
        msg = f"no CMS dijet bin lies within {low:g}-{high:g} GeV: they span 1-14000 GeV"
        raise InputError(msg)
    return edges


def spectrum_of(mass: ArrayLike, edges: ArrayLike, weight: ArrayLike | None = None) -> Spectrum:
    """Count events in bins of the mass.

    Parameters
    ----------
    mass : array_like of shape (n_events,)
        Resonant mass, GeV.
    edges : array_like of shape (n_bins + 1,)
        Bin edges, GeV.
    weight : array_like of shape (n_events,), optional
        Weights, which must all be 1: the likelihood is of counts.

    Returns
    -------
    Spectrum
        Events outside the edges are counted too, in ``below`` and ``above``.

    Raises
    ------
    InputError
        If a mass is not finite, or a weight is not 1.

    Examples
    --------
    >>> spectrum_of([1500, 2500, 2700, 9000], [1000, 2000, 3000]).counts
    (1, 2)
    """
    edges, mass = checked_edges(edges), np.asarray(mass, dtype=float)
    if mass.ndim != 1:
        msg = f"masses must be a list of numbers, one per event, got the shape {mass.shape}"
        raise InputError(msg)
    bad = np.flatnonzero(~np.isfinite(mass))
    if bad.size:
        msg = (
            f"{bad.size} of {mass.size} masses are not finite, the first that of event {bad[0]} "
            f"({mass[bad[0]]:g}): leave these events out before"
        )
        raise InputError(msg)
    if weight is not None:
        _refuse_weights(np.asarray(weight, dtype=float), mass.size)
    bins = np.searchsorted(edges, mass, side="right")
    filled = np.bincount(bins, minlength=edges.size + 1).tolist()
    return Spectrum(tuple(edges.tolist()), tuple(filled[1:-1]), filled[0], filled[-1])


def spectrum_of_histogram(histogram: hist.Hist) -> Spectrum:
    """Take the counts of a one-dimensional histogram.

    Parameters
    ----------
    histogram : hist.Hist
        Unweighted events over one continuous axis, the mass in GeV.

    Returns
    -------
    Spectrum
        Under- and overflow in ``below`` and ``above``.

    Raises
    ------
    InputError
        If it has another dimension, was filled with weights, or holds no counts.

    Examples
    --------
    >>> import hist
    >>> histogram = hist.Hist(hist.axis.Regular(3, 1000, 4000)).fill([1500, 1600, 3700])
    >>> spectrum_of_histogram(histogram).counts
    (2, 0, 1)
    """
    if histogram.ndim != 1 or histogram.axes[0].traits.discrete:
        msg = (
            f"a histogram with {histogram.ndim} axes ({', '.join(map(repr, histogram.axes))}) is no "
            "mass spectrum: project it on one continuous axis"
        )
        raise InputError(msg)
    axis = histogram.axes[0]
    values, variances = histogram.values(flow=True), histogram.variances(flow=True)
    counts = np.asarray(values, dtype=float)
    wrong = np.flatnonzero(~np.isfinite(counts) | (counts < 0) | (counts != np.round(counts)))
    if variances is None or wrong.size or not np.array_equal(counts, np.asarray(variances)):
        what = f"bin {wrong[0]} holds {counts[wrong[0]]:g}" if wrong.size else "it has weights"
        msg = (
            f"the likelihood is of counts, and this histogram holds none ({what}): fill it without"
        )
        raise InputError(msg)
    inner = counts.astype(int).tolist()
    below = inner.pop(0) if axis.traits.underflow else None
    above = inner.pop() if axis.traits.overflow else None
    return Spectrum(tuple(checked_edges(axis.edges).tolist()), tuple(inner), below, above)


def checked_edges(edges: ArrayLike) -> Array:
    """Return bin edges as an array, or say what is wrong with them.

    Examples
    --------
    >>> checked_edges([1000, 2000, 3000]).tolist()
    [1000.0, 2000.0, 3000.0]
    """
    edges = np.asarray(edges, dtype=float)
    if edges.ndim != 1 or edges.size < 2 or not np.all(np.diff(edges) > 0):
        msg = f"bin edges must be at least two increasing masses, got {edges.tolist()}"
        raise InputError(msg)
    if not np.isfinite(edges[[0, -1]]).all():
        msg = f"bin edges must be finite, got {edges[0]:g} and {edges[-1]:g}: events outside are counted"
        raise InputError(msg)
    return edges


def window_bins(edges: ArrayLike, windows: ArrayLike) -> NDArray[np.bool_]:
    """Return which bins lie in each window.

    Parameters
    ----------
    edges : array_like of shape (n_bins + 1,)
        Bin edges, GeV.
    windows : array_like of shape (n_windows, 2)
        Low and high edge of each window, GeV; both must be bin edges.

    Returns
    -------
    ndarray of bool, shape (n_windows, n_bins)

    Raises
    ------
    InputError
        If a window does not start and end on bin edges, or is empty.

    Examples
    --------
    >>> window_bins([1000, 2000, 3000, 4000], [(2000, 4000)]).tolist()
    [[False, True, True]]
    """
    edges, windows = checked_edges(edges), np.asarray(windows, dtype=float).reshape(-1, 2)
    nearest = np.abs(edges - windows[..., None]).argmin(axis=-1)
    on_edges = np.abs(edges[nearest] - windows) <= 1e-6 * np.abs(windows)
    good = on_edges.all(axis=1) & (nearest[:, 0] < nearest[:, 1])
    if not good.all():
        low, high = windows[~good][0]
        msg = (
            f"the window {low:g}-{high:g} GeV does not start and end on bin edges of the scan "
            f"({edges[0]:g}-{edges[-1]:g} GeV)"
        )
        raise InputError(msg)
    index = np.arange(edges.size - 1)
    return (index >= nearest[:, :1]) & (index < nearest[:, 1:])


def gaussian_fractions(edges: ArrayLike, mass: ArrayLike, width: ArrayLike) -> Array:
    """Return the fraction of a Gaussian peak in each bin.

    Parameters
    ----------
    edges : array_like of shape (n_bins + 1,)
        Bin edges, GeV.
    mass, width : array_like of shape () or (n_peaks, 1)
        Position and standard deviation, GeV.

    Returns
    -------
    ndarray of shape (n_bins,) or (n_peaks, n_bins)

    Examples
    --------
    >>> gaussian_fractions([3000, 3500, 3600], 3500, 100).round(2).tolist()
    [0.5, 0.34]
    """
    bins, at, sigma = (np.asarray(each, dtype=float) for each in (edges, mass, width))
    return np.diff(ndtr((bins - at) / sigma))


def _refuse_weights(weight: Array, n_events: int) -> None:
    """Refuse weights that are not one, each kind with its sentence."""
    if weight.shape != (n_events,):
        msg = f"weights have the shape {weight.shape}, but there are {n_events} events"
        raise InputError(msg)
    other = np.flatnonzero(weight != 1)
    if not other.size:
        return
    first = weight[other[0]]
    kind = "not a number" if np.isnan(first) else "negative" if first < 0 else "not 1"
    msg = (
        f"{other.size} of {n_events} weights are not 1, the first ({first:g}, {kind}) that of event "
        f"{other[0]}: the likelihood is of counts, so give events without weights"
    )
    raise InputError(msg)
