"""Excesses after a selection that contradict the spectrum before it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..search.hunt_result import HuntResult

__all__ = ["contradicted"]


def contradicted(result: HuntResult, *, threshold: float = 3.0) -> NDArray[np.bool_]:
    r"""Say where a selection has more excess than the spectrum before selection can hide.

    Signal that passes a selection was there before it. With excesses :math:`E = n - b` before (1)
    and after selection (s), the events that fail the selection have the excess
    :math:`E_1 - E_s`, which fluctuates by Poisson and fit errors only. Where
    :math:`E_s - \max(E_1, 0)` exceeds ``threshold`` times
    :math:`\sqrt{b_1 - b_s + \sigma_1^2 + \sigma_s^2}`, background was moved, not signal found.

    Parameters
    ----------
    result : HuntResult
        The search.
    threshold : float
        In standard deviations.

    Returns
    -------
    ndarray of bool, shape (n_windows, n_selections)

    Examples
    --------
    A selection of one event in ten passes events evenly, so it contradicts nothing:

    >>> import numpy as np
    >>> from overdensity.stats import hunt, log_edges
    >>> edges = log_edges(2632, 6000, 8)
    >>> mass = np.repeat(np.sqrt(edges[1:] * edges[:-1]), [900, 600, 400, 250, 150, 90, 50, 30])
    >>> levels = (np.arange(mass.size) % 10 == 0).astype(int)[:, None]
    >>> found = hunt(
    ...     mass, levels, edges=edges, windows=[(edges[3], edges[5])], efficiencies=(0.1,),
    ...     pseudo_experiments=250,
    ... )
    >>> contradicted(found).tolist()
    [[False]]
    """
    found = []
    for window in result.windows:
        before = window.unselected
        hidden = max(before.observed - before.expected, 0.0)
        row = []
        for after in window.selections:
            variance = max(before.expected - after.expected, 0.0)
            variance += (before.expected_error or 0.0) ** 2 + (after.expected_error or 0.0) ** 2
            row.append(after.observed - after.expected - hidden > threshold * np.sqrt(variance))
        found.append(row)
    return np.array(found, dtype=bool)
