"""The resonant mass of a stream, counted in bins far finer than any resolution."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from ...core import InputError

__all__ = ["MassCounts"]

_LOW, _HIGH, _STEP = (
    1.0,
    1e6,
    1e-3,
)  # GeV; steps of the logarithm: a jet's mass is known to some 1e-2
_FEWEST, _FACTOR = 50, 100.0  # events, and how far their medians may lie apart
_BINS = math.ceil(math.log(_HIGH / _LOW) / _STEP)


class MassCounts:
    """Numbers of events in bins of 0.1 % of the mass, from 1 GeV to 1000 TeV.

    Attributes
    ----------
    counts : ndarray of int64, shape (n_bins,)
        Events of each bin.
    """

    def __init__(self) -> None:
        self.counts = np.zeros(_BINS, np.int64)

    def __len__(self) -> int:
        """Return the number of events."""
        return int(self.counts.sum())

    def add(self, mass: NDArray[np.float64]) -> None:
        """Count events.

        Raises
        ------
        InputError
            If a mass in GeV lies below 1 or above 10⁶, or all are in other units than those before.
        """
        outside = ~((mass >= _LOW) & (mass < _HIGH))
        if outside.any():
            msg = (
                f"the mass of {outside.sum()} of {len(mass)} events is not between {_LOW:g} and "
                f"{_HIGH:g} GeV (such as {mass[outside][0]:g}); leave them out, or give it in GeV"
            )
            raise InputError(msg)
        self._refuse_other_units(mass)
        index = np.floor(np.log(mass / _LOW) / _STEP).astype(np.int64).clip(max=_BINS - 1)
        self.counts += np.bincount(index, minlength=_BINS)

    def _refuse_other_units(self, mass: NDArray[np.float64]) -> None:
        """Refuse masses a factor of a hundred from those before: TeV among GeV, for example."""
        if min(len(self), len(mass)) < _FEWEST:
            return
        middle = int(np.searchsorted(np.cumsum(self.counts), len(self) / 2))
        before, now = _LOW * math.exp(middle * _STEP), float(np.median(mass))
        if not 1 / _FACTOR < now / before < _FACTOR:
            msg = (
                f"the median of {len(mass)} masses is {now:.4g} GeV, and that of the events before "
                f"{before:.4g} GeV; give all in GeV"
            )
            raise InputError(msg)

    def draw(self, n: int | None, rng: np.random.Generator) -> NDArray[np.float64]:
        """Return masses in GeV in random order, spread evenly over the logarithm within a bin.

        Parameters
        ----------
        n : int or None
            How many, at random from the bins; by default as many as were counted, in each bin the
            number that was.
        rng : numpy.random.Generator
            All randomness comes from it.

        Raises
        ------
        InputError
            If nothing was counted.
        """
        if not len(self):
            msg = "no event was counted, and none can be drawn"
            raise InputError(msg)
        counts = self.counts if n is None else rng.multinomial(n, self.counts / len(self))
        bins = rng.permutation(np.repeat(np.arange(_BINS), counts))
        return _LOW * np.exp((bins + rng.random(len(bins))) * _STEP)

    def filled(self) -> NDArray[np.int64]:
        """Return the number of the first filled bin, and the counts from there to the last one."""
        where = np.flatnonzero(self.counts)
        if not len(where):
            return np.zeros(1, np.int64)
        return np.concatenate([where[:1], self.counts[where[0] : where[-1] + 1]])

    @classmethod
    def from_filled(cls, filled: NDArray[np.int64]) -> MassCounts:
        """Take over what :meth:`filled` returned."""
        made = cls()
        made.counts[int(filled[0]) : int(filled[0]) + len(filled) - 1] = filled[1:]
        return made
