"""Limits on the selected yields of a run, window by window, from its counts."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np

from ...core import FitError
from ...stats import SelectionResult, WindowResult, counting_workspace
from ...stats.limits.cls import upper_limit
from ...stats.limits.signal_factors import SignalFactor
from ...stats.workspaces.pieces import factor
from .limits_result import WindowLimits, YieldLimit

__all__ = ["window_limits", "yield_limit"]

logger = logging.getLogger(__name__)


def window_limits(
    window: WindowResult,
    level: float,
    nuisances: Sequence[SignalFactor] = (),
    *,
    of_rows: Sequence[Sequence[SignalFactor]] | None = None,
) -> WindowLimits:
    """Return the limits on the selected yields of one window, at a confidence level.

    With nuisances of the signal, they are limits on the yield that is expected of it; `of_rows` are
    those of each selection beside those of all.

    Examples
    --------
    >>> from dataclasses import replace
    >>> row = SelectionResult(0.1, 12, 10.0, 1.0, 0.0, 0.3, 0.5, 8.0, 9, 0.5, False, False)
    >>> all_events = replace(row, efficiency=1.0, searched=False)
    >>> window = WindowResult(3464.1, 3000.0, 4000.0, all_events, (row,))
    >>> limits = window_limits(window, 0.95)
    >>> [round(limit.observed, 1) for limit in limits.selections]
    [10.2]
    """
    own = [()] * len(window.searched) if of_rows is None else of_rows
    rows = tuple(
        yield_limit(row, level, (*nuisances, *each))
        for row, each in zip(window.searched, own, strict=True)
    )
    return WindowLimits(window.center, window.low, window.high, rows)


def yield_limit(
    row: SelectionResult, level: float, nuisances: Sequence[SignalFactor] = ()
) -> YieldLimit:
    """Return the CLs limit on the selected signal events of one row (`counting_workspace`).

    The error of the fit and the spurious signal are nuisances of their own, and each counts once.

    Parameters
    ----------
    row : SelectionResult
        Counts of the signal region.
    level : float
        Confidence level.
    nuisances : sequence of SignalFactor
        Uncertainties of the signal.

    Returns
    -------
    YieldLimit
        Without limits where the fit may not be quoted.
    """
    if row.flagged:
        return YieldLimit(row, None, ())
    # The scale of a limit, so that it is of order 1 in units of mu.
    scale = 3.0 + 2.0 * float(np.hypot(np.sqrt(max(row.expected, 0.0)), row.total_error))
    modifiers = [factor(each.name, each.high, each.low) for each in nuisances]
    try:
        count = counting_workspace(row, n_signal=scale, nuisances=modifiers)
        limit = upper_limit(count, level=level)
    except FitError as failure:
        logger.warning("no limit at %g: %s", row.efficiency, failure)
        return YieldLimit(row, None, ())
    return YieldLimit(row, limit.observed * scale, tuple(x * scale for x in limit.expected))
