"""The record of what the selections of a search do to the mass spectrum."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...core import Record

__all__ = ["Sculpting", "SelectionSculpting", "WindowSculpting"]


@dataclass(frozen=True)
class SelectionSculpting(Record):
    """What one selection does to the spectrum of one window.

    Attributes
    ----------
    efficiency : float
        Fraction of events kept.
    fake, fake_error : float
        Events that the sideband fit would see in excess in the signal region without any signal,
        predicted from the bulk of the scores; and the error of the prediction.
    fake_z : float
        ``fake`` in units of the statistical error of the local significance.
    refused : bool
        The prediction is significant, too large, and no small part of what is observed: the
        selection must not be counted.
    chi2, ndf : float, int
        Of the hypothesis that selected events have the masses of all events (Pearson).
    distance : float
        Jensen-Shannon distance of the spectra before and after selection at equal normalisation,
        in [0, 1]; statistical fluctuations alone make it positive.

    Examples
    --------
    >>> SelectionSculpting(0.01, 40.0, 8.0, 2.0, True, chi2=40.0, ndf=31, distance=0.1).refused
    True
    """

    efficiency: float
    fake: float
    fake_error: float
    fake_z: float
    refused: bool
    chi2: float
    ndf: int
    distance: float


@dataclass(frozen=True)
class WindowSculpting(Record):
    """One window.

    Attributes
    ----------
    low, high : float
        Its signal region, GeV.
    shift, shift_error : float
        Location of the bulk of the normal scores in the signal region over what the sidebands let
        one expect, in standard deviations of the score.
    location, location_error : tuple of float
        Location of the bulk in each mass bin.
    selections : tuple of SelectionSculpting
        From loose to tight.

    Examples
    --------
    >>> row = SelectionSculpting(0.01, 40.0, 8.0, 2.0, True, chi2=40.0, ndf=31, distance=0.1)
    >>> WindowSculpting(3000.0, 3500.0, 0.1, 0.02, (0.1,), (0.02,), (row,)).shift
    0.1
    """

    low: float
    high: float
    shift: float
    shift_error: float
    location: tuple[float, ...]
    location_error: tuple[float, ...]
    selections: tuple[SelectionSculpting, ...]


@dataclass(frozen=True)
class Sculpting(Record):
    """Sculpting of all windows and selections of a search.

    Attributes
    ----------
    edges : tuple of float
        Bin edges of the fits, GeV.
    bulk : float
        Fraction of events, the lowest in score, that make the bulk.
    tolerance, significance, share : float
        What is refused, see `refuse_fabricated`.
    common : float
        Mean shift of all windows in units of its standard deviation; beyond 3 the classifiers
        of this search are known to have learnt the mass.
    windows : tuple of WindowSculpting
        In the order of the scan.

    Examples
    --------
    >>> row = SelectionSculpting(0.01, 40.0, 8.0, 2.0, True, chi2=40.0, ndf=31, distance=0.1)
    >>> window = WindowSculpting(3000.0, 3500.0, 0.1, 0.02, (0.1,), (0.02,), (row,))
    >>> Sculpting((3000.0, 3500.0), 0.9, 0.5, 2.5, 0.33, 1.0, (window,)).refused.tolist()
    [[True]]
    """

    edges: tuple[float, ...]
    bulk: float
    tolerance: float
    significance: float
    share: float
    common: float
    windows: tuple[WindowSculpting, ...]

    @property
    def refused(self) -> NDArray[np.bool_]:
        """Which selections must not be counted, shape (n_windows, n_selections)."""
        return np.array([[row.refused for row in each.selections] for each in self.windows])

    def sentences(self) -> tuple[str, ...]:
        """Say which selections are refused and why, one sentence each."""
        return tuple(
            f"window {window.low:.0f}-{window.high:.0f} GeV, efficiency {row.efficiency:g}: the "
            f"score knows the mass (the bulk of its distribution is shifted by {window.shift:.3f} ± "
            f"{window.shift_error:.3f} standard deviations), which would fake {row.fake:.0f} ± "
            f"{row.fake_error:.0f} events; it is not counted: leave features that follow the mass out, "
            "or name them under 'decorrelate'"
            for window in self.windows
            for row in window.selections
            if row.refused
        )
