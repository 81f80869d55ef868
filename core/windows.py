"""Windows of the scan: a signal region in the resonant mass, with its sidebands."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from .errors import ConfigError, InputError
from .records import Record

__all__ = ["Window", "geometric_center", "log_edges", "scan_edges", "scan_windows"]


@dataclass(frozen=True)
class Window(Record):
    """One signal region and the sidebands on both of its sides; all in GeV.

    Regions contain their lower edge and not their upper one.

    Attributes
    ----------
    center : float
        The mass hypothesis, the geometric mean of ``low`` and ``high`` in a scan.
    low, high : float
        Edges of the signal region.
    sideband_low, sideband_high : float
        Outer edges of the sidebands.

    Raises
    ------
    ConfigError
        If the edges are not in increasing order, or a sideband is empty.

    Examples
    --------
    >>> window = Window(3500.0, 3200.0, 3800.0, 2800.0, 4400.0)
    >>> window.signal(np.array([3100.0, 3200.0, 3800.0]))
    array([False,  True, False])
    >>> print(window)
    3200-3800 GeV (sidebands from 2800, to 4400)
    """

    center: float
    low: float
    high: float
    sideband_low: float
    sideband_high: float

    def __post_init__(self) -> None:
        edges = (self.sideband_low, self.low, self.center, self.high, self.sideband_high)
        if not all(map(math.isfinite, edges)) or any(a >= b for a, b in pairwise(edges)):
            msg = (
                f"a window needs 0 < sideband_low < low < center < high < sideband_high, "
                f"found {', '.join(f'{edge:g}' for edge in edges)} GeV"
            )
            raise ConfigError(msg)

    def signal(self, mass: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return which masses, shape (n_events,) in GeV, lie in the signal region."""
        return (mass >= self.low) & (mass < self.high)

    def lower(self, mass: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return which masses, shape (n_events,) in GeV, lie in the lower sideband."""
        return (mass >= self.sideband_low) & (mass < self.low)

    def upper(self, mass: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return which masses, shape (n_events,) in GeV, lie in the upper sideband."""
        return (mass >= self.high) & (mass < self.sideband_high)

    def regions(self, mass: NDArray[np.float64]) -> dict[str, NDArray[np.bool_]]:
        """Return which masses, shape (n_events,) in GeV, lie in each region, by its name in words."""
        return {
            "signal region": self.signal(mass),
            "lower sideband": self.lower(mass),
            "upper sideband": self.upper(mass),
        }

    def __str__(self) -> str:
        """Say the window in words."""
        return (
            f"{self.low:.0f}-{self.high:.0f} GeV "
            f"(sidebands from {self.sideband_low:.0f}, to {self.sideband_high:.0f})"
        )


def geometric_center(
    low: float | NDArray[np.float64], high: float | NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the center of a window or a bin: the geometric mean of its edges, in GeV.

    Examples
    --------
    >>> float(geometric_center(2000.0, 8000.0))
    4000.0
    """
    return np.sqrt(np.multiply(low, high, dtype=np.float64))


def log_edges(low: float, high: float, bins: int) -> NDArray[np.float64]:
    """Return the edges of bins of equal ratio between two masses in GeV, shape (bins + 1,).

    Raises
    ------
    InputError
        If the range is empty, does not start above zero, or there is no bin.

    Examples
    --------
    >>> log_edges(1000, 8000, 3).round(9).tolist()
    [1000.0, 2000.0, 4000.0, 8000.0]
    """
    if not 0 < low < high < math.inf or bins < 1:
        msg = (
            f"cannot make {bins} logarithmic bins from {low:g} to {high:g} GeV; "
            "it takes 0 < low < high and at least one bin"
        )
        raise InputError(msg)
    return np.geomspace(low, high, bins + 1)


def scan_edges(low: float = 2632.0, high: float = 6000.0, bins: int = 16) -> NDArray[np.float64]:
    """Return the edges of the scan's bins, equal steps in log(mass), in GeV.

    Parameters
    ----------
    low, high : float
        Range of the scan in GeV.
    bins : int
        The number of bins.

    Returns
    -------
    ndarray of float64, shape (bins + 1,)

    Raises
    ------
    ConfigError
        If the range is empty, does not start above zero, or there is no bin.

    Examples
    --------
    >>> scan_edges(1000, 8000, 3).round()
    array([1000., 2000., 4000., 8000.])
    """
    try:
        return log_edges(low, high, bins)
    except InputError as error:
        msg = f"scan: {error}"
        raise ConfigError(msg) from error


def scan_windows(
    low: float = 2632.0,
    high: float = 6000.0,
    bins: int = 16,
    signal_bins: int = 3,
    sideband_bins: int = 2,
) -> list[Window]:
    """Return all windows of a scan, overlapping, one bin apart.

    The defaults are the ten windows of the LHC Olympics (arXiv:2101.08320, section 4.1.1): no
    signal can hide by sitting on an edge.

    Parameters
    ----------
    low, high : float
        Range of the scan in GeV.
    bins : int
        The number of bins of equal width in log(mass).
    signal_bins, sideband_bins : int
        How many bins make the signal region, and each of the sidebands.

    Returns
    -------
    list of Window

    Raises
    ------
    ConfigError
        If the bins are too few for one window.

    Examples
    --------
    >>> windows = scan_windows()
    >>> len(windows)
    10
    >>> print(windows[0])
    2918-3405 GeV (sidebands from 2632, to 3774)
    """
    edges = scan_edges(low, high, bins)
    if signal_bins < 1 or sideband_bins < 1:
        msg = (
            "scan: signal_bins and sideband_bins must be at least 1, "
            f"found {signal_bins} and {sideband_bins}"
        )
        raise ConfigError(msg)
    width = signal_bins + 2 * sideband_bins
    if width > bins:
        msg = (
            f"scan: a window of {sideband_bins} + {signal_bins} + {sideband_bins} bins does not "
            f"fit into {bins}; use at least {width} bins"
        )
        raise ConfigError(msg)
    windows = []
    for first in range(bins - width + 1):
        a, b = edges[first + sideband_bins], edges[first + sideband_bins + signal_bins]
        windows.append(
            Window(
                center=float(geometric_center(a, b)),
                low=float(a),
                high=float(b),
                sideband_low=float(edges[first]),
                sideband_high=float(edges[first + width]),
            )
        )
    return windows
