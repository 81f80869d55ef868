"""A background predicted in the bins of a signal region, and what its fit needs beforehand."""

from __future__ import annotations

from typing import TypedDict

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...core import FitError, InputError

__all__ = ["Prediction", "check_filled", "checked_mask", "prediction"]

Array = NDArray[np.float64]


class Prediction(TypedDict):
    """What results say of a background in bins, and in the masked ones together.

    Examples
    --------
    >>> import numpy as np
    >>> found: Prediction = prediction(
    ...     np.array([1.0, 2.0]), np.ones(1, bool), np.array([9.0]), np.diag([4.0])
    ... )
    >>> found["total_error"]
    2.0
    """

    edges: tuple[float, ...]
    masked: tuple[bool, ...]
    expected: tuple[float, ...]
    expected_error: tuple[float, ...]
    covariance: tuple[tuple[float, ...], ...]
    total: float
    total_error: float


def prediction(
    edges: Array, mask: NDArray[np.bool_], expected: Array, covariance: Array
) -> Prediction:
    """Return a background with its errors and its sum over the masked bins.

    Parameters
    ----------
    edges : ndarray of shape (n_bins + 1,)
        Bin edges, GeV.
    mask : ndarray of bool, shape (n_bins,)
        The signal region.
    expected : ndarray of shape (n_bins,)
        Background, events.
    covariance : ndarray of shape (n_bins, n_bins)
        Its covariance.

    Examples
    --------
    >>> import numpy as np
    >>> found = prediction(
    ...     np.array([1.0, 2.0, 3.0]), np.ones(2, bool), np.array([9.0, 4.0]), np.diag([9.0, 16.0])
    ... )
    >>> found["expected_error"], found["total"], found["total_error"]
    ((3.0, 4.0), 13.0, 5.0)
    """
    return Prediction(
        edges=tuple(edges.tolist()),
        masked=tuple(mask.tolist()),
        expected=tuple(expected.tolist()),
        expected_error=tuple(np.sqrt(np.diag(covariance)).tolist()),
        covariance=tuple(tuple(row) for row in covariance.tolist()),
        total=float(expected[mask].sum()),
        total_error=float(np.sqrt(covariance[np.ix_(mask, mask)].sum())),
    )


def checked_mask(masked: ArrayLike | None, n_bins: int) -> NDArray[np.bool_]:
    """Return the mask as an array, none masked by default, or say what is wrong with it.

    Examples
    --------
    >>> checked_mask(None, 3).tolist()
    [False, False, False]
    """
    mask = np.zeros(n_bins, bool) if masked is None else np.asarray(masked, dtype=bool)
    if mask.shape != (n_bins,):
        msg = f"masked has shape {mask.shape}, but there are {n_bins} bins: one per bin"
        raise InputError(msg)
    return mask


def check_filled(counts: Array, mask: NDArray[np.bool_], function: str, n_free: int) -> None:
    """Refuse a spectrum with too few filled bins for a function with free parameters.

    Examples
    --------
    >>> import numpy as np
    >>> check_filled(np.array([5.0, 0.0, 2.0]), np.zeros(3, bool), "dijet3", 3)
    Traceback (most recent call last):
    overdensity.core.errors.FitError: only 2 of 3 fitted bins have events; dijet3 needs more than 3: widen the range, or choose a function with fewer parameters
    """
    filled = int(((counts > 0) & ~mask).sum())
    if filled <= n_free:
        msg = (
            f"only {filled} of {int((~mask).sum())} fitted bins have events; {function} needs "
            f"more than {n_free}: widen the range, or choose a function with fewer parameters"
        )
        raise FitError(msg)
