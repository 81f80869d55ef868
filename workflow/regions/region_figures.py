"""Figures of a search in regions: the score of each, and limits."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ...processors.columns.units import axis_label
from ..drawing import BACKGROUND, COLOURS, STYLE
from .region_result import RegionSearchResults, RegionShape

__all__ = ["plot_closure", "plot_limits", "plot_region"]

_COLUMNS = 4  # features in a row


def plot_region(region: RegionShape, z: float) -> Figure:
    """Draw the score of a region: backgrounds and their uncertainty, signals, and data; bins of equal width.

    Parameters
    ----------
    region : RegionShape
        The region.
    z : float
        Significance of its last bin.
    """
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(5.6, 4.2))
        axes = figure.subplots()
        edges = np.arange(len(region.observed) + 1) - 0.5
        below = np.zeros(len(region.observed))
        for i, (name, template) in enumerate(region.backgrounds.items()):
            events = below + template.events
            colour = COLOURS[i % len(COLOURS)]
            axes.stairs(
                events, edges, baseline=below, fill=True, color=colour, alpha=0.6, label=name
            )
            below = events
        error = _uncertainty(region)
        low = np.maximum(below - error, 0)
        axes.stairs(
            below + error,
            edges,
            baseline=low,
            fill=True,
            fc="none",
            ec="0.3",
            hatch="////",
            lw=0,
            label="uncertainty",
        )
        for i, (name, template) in enumerate(region.signals.items()):
            axes.stairs(template.events, edges, ls="--", color=COLOURS[-1 - i], lw=1.5, label=name)
        seen = np.array(region.observed)
        axes.errorbar(
            np.arange(len(seen)), seen, np.sqrt(seen), fmt="o", ms=4, color="black", label="data"
        )
        axes.set_yscale("log")
        axes.set_ylim(0.1, 4 * max(below.max(), seen.max(), 1))
        labels = ["…", *(f"{edge:.1f}" for edge in region.edges), "…"]
        axes.set_xticks(edges, labels, fontsize=9)
        axes.set_xlabel("-log p")
        axes.set_ylabel("events")
        axes.set_title(f"region {region.name}, last bin {z:.1f}σ", loc="left", fontsize=11)
        axes.legend(fontsize=9)
    return figure


def _uncertainty(region: RegionShape) -> NDArray[np.float64]:
    """Return the total uncertainty of the background in each bin before the fit, events."""
    square = np.zeros(len(region.observed))
    common: dict[str, NDArray[np.float64]] = {}
    for template in region.backgrounds.values():
        events = np.array(template.events)
        square += np.array(template.errors) ** 2 + (template.relative_error * events) ** 2
        effects = {name: size * events for name, size in template.factors.items()}
        effects |= {
            name: (np.array(each.up) - np.array(each.down)) / 2
            for name, each in template.variations.items()
        }
        for name, shift in effects.items():
            common[name] = common.get(name, 0) + shift
    return np.sqrt(square + sum(shift**2 for shift in common.values()))


def plot_closure(region: RegionShape) -> Figure:
    """Draw the features of events drawn from the flow of a region over those of simulated background."""
    rows = -(-len(region.closure) // _COLUMNS)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(2.6 * _COLUMNS, 2.3 * rows + 0.3))
        grid = figure.subplots(rows, _COLUMNS, squeeze=False)
        for axes, shape in zip(grid.flat, region.closure, strict=False):
            edges = np.array(shape.edges)
            axes.stairs(shape.drawn, edges, color=COLOURS[1], lw=1.5, label="flow")
            axes.errorbar(
                (edges[1:] + edges[:-1]) / 2,
                shape.simulated,
                shape.errors,
                fmt="o",
                ms=2.5,
                color="black",
                label="simulation",
            )
            axes.set_xlabel(axis_label(shape.name))
            axes.set_ylim(bottom=0)
            axes.tick_params(labelsize=9)
        for axes in grid.flat[len(region.closure) :]:
            axes.set_axis_off()
        grid.flat[0].legend(fontsize=8)
    return figure


def plot_limits(results: RegionSearchResults) -> Figure:
    """Draw limits on the visible cross section of each region, and on those of the signals."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(9.6, 4.0))
        left, right = figure.subplots(1, 2)
        visible = results.visible.regions
        _draw_limits(
            left,
            [each.region for each in visible],
            [each.cross_section for each in visible],
            [each.cross_section_expected for each in visible],
        )
        _legend_above(left)
        left.set_ylabel("limit on the visible cross section [fb]")
        names = [each.name for each in results.signals]
        _draw_limits(
            right,
            names,
            [each.observed for each in results.signals],
            [each.expected for each in results.signals],
        )
        predicted = [each.cross_section for each in results.signals]
        right.plot(names, predicted, "_", ms=18, mew=2, color=COLOURS[2], label="predicted")
        known = [each.classifier_expected or np.nan for each in results.signals]
        if np.isfinite(known).any():
            right.plot(
                names, known, "D", ms=6, mfc="none", color=COLOURS[0], label="expected, classifier"
            )
        right.set_ylabel("limit on the cross section [fb]")
        if names:
            _legend_above(right)
        else:
            right.set_axis_off()
    return figure


def _draw_limits(
    axes: Axes,
    names: list[str],
    observed: list[float],
    expected: list[tuple[float, float, float, float, float]],
) -> None:
    """Draw observed limits on the bands of the expected ones."""
    if not names:
        return
    axes.set_xlim(-0.75, len(names) - 0.25)  # a single one is not as wide as the figure
    quantiles = np.array(expected).T
    for lowest, alpha in ((0, 0.2), (1, 0.4)):
        low, high = quantiles[lowest], quantiles[4 - lowest]
        axes.bar(names, high - low, bottom=low, width=0.5, color=BACKGROUND, alpha=alpha)
    axes.plot(names, quantiles[2], "_", ms=18, color=BACKGROUND, label="expected, ±1σ and ±2σ")
    axes.plot(names, observed, "o", ms=5, color="black", label="observed")
    axes.set_yscale("log")


def _legend_above(axes: Axes) -> None:
    low, high = axes.get_ylim()
    axes.set_ylim(low * (low / high) ** 0.05, high * (high / low) ** 0.4)
    axes.legend(fontsize=9, loc="upper left", ncols=2)
