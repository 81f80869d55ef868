"""Figures of uncertainties: pulls and impacts, and the likelihood along the strength."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from ...stats.uncertainties.impacts import Impacts
from ..drawing import COLOURS, STYLE
from .uncertainties_result import Uncertainties

__all__ = ["plot_impacts", "plot_strength"]

_MOST = 20  # nuisances in one figure


def plot_impacts(found: Impacts) -> Figure:
    """Draw the pulls of the nuisances, and what each does to the strength."""
    shown = found.impacts[:_MOST][::-1]
    place = np.arange(len(shown))
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(7.2, 1.2 + 0.3 * len(shown)))
        left, right = figure.subplots(1, 2, sharey=True)
        known = [k for k, each in enumerate(shown) if each.pull is not None]
        left.axvspan(-1, 1, color="0.92")
        left.errorbar(
            [shown[k].pull or 0.0 for k in known],
            known,
            xerr=[shown[k].constraint or 0.0 for k in known],
            fmt="o",
            color="black",
            markersize=4,
        )
        left.set(
            yticks=place,
            yticklabels=[each.name for each in shown],
            xlim=(-2.5, 2.5),
            xlabel="pull [σ of the constraint]",
        )
        right.barh(place, [each.up for each in shown], color=COLOURS[0], label="+1σ", alpha=0.8)
        right.barh(place, [each.down for each in shown], color=COLOURS[1], label="-1σ", alpha=0.8)
        right.axvline(0, color="black", lw=0.8)
        right.set(xlabel=f"change of the strength {found.mu:.2f} ± {found.mu_error:.2f}")
        right.legend()
    return figure


def plot_strength(found: Uncertainties) -> Figure:
    """Draw the likelihood along the strength: all nuisances, none, and each background function."""
    scan = found.scan
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(6.0, 4.2))
        axes = figure.subplots()
        axes.plot(scan.strengths, scan.profiled, color=COLOURS[0], label="all nuisances")
        axes.plot(scan.strengths, scan.statistical, color=COLOURS[0], ls="--", label="statistical")
        if found.profile is not None:
            for name, curve in zip(found.profile.functions, found.profile.curves, strict=True):
                axes.plot(found.profile.strengths, curve, color="0.6", lw=0.8)
                axes.annotate(name, (found.profile.strengths[-1], curve[-1]), fontsize=8)
            axes.plot(
                found.profile.strengths, found.profile.envelope, color=COLOURS[2],
                label="profiled over functions",
            )  # fmt: skip
        for level in (1, 4, 9):
            axes.axhline(level, color="0.85", lw=0.8, zorder=0)
        axes.set(
            xlabel=f"strength ({found.events:.0f} selected events at 1)",
            ylabel=r"$-2\,\Delta\ln L$",
            ylim=(0, max(10.0, 1.1 * scan.profiled[0])),
        )
        axes.legend()
    return figure
