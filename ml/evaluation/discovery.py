"""How little signal a method needs: the smallest initial significance that it lifts to 5σ."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ...core import InputError, Record

__all__ = ["SmallestSignificance", "smallest_significance"]


@dataclass(frozen=True)
class SmallestSignificance(Record):
    """The smallest initial significance from which a method reaches its target.

    Attributes
    ----------
    target : float
        The significance after selection that is asked for.
    value : float, optional
        S/√B before selection; None where not even the largest reaches the target.
    is_bound : bool
        All points reach the target: the smallest may lie below ``value``.

    Examples
    --------
    >>> smallest_significance([0.5, 1.0], [20.0, 12.0])
    SmallestSignificance(target=5.0, value=0.5, is_bound=True)
    """

    target: float
    value: float | None
    is_bound: bool


def smallest_significance(
    initial: ArrayLike, max_sic: ArrayLike, *, target: float = 5.0
) -> SmallestSignificance:
    r"""Return the smallest initial significance that still reaches the target after selection.

    A selection multiplies :math:`S/\sqrt{B}` by its significance improvement. Between the points
    of a scan over the signal strength the product is interpolated linearly; what counts is the
    point from which on all larger strengths reach the target, so a lucky faint one does not.

    Parameters
    ----------
    initial : array_like, shape (n_points,)
        S/√B in the signal region before selection, in any order.
    max_sic : array_like, shape (n_points,)
        The maximum significance improvement that was reached there.
    target : float
        The significance asked for.

    Returns
    -------
    SmallestSignificance

    Raises
    ------
    InputError
        If the shapes disagree, there is no point, or a value is not finite.

    Examples
    --------
    Lifted to 1σ, 4σ and 8σ; 5σ are reached a quarter of the way from the second to the third:

    >>> smallest_significance([0.5, 1.0, 2.0], [2.0, 4.0, 4.0]).value
    1.25
    """
    initial, max_sic = np.asarray(initial, dtype=float), np.asarray(max_sic, dtype=float)
    if initial.ndim != 1 or initial.shape != max_sic.shape or not initial.size:
        msg = (
            f"initial {initial.shape} and max_sic {max_sic.shape} must be (n_points,), at least one"
        )
        raise InputError(msg)
    if not (np.isfinite(initial).all() and np.isfinite(max_sic).all()):
        msg = "initial and max_sic must be finite; leave out points without a measurement"
        raise InputError(msg)
    order = np.argsort(initial)
    initial, reached = initial[order], (initial * max_sic)[order]
    short = np.flatnonzero(reached < target)
    if not short.size:
        return SmallestSignificance(target, float(initial[0]), is_bound=True)
    last = short[-1]
    if last == len(initial) - 1:
        return SmallestSignificance(target, None, is_bound=False)
    low, high = reached[last], reached[last + 1]
    value = initial[last] + (target - low) / (high - low) * (initial[last + 1] - initial[last])
    return SmallestSignificance(target, float(value), is_bound=False)
