"""The average over the last part of a series of unknown length, in fixed memory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["RecentAverage"]

_BLOCKS = 40


class RecentAverage:
    """Sums of a series in at most 40 blocks of equal length, the last one in the making.

    Once all are full, neighbours are joined and further blocks are twice as long: a last part of the
    series is known to a twentieth of the whole, however long that becomes.

    Parameters
    ----------
    values : int
        Length of each member of the series.
    """

    def __init__(self, values: int) -> None:
        self._sums = np.zeros((_BLOCKS, values))
        self._losses = np.zeros(_BLOCKS)
        self._counts = np.zeros(_BLOCKS, np.int64)
        self._length = 1
        self._last = 0

    def __len__(self) -> int:
        """Return the length of the series."""
        return int(self._counts.sum())

    def add(self, values: NDArray[Any], loss: float) -> None:
        """Take the next member of the series, and a loss that belongs to it."""
        if self._counts[self._last] == self._length:
            if self._last == _BLOCKS - 1:
                self._join()
            else:
                self._last += 1
        self._sums[self._last] += values
        self._losses[self._last] += loss
        self._counts[self._last] += 1

    def mean(self, part: float) -> NDArray[np.float64]:
        """Return the mean over the last blocks that make up this part of the series, or a little more."""
        of_last = np.cumsum(self._counts[::-1])
        blocks = int(np.searchsorted(of_last, part * len(self))) + 1
        return self._sums[-blocks:].sum(axis=0) / of_last[blocks - 1]

    def losses(self) -> list[tuple[int, float]]:
        """Return, for each block, how much of the series there is to its end, and its mean loss."""
        ends, filled = np.cumsum(self._counts), self._counts > 0
        means = self._losses[filled] / self._counts[filled]
        return list(zip(ends[filled].tolist(), means.tolist(), strict=True))

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return all that is known of the series."""
        return {
            "sums": self._sums,
            "losses": self._losses,
            "counts": self._counts,
            "where": np.array([self._length, self._last]),
        }

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over what :meth:`arrays` returned."""
        self._sums, self._losses, self._counts = (
            np.array(arrays[name]) for name in ("sums", "losses", "counts")
        )
        self._length, self._last = arrays["where"].tolist()

    def _join(self) -> None:
        half = _BLOCKS // 2
        for each in (self._sums, self._losses, self._counts):
            each[:half] = each[::2] + each[1::2]
            each[half:] = 0
        self._length *= 2
        self._last = half
