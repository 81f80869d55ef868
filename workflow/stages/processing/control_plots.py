"""Control plots of processed events: the cutflow and the histograms, as pictures and as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import hist
import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from ....core.records import write_text_atomic
from ....processors import ColumnSet, ProcessingReport
from ....processors.columns.units import axis_label
from ...drawing import BACKGROUND, COLOURS, STYLE, save_figure

__all__ = ["cutflow_figure", "histogram_figure", "write_control_plots"]


def write_control_plots(report: ProcessingReport, folder: Path) -> tuple[Path, ...]:
    """Write ``cutflow.json``, ``histograms.json`` (uhi) and a picture of each into a folder.

    Returns
    -------
    tuple of Path
        The pictures.
    """
    folder.mkdir(parents=True, exist_ok=True)
    sets: dict[str, ColumnSet] = {"nominal": report, **report.variations}
    cutflows = {
        name: {"events": these.cutflow, "weighted": these.cutflow_weighted}
        for name, these in sets.items()
    }
    histograms = {name: these.hists for name, these in sets.items()}
    write_text_atomic(folder / "cutflow.json", json.dumps(cutflows, indent=2) + "\n")
    write_text_atomic(folder / "histograms.json", json.dumps(histograms) + "\n")
    pictures = {"cutflow": cutflow_figure(report.cutflow)}
    for name in report.hists:
        of_sets = {key: these.histogram(name) for key, these in sets.items()}
        pictures[name] = histogram_figure(of_sets)
    return tuple(save_figure(figure, folder / f"{name}.png") for name, figure in pictures.items())


def cutflow_figure(cutflow: Mapping[str, int]) -> Figure:
    """Draw the events left after each step, with the share of those read."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(6.4, 0.9 + 0.4 * len(cutflow)))
        axes = figure.add_subplot()
        counts = np.array(list(cutflow.values()))
        bars = axes.barh(list(cutflow), counts, color=BACKGROUND, height=0.7)
        first = max(int(counts[0]), 1)
        words = [f"{n:,}  ({100 * n / first:.3g} %)" for n in counts]
        axes.bar_label(bars, words, padding=4)
        axes.invert_yaxis()
        axes.set_xlim(0, 1.45 * first)
        axes.set_xlabel("events")
    return figure


def histogram_figure(histograms: Mapping[str, hist.Hist[Any]]) -> Figure:
    """Draw one histogram, with its systematic variations over the nominal one below it.

    Parameters
    ----------
    histograms : mapping of str to hist.Hist
        One-dimensional, of the same axis; the first is the nominal one.
    """
    (title, nominal), *varied = histograms.items()
    axis = nominal.axes[0]
    shown = _populated(nominal)
    edges = axis.edges[shown.start : shown.stop + 1]
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(6.4, 4.6 if varied else 3.8))
        rows = [3, 1] if varied else [1]
        grid = figure.subplots(len(rows), 1, sharex=True, height_ratios=rows, squeeze=False)
        axes, lower = grid[0, 0], grid[-1, 0]
        values, errors = _counts(nominal)
        axes.stairs(values[shown], edges, color=BACKGROUND, fill=True, alpha=0.35, label=title)
        axes.stairs(values[shown], edges, color=BACKGROUND)
        centers = (edges[1:] + edges[:-1]) / 2
        axes.errorbar(centers, values[shown], errors[shown], fmt="none", color="black", lw=0.8)
        for colour, (name, histogram) in zip(_colours(len(varied)), varied, strict=True):
            other, _ = _counts(histogram)
            axes.stairs(other[shown], edges, color=colour, label=name)
            ratio = np.divide(other, values, out=np.full(len(values), np.nan), where=values > 0)
            lower.stairs(ratio[shown], edges, color=colour, baseline=None)
        if np.count_nonzero(values) and values[shown].max() > 100 * np.median(values[shown]):
            axes.set_yscale("log")
            axes.set_ylim(bottom=0.5 * values[values > 0].min())
        else:
            axes.set_ylim(bottom=0)
        axes.set_ylabel("weighted events" if _is_weighted(nominal) else "events")
        lower.set_xlabel(axis.label or axis_label(axis.name))
        if varied:
            axes.legend()
            lower.axhline(1, color="black", lw=0.8)
            lower.set_ylabel("ratio")
        outside = float(np.sum(nominal.values(flow=True)) - np.sum(values))
        if outside > 0:
            axes.set_title(f"{outside:,.6g} beyond the edges", fontsize=9, loc="right")
    return figure


def _counts(histogram: hist.Hist[Any]) -> tuple[Any, Any]:
    """Return contents and their Poisson or weighted errors, shape (n_bins,) each."""
    variances = histogram.variances()
    return histogram.values(), np.sqrt(
        np.maximum(np.zeros(1) if variances is None else variances, 0)
    )


def _populated(histogram: hist.Hist[Any]) -> slice:
    """Return the bins from the first to the last that has anything, or all of them."""
    there = np.flatnonzero(histogram.values())
    n_bins = len(histogram.axes[0])
    if not len(there):
        return slice(0, n_bins)
    return slice(max(int(there[0]) - 1, 0), min(int(there[-1]) + 2, n_bins))


def _is_weighted(histogram: hist.Hist[Any]) -> bool:
    return histogram.storage_type is hist.storage.Weight


def _colours(n: int) -> list[str]:
    others = [colour for colour in COLOURS if colour != BACKGROUND]
    return [others[i % len(others)] for i in range(n)]
