"""Where functions of the signal strength cross a level, several of them at once."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ...core import FitError

__all__ = ["crossings", "noisy_crossings"]

Array = NDArray[np.float64]

_PRECISION = 1e-5  # of a strength, relative
_DOUBLINGS = 30
_STEPS = 100


def crossings(function: Callable[[Array], Array], at_zero: Array, guess: float) -> Array:
    """Return where each component of an increasing function crosses zero (Illinois method).

    ``function`` takes one strength a component, and is negative at zero.

    Examples
    --------
    >>> import numpy as np
    >>> target = np.array([1.0, 9.0])
    >>> crossings(lambda mu: mu**2 - target, -target, 0.5).round(3).tolist()
    [1.0, 3.0]
    """
    low, f_low = np.zeros(at_zero.size), at_zero.copy()
    high = np.full(at_zero.size, guess)
    f_high = function(high)
    for _ in range(_DOUBLINGS):
        short = f_high < 0
        if not short.any():
            break
        low, f_low = np.where(short, high, low), np.where(short, f_high, f_low)
        high = np.where(short, 2 * high, high)
        f_high = function(high)
    else:
        msg = (
            f"no strength up to {high.max():.3g} is excluded: nuisance parameters absorb the signal; "
            "constrain them, or leave out those that act as the signal does"
        )
        raise FitError(msg)
    side = np.zeros(at_zero.size)
    for _ in range(_STEPS):
        if np.all(high - low <= _PRECISION * high):
            break
        middle = (low * f_high - high * f_low) / (f_high - f_low)
        # Regula falsi may creep along one end; keep away from both by a part of the precision.
        edge = _PRECISION * high / 4
        middle = np.clip(middle, low + edge, high - edge)
        value = function(middle)
        below = value < 0
        f_high = np.where(below & (side < 0), f_high / 2, f_high)
        f_low = np.where(~below & (side > 0), f_low / 2, f_low)
        low, f_low = np.where(below, middle, low), np.where(below, value, f_low)
        high, f_high = np.where(below, high, middle), np.where(below, f_high, value)
        side = np.where(below, -1.0, 1.0)
    return (low + high) / 2


def noisy_crossings(log_cls: Callable[[float], Array], log_alpha: float, guess: float) -> Array:
    """Return where each component of ln CLs falls below that of the level, by interpolation.

    Examples
    --------
    >>> import numpy as np
    >>> fall = np.array([1.0, 2.0])
    >>> noisy_crossings(lambda mu: -mu * fall, -3.0, 1.0).round(3).tolist()
    [3.0, 1.5]
    """
    strengths = list(np.geomspace(guess / 4, guess * 2, 10))
    values = [log_cls(mu) for mu in strengths]
    for _ in range(_DOUBLINGS):
        if (values[-1] < log_alpha).all():
            break
        strengths.append(1.3 * strengths[-1])
        values.append(log_cls(strengths[-1]))
    else:
        msg = f"no strength up to {strengths[-1]:.3g} is excluded: nuisances absorb the signal"
        raise FitError(msg)
    mu = np.concatenate([[0.0], strengths])
    table = np.concatenate([np.zeros((1, len(values[0]))), np.array(values)])
    limits = np.empty(table.shape[1])
    for k, column in enumerate(table.T):
        last = int(np.flatnonzero(column >= log_alpha)[-1])  # noise may cross more than once
        rise = (log_alpha - column[last]) / (column[last + 1] - column[last])
        limits[k] = mu[last] + rise * (mu[last + 1] - mu[last])
    return limits
