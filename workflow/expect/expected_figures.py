"""The figures of the expected reach: significance against events, and events needed against mass."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ..drawing import COLOURS, STYLE, save_figure
from .expected_result import GAUSSIAN, ExpectedPoint, ExpectedReach

__all__ = ["expected_figures", "plot_events_needed", "plot_significances", "save_expected_figures"]

_MOST_CURVES = 6  # signals in one panel
_TARGETS = (3.0, 5.0)


def expected_figures(found: ExpectedReach) -> list[tuple[str, str, Figure]]:
    """Draw the expected reach.

    Parameters
    ----------
    found : ExpectedReach
        What ``expected.json`` holds.

    Returns
    -------
    list of (str, str, Figure)
        Name, caption and figure.
    """
    significance = (
        "Expected significance against the number of signal events before selection: medians of "
        "toys, and the Asimov dataset dotted; of the first signal also the bands of 68 and 95 %. "
        "Local significances are of the selection that needs the fewest events for 5σ, global ones "
        "of the most significant selection of the window."
    )
    events = (
        "Signal events before selection with which half of all experiments see 3 and 5σ, and the "
        "band of 68 % of the experiments; Asimov dataset dotted. Arrows: beyond what was tried."
    )
    return [
        ("significance", significance, plot_significances(found)),
        ("events", events, plot_events_needed(found)),
    ]


def save_expected_figures(out: Path) -> list[Path]:
    """Draw the figures into ``out/expected/``; returns their files."""
    found = ExpectedReach.from_json(out / "expected.json")
    return [
        save_figure(figure, out / "expected" / f"{name}.svg")
        for name, _, figure in expected_figures(found)
    ]


def plot_significances(found: ExpectedReach) -> Figure:
    """Draw local and global significance against the number of events, a curve a signal."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(6.4, 6.8))
        panels = figure.subplots(2, 1, sharex=True)
        for axes, whole in zip(panels, (False, True), strict=True):
            for number, (point, colour) in enumerate(
                zip(_some(found.points), cycle(COLOURS), strict=False)
            ):
                _draw_curve(axes, point, colour, whole=whole, bands=number == 0)
            for level in _TARGETS:
                axes.axhline(level, color="grey", lw=0.8, ls=":")
            axes.set_ylim(0, 8)
            axes.set_ylabel(f"{'global' if whole else 'local'} significance [σ]")
        panels[0].set_xlim(left=0)
        panels[1].set_xlabel("signal events before selection")
        figure.legend(
            *panels[0].get_legend_handles_labels(), loc="outside upper center", ncols=2, fontsize=9
        )
    return figure


def plot_events_needed(found: ExpectedReach) -> Figure:
    """Draw the events needed for 3 and 5 σ against the mass, local and global."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(6.4, 6.8))
        panels = figure.subplots(2, 1, sharex=True)
        gaussian = [point for point in found.points if point.name == GAUSSIAN]
        models = [point for point in found.points if point.name != GAUSSIAN]
        for axes, whole in zip(panels, (False, True), strict=True):
            for z, colour in zip(_TARGETS, COLOURS, strict=False):
                _draw_needed(axes, gaussian, z, colour, whole=whole)
                _draw_models(axes, models, z, colour, whole=whole)
            if axes.dataLim.ymax > 0:  # else all is beyond what was tried
                axes.set_yscale("log")
            axes.set_ylabel(f"events, {'global' if whole else 'local'}")
        for point in models:
            at = (point.mass / 1000, 1.0)
            where = panels[0].get_xaxis_transform()
            panels[0].annotate(point.name, at, xycoords=where, ha="center", fontsize=9)
        panels[1].set_xlabel("mass of the resonance [TeV]")
        handles = [
            Line2D([], [], color=colour, marker="o", ms=4, label=f"{z:g}σ")
            for z, colour in zip(_TARGETS, COLOURS, strict=False)
        ]
        figure.legend(handles=handles, loc="outside upper right", ncols=2, fontsize=9)
    return figure


def _some(points: Sequence[ExpectedPoint]) -> list[ExpectedPoint]:
    """Return some of the points, evenly chosen."""
    chosen = np.linspace(0, len(points) - 1, min(_MOST_CURVES, len(points))).round()
    return [points[int(index)] for index in chosen]


def _draw_curve(axes: Axes, point: ExpectedPoint, colour: str, *, whole: bool, bands: bool) -> None:
    curve = point.curve
    k = curve.efficiencies.index(curve.selection)
    at = [each.strength for each in curve.points]
    z = np.array([each.whole if whole else each.local[k] for each in curve.points])
    asimov = [each.asimov_global if whole else each.asimov[k] for each in curve.points]
    if bands:
        axes.fill_between(at, z[:, 0], z[:, 4], color=colour, alpha=0.15, lw=0)
        axes.fill_between(at, z[:, 1], z[:, 3], color=colour, alpha=0.25, lw=0)
    axes.plot(at, z[:, 2], color=colour, lw=1.5, label=f"{point.name}, {point.mass:.0f} GeV")
    axes.plot(at, asimov, color=colour, lw=1, ls=":")


def _draw_needed(
    axes: Axes, points: Sequence[ExpectedPoint], z: float, colour: str, *, whole: bool
) -> None:
    """Draw the resonance of all masses as a line with its band."""
    if not points:
        return
    points = sorted(points, key=lambda point: point.mass)
    mass = np.array([point.mass for point in points]) / 1000
    needed = [point.curve.of(z, whole=whole) for point in points]
    events = np.array([each.events for each in needed], dtype=float)
    axes.fill_between(mass, events[:, 1], events[:, 3], color=colour, alpha=0.25, lw=0)
    axes.plot(mass, events[:, 2], "o-", color=colour, ms=4, lw=1.5)
    axes.plot(mass, np.array([each.asimov for each in needed], dtype=float), ":", color=colour)


def _draw_models(
    axes: Axes, points: Sequence[ExpectedPoint], z: float, colour: str, *, whole: bool
) -> None:
    """Draw a signal model as a point with its error bar, or an arrow beyond the largest strength."""
    for point in points:
        needed, mass = point.curve.of(z, whole=whole), point.mass / 1000
        if needed.median is None:
            axes.plot(mass, point.curve.points[-1].strength, "^", color=colour, ms=7)
            continue
        low, _, high = np.array(needed.events[1:4], dtype=float)
        error = np.nan_to_num([[needed.median - low], [high - needed.median]])
        axes.errorbar(mass, needed.median, yerr=error, fmt="o", color=colour, ms=5, capsize=3)
