"""Windows with too few events to train on: left out of a scan by a rule that is fixed beforehand.

The rule asks how many events are *expected*, and not how many the signal region happens to hold: a
window that were left out where its events fluctuate down would leave too many excesses behind. In
the signal region the expectation is the interpolation of the sidebands, so that no event of the
signal region has a say in whether the window is searched.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammainccinv

from ..core import InputError, Record
from ..core.windows import Window

__all__ = [
    "ThinWindow",
    "all_are_thin",
    "expected_events",
    "not_searched",
    "refuse_thin_regions",
    "safe_number",
    "thin_window",
]

_RISK = 1e-6  # the probability that a training of a window which is searched has too few events


@dataclass(frozen=True)
class ThinWindow(Record):
    """A window that is not searched, and why.

    Attributes
    ----------
    low, high : float
        Edges of its signal region, GeV.
    reason : str
        What is missing, in words.

    Examples
    --------
    >>> print(ThinWindow(5000.0, 5600.0, "no events are expected in the upper sideband"))
    window 5000-5600 GeV is not searched: no events are expected in the upper sideband
    """

    low: float
    high: float
    reason: str

    def __str__(self) -> str:
        """Say it in a sentence."""
        return f"window {self.low:.0f}-{self.high:.0f} GeV is not searched: {self.reason}"


def not_searched(thin: Sequence[ThinWindow]) -> list[str]:
    """Say which windows are not searched, with the reason of the first: one sentence, or none.

    Examples
    --------
    >>> few = "too few events"
    >>> not_searched([ThinWindow(5000.0, 5600.0, few), ThinWindow(5300.0, 5900.0, few)])
    ['window 5000-5600 GeV is not searched: too few events; the same holds for 5300-5900 GeV']
    """
    if not thin:
        return []
    others = ", ".join(f"{each.low:.0f}-{each.high:.0f}" for each in thin[1:])
    return [f"{thin[0]}; the same holds for {others} GeV" if others else str(thin[0])]


def thin_window(
    window: Window,
    mass: NDArray[np.float64],
    *,
    fewest: int,
    share: float,
    events: str = "events",
) -> ThinWindow | None:
    """Return a window with its reason if it is too thin to be trained on, or None.

    A training sees a share of the events. It is searched where each of its regions is expected to
    show a training so many events (:func:`safe_number`) that a fluctuation does not leave it fewer
    than it needs.

    Parameters
    ----------
    window : Window
        The signal region and its sidebands.
    mass : ndarray of float64, shape (n_events,)
        Masses of all events, GeV.
    fewest : int
        Events of each region that a training needs (`Method.fewest_events`).
    share : float
        Which fraction of the events a training sees.
    events : str
        What they are called in the reason.

    Returns
    -------
    ThinWindow or None

    Examples
    --------
    >>> window = Window(3500.0, 3200.0, 3800.0, 2800.0, 4400.0)
    >>> mass = np.linspace(2800, 4200, 1000)
    >>> thin_window(window, mass, fewest=40, share=0.5) is None
    True
    >>> print(thin_window(window, mass, fewest=40, share=0.1).reason)
    a training has about 29 events in the lower sideband, and 78 are needed so that 40 are there ...
    """
    shown = {name: share * n for name, n in expected_events(window, mass).items()}
    region = min(shown, key=shown.__getitem__)
    needed = safe_number(fewest)
    if shown[region] >= needed:
        return None
    reason = (
        f"a training has about {shown[region]:.0f} {events} in the {region}, and {needed:.0f} are "
        f"needed so that {fewest} are there whatever the fluctuation"
    )
    return ThinWindow(window.low, window.high, reason)


def refuse_thin_regions(window: Window, mass: NDArray[np.float64], fewest: int) -> None:
    """Raise an InputError that names the region which has too few events to learn from.

    Parameters
    ----------
    window : Window
        The signal region and its sidebands.
    mass : ndarray of float64, shape (n_events,)
        Masses of the training events, GeV.
    fewest : int
        So many are needed in each region.

    Examples
    --------
    >>> refuse_thin_regions(Window(3500, 3200, 3800, 2900, 4200), np.array([3500.0, 3600.0]), 2)
    Traceback (most recent call last):
        ...
    overdensity.core.errors.InputError: window 3200-3800 GeV ...: 0 events in the lower sideband, and 2...
    """
    for name, inside in window.regions(mass).items():
        if (n := np.count_nonzero(inside)) < fewest:
            msg = (
                f"window {window}: {n} events in the {name}, and {fewest} are needed; use more events, "
                "wider bins or a lower end of the scan"
            )
            raise InputError(msg)


def expected_events(window: Window, mass: NDArray[np.float64]) -> dict[str, float]:
    """Return how many events are expected in each region of a window, by its name in words.

    In the sidebands these are the events that are there. In the signal region the logarithm of
    their density in ln(mass) is interpolated between the sidebands.

    Examples
    --------
    >>> window = Window(4000.0, 2000.0, 8000.0, 1000.0, 16000.0)
    >>> mass = np.repeat([1500.0, 12000.0], [400, 100])  # 400 and 100 in one octave each
    >>> {name: round(n, 6) for name, n in expected_events(window, mass).items()}
    {'signal region': 400.0, 'lower sideband': 400.0, 'upper sideband': 100.0}
    """
    counts = {name: float(inside.sum()) for name, inside in window.regions(mass).items()}
    edges = np.log([window.sideband_low, window.low, window.high, window.sideband_high])
    centers, (lower, signal, upper) = (edges[1:] + edges[:-1]) / 2, np.diff(edges)
    sidebands = np.array([counts["lower sideband"] / lower, counts["upper sideband"] / upper])
    if sidebands.min() <= 0:
        return counts | {"signal region": 0.0}
    density = np.exp(np.interp(centers[1], centers[[0, 2]], np.log(sidebands)))
    return counts | {"signal region": float(signal * density)}


def safe_number(fewest: int) -> float:
    r"""Return how many events must be expected for a number to be there.

    It is the expectation λ of a Poisson distribution under which fewer than ``fewest`` events are
    there with a probability of 10⁻⁶, :math:`Q(n, \lambda) = 10^{-6}` with the regularised upper
    incomplete gamma function.

    Examples
    --------
    >>> [round(safe_number(n), 1) for n in (1, 10, 40)]
    [13.8, 32.7, 77.5]
    """
    return float(gammainccinv(fewest, _RISK))


def all_are_thin(left_out: Sequence[ThinWindow]) -> str:
    """Say in one sentence that no window of a scan can be searched, and why.

    Examples
    --------
    >>> print(all_are_thin([ThinWindow(5000.0, 5600.0, "no events")]))
    none of the 1 windows of the scan has enough events to train on (5000-5600 GeV: no events); ...
    """
    first = left_out[0]
    return (
        f"none of the {len(left_out)} windows of the scan has enough events to train on "
        f"({first.low:.0f}-{first.high:.0f} GeV: {first.reason}); use more events, wider bins or "
        "another range of the scan"
    )
