"""The figures of a benchmark: SIC against efficiency and strength, spectra before and after."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import cycle
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ...core.windows import geometric_center
from ...ml import MassSculpting, Window
from ...stats.search.printed import selection_name
from ..drawing import COLOURS, SIGNAL_REGION, STYLE, save_figure
from .benchmark_result import BenchmarkResults, BenchmarkRow

__all__ = ["plot_max_sic", "plot_sculpting", "plot_sic", "save_benchmark_figures"]

_LINES = ("-", "--", "-.", ":")  # a cycle for each time the colors are used up
_TARGET = 5.0  # significance
_NAMED_INSIDE = 7  # curves whose names fit among them


def save_benchmark_figures(results: BenchmarkResults, window: Window, out: Path) -> list[Path]:
    """Draw all figures into a folder; returns their files.

    Parameters
    ----------
    results : BenchmarkResults
        The benchmark.
    window : Window
        Its signal region is marked in the spectra.
    out : Path
        The folder.
    """
    strengths = _strengths(results)
    files = [
        save_figure(plot_sic(results, n_signal), out / f"sic-{n_signal}.png")
        if n_signal is not None
        else save_figure(plot_sic(results, None), out / "sic.png")
        for n_signal in strengths
    ]
    if len(strengths) > 1:
        files.append(save_figure(plot_max_sic(results), out / "max_sic.png"))
    files += [
        save_figure(
            plot_sculpting(results, strengths[-1], index, window),
            out / f"spectra-{efficiency:g}.png",
        )
        for index, efficiency in enumerate(results.selections)
    ]
    return files


def plot_sic(results: BenchmarkResults, n_signal: int | None) -> Figure:
    """Draw SIC against signal efficiency at one strength; bands span the seeds.

    Parameters
    ----------
    results : BenchmarkResults
        The benchmark.
    n_signal : int or None
        The strength. Methods that learn from labels are drawn at each.
    """
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(6.0, 4.4))
        axes = figure.subplots()
        eps_s = np.array(results.eps_s)
        for row, style in _styled(results, n_signal):
            curves = results.curves_of(row)
            drawn = ~np.isnan(curves).any(axis=0)  # where all seeds have enough background
            low, middle, high = np.quantile(curves[:, drawn], (0, 0.5, 1), axis=0)
            axes.fill_between(eps_s[drawn], low, high, color=style["color"], alpha=0.25, lw=0)
            axes.plot(eps_s[drawn], middle, lw=1.6, label=row.method, **style)
        axes.plot(eps_s, np.sqrt(eps_s), color="grey", lw=1, ls=":", label="random")
        axes.set_xlim(0, 1)
        axes.set_ylim(bottom=0)
        axes.set_xlabel("signal efficiency $\\epsilon_S$")
        axes.set_ylabel("SIC = $\\epsilon_S / \\sqrt{\\epsilon_B}$")
        axes.set_title(_strength_title(results, n_signal), loc="left", fontsize=11)
        _legend(figure, axes)
    return figure


def _legend(figure: Figure, axes: Axes) -> None:
    """Name the curves, beside them where they are many."""
    if len(axes.get_legend_handles_labels()[1]) > _NAMED_INSIDE:
        figure.set_figwidth(8.0)
        figure.legend(loc="outside right upper", fontsize=9)
    else:
        axes.legend(fontsize=9)


def plot_max_sic(results: BenchmarkResults) -> Figure:
    """Draw the maximum SIC against S/B; error bars span the seeds.

    Dashed: the improvement that takes the initial significance to 5σ.
    """
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(6.0, 4.4))
        axes = figure.subplots()
        scanned = [row for row in results.rows if row.signal_to_background]
        x = np.array(sorted({row.signal_to_background or 0.0 for row in scanned}))
        methods = list(dict.fromkeys(row.method for row in results.rows))
        for method, style in zip(methods, _styles(), strict=False):
            rows = [row for row in results.rows if row.method == method]
            if rows[0].n_signal is None:
                spread = rows[0].max_sic
                axes.axhspan(spread.low, spread.high, color=style["color"], alpha=0.25, lw=0)
                axes.axhline(spread.median, lw=1.6, label=method, **style)
                continue
            rows = sorted(
                (row for row in rows if row.signal_to_background),
                key=lambda row: row.signal_to_background or 0.0,
            )
            middle = np.array([row.max_sic.median for row in rows])
            ends = np.array([(row.max_sic.low, row.max_sic.high) for row in rows]).T
            axes.errorbar(
                [row.signal_to_background or 0.0 for row in rows],
                middle,
                yerr=np.abs(ends - middle),
                marker="o",
                ms=4,
                capsize=3,
                lw=1.4,
                label=method,
                **style,
            )
        top = axes.get_ylim()[1]
        significance = {row.signal_to_background: row.significance or np.nan for row in scanned}
        needed = _TARGET / np.array([significance[value] for value in x])
        axes.plot(x, needed, color="grey", lw=1.2, ls="--", label="needed for 5σ")
        axes.set_ylim(0, 1.05 * top)
        axes.set_xscale("log")
        axes.set_xlabel("S/B in the signal region")
        axes.set_ylabel(f"maximum SIC, ≥ {results.min_background} background events kept")
        _legend(figure, axes)
    return figure


def plot_sculpting(
    results: BenchmarkResults, n_signal: int | None, selection: int, window: Window
) -> Figure:
    """Draw the mass spectrum of background before and after a selection, at equal normalisation.

    Parameters
    ----------
    results : BenchmarkResults
        The benchmark.
    n_signal : int or None
        The strength.
    selection : int
        Index of the selection.
    window : Window
        Its signal region is marked.
    """
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(6.0, 5.2))
        upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[2, 1])
        for axes in (upper, lower):
            axes.axvspan(
                window.low / 1000, window.high / 1000, color=SIGNAL_REGION, alpha=0.15, lw=0
            )
        for row, style in _styled(results, n_signal):
            found = [run.sculpting[selection] for run in results.runs_of(row)]
            _draw_spectra((upper, lower), found, row.method, style)
        upper.set_yscale("log")
        upper.set_ylabel("fraction of events per bin")
        upper.set_title(
            f"background, selection {selection_name(results.selections[selection])}",
            loc="left",
            fontsize=11,
        )
        upper.legend(fontsize=9)
        lower.axhline(1, color="grey", lw=1)
        lower.set_ylabel("after / before")
        lower.set_xlabel("resonant mass [TeV]")
    return figure


def _draw_spectra(
    panels: tuple[Axes, Axes], found: Sequence[MassSculpting], name: str, style: dict[str, Any]
) -> None:
    """Draw the mean of the seeds; the error is that of the events of one of them."""
    upper, lower = panels
    edges = np.array(found[0].edges) / 1000
    before = np.array(found[0].before, dtype=float)
    if not upper.patches[1:]:  # beside the signal region: the first method of the figure
        upper.stairs(before / before.sum(), edges, fill=True, color="#d0d3d6", label="before")
    after = np.mean([each.after for each in found], axis=0)
    total = np.maximum(after.sum(), 1)
    middle = geometric_center(edges[:-1], edges[1:])
    upper.stairs(after / total, edges, lw=1.4, label=name, **style)
    filled = before > 0
    scale = before.sum() / before[filled] / total
    lower.errorbar(
        middle[filled],
        after[filled] * scale,
        yerr=np.sqrt(after[filled]) * scale,
        marker="o",
        ms=3,
        lw=1,
        **style,
    )


def _styled(
    results: BenchmarkResults, n_signal: int | None
) -> Iterator[tuple[BenchmarkRow, dict[str, Any]]]:
    """Yield the rows of one strength, each with the style of its method."""
    methods = list(dict.fromkeys(row.method for row in results.rows))
    styles = dict(zip(methods, _styles(), strict=False))
    for row in results.rows:
        if row.n_signal in (n_signal, None):
            yield row, styles[row.method]


def _styles() -> Iterator[dict[str, Any]]:
    for line in cycle(_LINES):
        for colour in COLOURS:
            yield {"color": colour, "ls": line}


def _strengths(results: BenchmarkResults) -> Sequence[int | None]:
    numbers = sorted({row.n_signal for row in results.rows if row.n_signal is not None})
    return numbers or [None]


def _strength_title(results: BenchmarkResults, n_signal: int | None) -> str:
    for row in results.rows:
        if row.n_signal == n_signal and row.signal_to_background is not None:
            share, z = 100 * row.signal_to_background, row.significance or 0.0
            return f"S/B = {share:.2g} %, S/√B = {z:.2f} in the signal region"
    return "trained with labels"
