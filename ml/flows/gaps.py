"""Columns in falling order, such as pT of the leading leptons, by the gaps between them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

__all__ = ["Gaps"]

Array = NDArray[np.float64]

_ACCIDENTS = 20  # events that would be out of order if columns were independent, and none is
_SPIKE = 0.02  # share of events with one and the same value: such a column is discrete


@dataclass(frozen=True, eq=False)
class Gaps:
    """Columns that are never smaller than the next one, replaced by the logarithm of the gap.

    The density of such columns ends at an edge, over which a smooth one leaks: of four leptons that a
    flow draws, one event in ten is out of order, and any classifier sees it. By the smallest one
    and the gaps no drawn event can be. Columns are in order if no event breaks it, and many would
    if the columns were independent; discrete ones are left as they are.

    Attributes
    ----------
    columns : ndarray of int64, shape (n_gaps,)
        Those that are replaced, in rising order.
    least : ndarray of float64, shape (n_gaps,)
        The smallest gap above zero that was there; smaller ones count as it.

    Examples
    --------
    >>> x = np.sort(np.random.default_rng(1).exponential(30, (500, 3)))[:, ::-1]
    >>> gaps = Gaps.find(x)
    >>> gaps.columns.tolist()
    [0, 1]
    >>> np.allclose(gaps.inverse(gaps.forward(x)[0]), x)
    True
    """

    columns: NDArray[np.int64]
    least: Array

    @classmethod
    def find(cls, x: NDArray[Any]) -> Self:
        """Find the columns in order among events of shape (n_events, n_features)."""
        columns = [i for i in range(x.shape[1] - 1) if _in_order(x[:, i], x[:, i + 1])]
        gaps = [(x[:, i] - x[:, i + 1]).astype(np.float64) for i in columns]
        least = [float(gap[gap > 0].min()) for gap in gaps]
        return cls(np.array(columns, np.int64), np.array(least, np.float64))

    def forward(self, x: NDArray[Any]) -> tuple[Array, Array]:
        """Return events with gaps, and the logarithm of the Jacobian of each.

        The Jacobian of an event that is out of order is zero, and so is its density.
        """
        x = np.asarray(x, np.float64)
        found, log_jacobian = x.copy(), np.zeros(len(x))
        for i, least in zip(self.columns, self.least, strict=True):
            gap = x[:, i] - x[:, i + 1]
            found[:, i] = np.log(np.maximum(gap, least))
            log_jacobian += np.where(gap < 0, -np.inf, -found[:, i])
        return found, log_jacobian

    def inverse(self, found: Array) -> Array:
        """Return the events that have these gaps."""
        x = found.copy()
        for i in self.columns[::-1]:  # the next column is there already
            x[:, i] = x[:, i + 1] + np.exp(found[:, i])
        return x

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return all that was found as plain arrays."""
        return {"columns": self.columns, "least": self.least}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Take over what :meth:`arrays` returned."""
        return cls(arrays["columns"], arrays["least"])


def _in_order(above: NDArray[Any], below: NDArray[Any]) -> bool:
    if np.any(above < below) or _discrete(above) or _discrete(below):
        return False
    return np.searchsorted(np.sort(above), below).sum() / len(above) > _ACCIDENTS


def _discrete(x: NDArray[Any]) -> bool:
    shared = np.unique(x, return_counts=True)[1].max()
    return bool(np.all(x == np.round(x))) or shared > max(_SPIKE * len(x), 1)
