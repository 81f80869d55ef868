"""How often something happened, with an interval: shares of datasets whose p-value is small."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import binomtest

__all__ = ["Share", "counted", "share_below", "share_of"]


class Share(NamedTuple):
    """A share of trials, and the bounds of its interval.

    Attributes
    ----------
    value, low, high : float
        From 0 to 1.

    Examples
    --------
    >>> Share(0.05, 0.031, 0.078).in_per_cent()
    '5.0 (3.1-7.8)'
    """

    value: float
    low: float
    high: float

    def in_per_cent(self) -> str:
        """Return it as a cell of a table."""
        return f"{100 * self.value:.1f} ({100 * self.low:.1f}-{100 * self.high:.1f})"


def share_of(happened: int, trials: int, *, level: float = 0.68) -> Share:
    """Return the share of trials in which something happened.

    Parameters
    ----------
    happened, trials : int
        In how many of how many.
    level : float
        Of the interval of Clopper and Pearson, Biometrika 26 (1934) 404, which covers at least so
        often.

    Examples
    --------
    >>> [round(each, 3) for each in share_of(0, 100)]
    [0.0, 0.0, 0.018]
    """
    low, high = binomtest(happened, trials).proportion_ci(level, method="exact")
    return Share(happened / trials, float(low), float(high))


def counted(happened: Sequence[bool]) -> str:
    """Return how often something happened, with the interval of 68 %, as a cell of a table.

    Parameters
    ----------
    happened : sequence of bool
        Whether it did, trial by trial.

    Examples
    --------
    >>> counted([True, False, False]), counted([])
    ('1 of 3 (6 to 75 %)', '-')
    """
    if not happened:
        return "-"
    _, low, high = share_of(sum(happened), len(happened))
    return f"{sum(happened)} of {len(happened)} ({100 * low:.0f} to {100 * high:.0f} %)"


def share_below(p: ArrayLike, alpha: float, *, level: float = 0.68) -> Share:
    """Return the share of p-values below alpha, which is alpha at most if they say what they should.

    Parameters
    ----------
    p : array_like
        P-values of datasets.
    alpha : float
        What is small.
    level : float
        As of `share_of`.

    Examples
    --------
    >>> share_below([0.01, 0.2, 0.6, 0.9], 0.1).value
    0.25
    """
    values = np.asarray(p)
    return share_of(int((values < alpha).sum()), values.size, level=level)
