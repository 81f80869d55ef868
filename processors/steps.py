"""The cuts of a selection, and what each of them leaves."""

from __future__ import annotations

import awkward as ak
import numpy as np
from numpy.typing import NDArray

__all__ = ["Steps"]


class Steps:
    """Which events of a batch are left after each step of a selection.

    Attributes
    ----------
    kept : array of bool, shape (n_events,)
        Those that are left.
    after : dict of str to array of bool, each of shape (n_events,)
        Those that were left after each step.

    Examples
    --------
    >>> steps = Steps(3)
    >>> steps.cut("two jets", np.array([True, True, False]))
    >>> steps.cut("central", np.array([False, True, True]))
    >>> steps.kept.tolist(), [int(kept.sum()) for kept in steps.after.values()]
    ([False, True, False], [2, 1])
    """

    def __init__(self, n_events: int) -> None:
        self.kept = np.ones(n_events, dtype=np.bool_)
        self.after: dict[str, NDArray[np.bool_]] = {}

    def cut(self, step: str, passed: ak.Array | NDArray[np.bool_]) -> None:
        """Keep the events that pass, shape (n_events,), and note it under the name of the step."""
        self.kept = self.kept & ak.to_numpy(passed)
        self.after[step] = self.kept
