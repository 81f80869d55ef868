"""A few numbers of the constituents and images of events, for the figures of a report."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...ml import SampleStream
from .run import Run
from .samples import first_events

__all__ = ["block_numbers"]

_ROWS = 8192  # events at a time
_SAME = 1e-3  # logarithms that differ by less are of rounding


def block_numbers(run: Run, event: NDArray[np.uint64]) -> dict[str, NDArray[np.float32]]:
    """Return the numbers that sum up the constituents and images of events, as a method sees these.

    The files are read once more, some rows at a time. Numbers that are the same for all events,
    such as the sum of the pixels of a normalised image, are left out.

    Parameters
    ----------
    run : Run
        The search.
    event : ndarray of uint64, shape (n_events,)
        Ids of the events.

    Returns
    -------
    dict of str to ndarray of float32, shape (n_events,)
        By the names of column and number; empty where the features are numbers themselves.
    """
    if not first_events(run).blocks:
        return {}
    order = np.argsort(event)
    found: dict[str, NDArray[np.float32]] = {}
    for some in SampleStream(run.columns, run.config.features, run.config.mass, rows=_ROWS):
        place = np.searchsorted(event, some.event, sorter=order).clip(max=len(event) - 1)
        there = event[order[place]] == some.event
        rows = order[place[there]]
        for name, block in some.blocks.items():
            numbers = block.normalised().take(there).summaries()
            for number, column in zip(block.summary_names, numbers.T, strict=True):
                into = found.setdefault(f"{name}: {number}", np.zeros(len(event), np.float32))
                into[rows] = column
    return {name: column for name, column in found.items() if np.ptp(column) > _SAME}
