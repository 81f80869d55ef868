"""Excesses after a selection that contradict the spectrum before it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["contradicted"]

Array = NDArray[np.float64]

_THRESHOLD = 3.0  # standard deviations


def contradicted(
    observed: Array, expected: Array, error: Array, *, n_levels: int, threshold: float = _THRESHOLD
) -> NDArray[np.bool_]:
    r"""Say where a selection has more excess than the spectrum before selection can hide.

    Signal that passes a selection was there before it. With excesses :math:`E = n - b` before (1)
    and after selection (s), the events that fail the selection have the excess
    :math:`E_1 - E_s`, which fluctuates by Poisson and fit errors only. Where
    :math:`E_s - \max(E_1, 0)` exceeds ``threshold`` times
    :math:`\sqrt{b_1 - b_s + \sigma_1^2 + \sigma_s^2}`, background was moved, not signal found.

    The rule is the same for data and pseudo-experiments, so that p-values count alike.

    Parameters
    ----------
    observed, expected, error : ndarray of shape (..., n_spectra)
        Events in the signal regions, the background expected there, and the error of its fit; the
        spectra are numbered window by window, the unselected one first.
    n_levels : int
        Spectra of each window, the unselected one included.
    threshold : float
        In standard deviations.

    Returns
    -------
    ndarray of bool, shape (..., n_spectra)
        Never true of an unselected spectrum.

    Examples
    --------
    Of 100 ± 3 events 50 more would be seen in the 1000 ± 10 before selection, if they were signal:

    >>> import numpy as np
    >>> b, error = np.array([1000.0, 100.0]), np.array([10.0, 3.0])
    >>> contradicted(np.array([1050.0, 150.0]), b, error, n_levels=2).tolist()
    [False, False]
    >>> contradicted(np.array([1000.0, 210.0]), b, error, n_levels=2).tolist()
    [False, True]
    """
    shape = (*expected.shape[:-1], -1, n_levels)
    excess = (observed - expected).reshape(shape)
    before, variance = expected.reshape(shape), (error**2).reshape(shape)
    hidden = np.maximum(excess[..., :1], 0.0)
    failing = np.maximum(before[..., :1] - before, 0.0)
    allowed = threshold * np.sqrt(failing + variance[..., :1] + variance)
    found = excess - hidden > allowed
    found[..., 0] = False
    return found.reshape(expected.shape)
