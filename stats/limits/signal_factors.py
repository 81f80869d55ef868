r"""Uncertainties of a signal's size as factors, and how they are spread.

A nuisance parameter with a standard normal constraint changes the signal by :math:`\kappa_+` at
:math:`\alpha = 1` and by :math:`\kappa_-` at -1. A limit whose efficiency depends on the signal
itself has to know what of it the training sees, and what only the events that are selected.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy import special

from ...core import InputError, Record
from .quasi_random import DRAWS, evenly

__all__ = ["DrawnFactors", "SignalFactor", "between"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class SignalFactor(Record):
    """What a nuisance parameter makes of a signal.

    Attributes
    ----------
    name : str
        Of the nuisance.
    high, low : float
        Factors at plus and minus one standard deviation.
    trained : bool
        Whether it changes the signal events that are there, so that a training sees as many more
        or fewer, or only how many of them are selected.

    Examples
    --------
    >>> SignalFactor("luminosity", 1.02, 1 / 1.02).trained
    True
    >>> SignalFactor("width", 0.0, 1.1)
    Traceback (most recent call last):
    overdensity.core.errors.InputError: the signal varied by 'width' changes by 0 and 1.1; ...
    """

    name: str
    high: float
    low: float
    trained: bool = True

    def __post_init__(self) -> None:
        """Refuse a signal that is gone at one standard deviation."""
        if not (0 < self.high < np.inf and 0 < self.low < np.inf):
            msg = (
                f"the signal varied by {self.name!r} changes by {self.high:g} and {self.low:g}; "
                "give factors above 0"
            )
            raise InputError(msg)


@dataclass(frozen=True, eq=False)
class DrawnFactors:
    """Nuisances spread over their constraints, with a normal score beside them.

    Attributes
    ----------
    trained, selected : ndarray of shape (n_draws,)
        Logarithms of the factors on the signal events that are there, and on those selected.
    score : ndarray of shape (n_draws,)
        Standard normal, independent of both.
    """

    trained: Array
    selected: Array
    score: Array

    @classmethod
    def of(cls, nuisances: Sequence[SignalFactor]) -> Self:
        """Spread them by 4096 quasi-random points.

        Examples
        --------
        >>> drawn = DrawnFactors.of([SignalFactor("luminosity", 1.1, 1 / 1.1)])
        >>> float(drawn.trained.std().round(3)), float(np.log(1.1).round(3))
        (0.095, 0.095)
        """
        normal = special.ndtri(evenly(1 + len(nuisances)))
        logs = {True: np.zeros(DRAWS), False: np.zeros(DRAWS)}
        for each, alpha in zip(nuisances, normal.T[1:], strict=True):
            up, down = np.log(each.high), -np.log(each.low)
            logs[each.trained] += between(alpha, np.asarray(up), np.asarray(down))
        return cls(logs[True], logs[False], normal[:, 0])


def between(alpha: Array, up: Array, down: Array) -> Array:
    r"""Return a change between its values at plus and minus one σ, smooth at 0.

    Of sixth order for :math:`|\alpha| < 1`, linear beyond: code 4p of pyhf, after CERN-OPEN-2012-016,
    appendix 4.1.

    Parameters
    ----------
    alpha : ndarray
        The nuisance parameter.
    up, down : ndarray
        Change from -1 or 0 on: that at +1, and the negative of that at -1.

    Examples
    --------
    >>> between(np.array([-2.0, -1.0, 0.0, 1.0, 2.0]), np.array(0.1), np.array(0.3)).round(6).tolist()
    [-0.6, -0.3, 0.0, 0.1, 0.2]
    """
    square = alpha**2
    inner = alpha * (up + down) / 2 + square * (15 + square * (3 * square - 10)) * (up - down) / 16
    return np.where(np.abs(alpha) < 1, inner, np.where(alpha > 0, alpha * up, alpha * down))
