"""The regions among which a bump hunt looks for the least probable one."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...core import InputError

__all__ = ["Grid", "checked_reference", "grid"]

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Grid:
    """The bins of a spectrum and the regions in them.

    Attributes
    ----------
    edges : tuple of ndarray
        Bin edges of each axis, GeV.
    boxes : ndarray of int, shape (n_boxes, 4)
        First bin and the one after the last, of the first and of the second axis; a spectrum of
        one mass has a single bin on the second.

    Examples
    --------
    >>> import numpy as np
    >>> bins = grid((np.linspace(1000, 1400, 5),), ((2, 2),), None)
    >>> bins.shape, bins.inside(0).tolist()
    ((4, 1), [True, True, False, False])
    """

    edges: tuple[Array, ...]
    boxes: NDArray[np.int64]

    @property
    def shape(self) -> tuple[int, int]:
        """Numbers of bins, (n_x, n_y)."""
        n_y = self.edges[1].size - 1 if len(self.edges) == 2 else 1
        return self.edges[0].size - 1, n_y

    def inside(self, box: int) -> NDArray[np.bool_]:
        """Return which bins a box has, shape (n_x × n_y,)."""
        x0, x1, y0, y1 = self.boxes[box]
        mask = np.zeros(self.shape, dtype=bool)
        mask[x0:x1, y0:y1] = True
        return mask.ravel()


def grid(
    edges: tuple[Array, ...], widths: tuple[tuple[int, int], ...], sidebands: int | None
) -> Grid:
    """List all boxes with widths from least to largest on each axis, narrow ones first.

    Parameters
    ----------
    edges : tuple of ndarray
        Bin edges of each axis.
    widths : tuple of (int, int)
        Smallest and largest width on each axis, bins.
    sidebands : int, optional
        Bins at every end that no region may enter.

    Returns
    -------
    Grid

    Raises
    ------
    InputError
        If no region fits.

    Examples
    --------
    >>> import numpy as np
    >>> grid((np.linspace(1000, 1400, 5),), ((2, 3),), None).boxes[:, :2].tolist()
    [[0, 2], [1, 3], [2, 4], [0, 3], [1, 4]]
    """
    spans: list[list[list[tuple[int, int]]]] = []
    for axis, (narrow, wide) in zip(edges, widths, strict=True):
        first, stop = sidebands or 0, axis.size - 1 - (sidebands or 0)
        if not 1 <= narrow <= wide or narrow > stop - first:
            msg = (
                f"regions of {narrow} to {wide} bins do not fit into bins {first} to {stop} of "
                f"{axis.size - 1}: use more bins, narrower regions or no side bands"
            )
            raise InputError(msg)
        spans.append(
            [
                [(k, k + width) for k in range(first, stop - width + 1)]
                for width in range(narrow, min(wide, stop - first) + 1)
            ]
        )
    if len(spans) == 1:
        spans.append([[(0, 1)]])
    boxes = [
        (*x, *y)
        for of_width_x, of_width_y in itertools.product(*spans)
        for x in of_width_x
        for y in of_width_y
    ]
    return Grid(edges, np.array(boxes, dtype=np.int64))


def checked_reference(counts: Array, reference: ArrayLike) -> Array:
    """Return a given background as an array, or say what is wrong with it.

    Examples
    --------
    >>> import numpy as np
    >>> checked_reference(np.array([3.0, 4.0]), [2.5, 4.5]).tolist()
    [2.5, 4.5]
    """
    values = np.asarray(reference, dtype=float)
    if values.shape != counts.shape:
        msg = f"the reference has shape {values.shape}, the counts {counts.shape}: one per bin"
        raise InputError(msg)
    if not np.all(np.isfinite(values) & (values >= 0)) or not values.any():
        msg = "the reference must be finite, not negative, and expect events somewhere"
        raise InputError(msg)
    return values
