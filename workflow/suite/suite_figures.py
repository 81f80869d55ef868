"""The figure of a suite: how often a signal is found, against its strength."""

from __future__ import annotations

from itertools import cycle

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from ..drawing import COLOURS, STYLE
from .suite_result import SuiteResult

__all__ = ["plot_suite"]

_APART = 0.012  # of the axis, between the points of two methods


def plot_suite(result: SuiteResult) -> Figure:
    """Draw the rate of claims against strength with 68 % intervals; at zero, boxes without signal.

    Parameters
    ----------
    result : SuiteResult
        The suite.
    """
    methods = list(dict.fromkeys(each.method for each in result.rates))
    most = max((each.strength or 0.0 for each in result.rates), default=1.0) or 1.0
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(6.0, 4.2))
        axes = figure.subplots()
        axes.axhline(result.level, color="grey", lw=1, ls=":", label=f"level: {result.level:g}")
        for place, (method, colour) in enumerate(zip(methods, cycle(COLOURS), strict=False)):
            rates = [each for each in result.rates if each.method == method]
            rate = np.array([each.rate for each in rates])
            low, high = np.array([(each.low, each.high) for each in rates]).T
            shift = (place - (len(methods) - 1) / 2) * _APART * most
            axes.errorbar(
                np.array([each.strength or 0.0 for each in rates]) + shift,
                rate,
                [np.maximum(rate - low, 0), np.maximum(high - rate, 0)],
                fmt="o-",
                ms=5,
                lw=1.2,
                capsize=2,
                color=colour,
                label=method,
            )
        axes.set_ylim(-0.03, 1.03)
        axes.set_xlabel("S/√B of the signal before any selection (0: none)")
        axes.set_ylabel("fraction of boxes in which a signal is claimed")
        axes.legend(loc="upper left", fontsize=9)
    return figure
