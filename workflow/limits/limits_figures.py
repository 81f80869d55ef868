"""The figures of limits: bands over mass, and what injections show against their strength."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ...stats.search.printed import selection_name
from ..drawing import COLOURS, STYLE, save_figure
from .limits_result import LimitsResults, SignalLimits, StrengthLimit

__all__ = [
    "limits_figures",
    "plot_injections",
    "plot_signal_limits",
    "plot_yield_limits",
    "save_limits_figures",
]

# As in the recommendations of CMS: green and yellow that the color-blind can tell apart.
ONE_SIGMA, TWO_SIGMA = "#607641", "#F5BB54"
_WIDE = 0.32  # of a signal model, where its neighbours are at a distance of 1
_NONE = (float("nan"),) * 5


def limits_figures(out: Path) -> list[tuple[str, str, Figure]]:
    """Draw the figures of a run's ``limits.json``.

    Parameters
    ----------
    out : Path
        The run's folder.

    Returns
    -------
    list of (name, caption, Figure)
        Empty where the run has no limits.
    """
    if not (out / "limits.json").is_file():
        return []
    limits = LimitsResults.from_json(out / "limits.json")
    level = f"{100 * limits.level:g} %"
    found = [
        (
            "yields",
            f"{level} CLs upper limits on the signal events of a selection, window by window.",
            plot_yield_limits(limits),
        )
    ]
    if limits.signals:
        unit = "cross section" if limits.luminosity else "number of events before selection"
        found.append(
            ("signals", f"{level} CLs upper limits on the {unit}.", plot_signal_limits(limits))
        )
    for number, signal in enumerate(limits.signals):
        if len(signal.points) > 1:
            caption = (
                f"{signal.name}: significance and efficiency of the search, repeated with so many "
                "signal events among its data; medians, and bands of 68 and 95 % of the repeats."
            )
            found.append((f"injections-{number}", caption, plot_injections(signal)))
    return found


def save_limits_figures(out: Path) -> list[Path]:
    """Draw the figures into ``out/limits/``; returns their files."""
    return [
        save_figure(figure, out / "limits" / f"{name}.svg")
        for name, _, figure in limits_figures(out)
    ]


def plot_yield_limits(limits: LimitsResults) -> Figure:
    """Draw the limits on selected events against the window's center, a panel per selection."""
    with mpl.rc_context(STYLE):
        count = len(limits.windows[0].selections)
        figure = Figure(figsize=(6.4, 0.6 + 2.4 * count))
        panels = figure.subplots(count, 1, sharex=True, squeeze=False)[:, 0]
        centers = np.array([window.center for window in limits.windows]) / 1000
        for index, axes in enumerate(panels):
            rows = [window.selections[index] for window in limits.windows]
            bands = np.array([_numbers(row.expected) for row in rows])
            observed = np.array([_number(row.observed) for row in rows])
            _draw_bands(axes, centers, bands)
            axes.plot(centers, observed, "o-", color="black", ms=4, lw=1.2, label="observed")
            if np.isfinite(bands).any() or np.isfinite(observed).any():
                axes.set_yscale("log")
            axes.set_ylabel("signal events")
            axes.set_title(f"selection {selection_name(rows[0].efficiency)}", loc="left")
        figure.legend(
            *panels[0].get_legend_handles_labels(), loc="outside upper right", ncols=4, fontsize=9
        )
        panels[-1].set_xlabel("window center [TeV]")
    return figure


def plot_signal_limits(limits: LimitsResults) -> Figure:
    """Draw the limits on signal models: with retraining where there is one, and without."""
    with mpl.rc_context(STYLE):
        signals = sorted(limits.signals, key=lambda signal: (signal.mass, signal.name))
        figure = Figure(figsize=(max(5.0, 1.6 + 1.1 * len(signals)), 4.4))
        axes = figure.subplots()
        in_fb = limits.luminosity is not None
        for at, signal in enumerate(signals):
            limit = signal.injected or signal.fixed
            if limit is not None:
                _draw_box(axes, at, limit, in_fb=in_fb)
            if limit is not None and limit is signal.injected and limit.observed is None:
                beyond = signal.points[-1].strength * ((signal.per_event or 1.0) if in_fb else 1.0)
                axes.plot(at, beyond, "^", color="black", ms=7)
            if signal.injected is not None and signal.fixed is not None:
                fixed = _values(signal.fixed, in_fb=in_fb)[0]
                axes.plot(at, fixed, "x", color=COLOURS[3], ms=7)
            if in_fb and signal.cross_section is not None:
                axes.plot(at, signal.cross_section, "_", color=COLOURS[2], ms=30, mew=2)
        axes.set_yscale("log")
        axes.use_sticky_edges = False  # bars stand on nothing here
        axes.set_xlim(-0.6, len(signals) - 0.4)
        axes.set_xticks(
            range(len(signals)),
            [f"{signal.name}\n{signal.mass / 1000:.2f} TeV" for signal in signals],
        )
        axes.set_ylabel(
            f"{100 * limits.level:g} % upper limit "
            + ("on the cross section [fb]" if in_fb else "on events before selection")
        )
        marks = [
            Line2D([], [], marker="o", color="black", ls="none", label="observed"),
            Line2D([], [], marker="^", color="black", ls="none", label="beyond the injections"),
            Line2D([], [], color="black", ls="--", label="median expected"),
            Line2D([], [], color=ONE_SIGMA, lw=7, label="68 %"),
            Line2D([], [], color=TWO_SIGMA, lw=7, label="95 %"),
            Line2D([], [], marker="x", color=COLOURS[3], ls="none", label="without retraining"),
            Line2D([], [], color=COLOURS[2], lw=2, label="predicted"),
        ]
        figure.legend(handles=marks, loc="outside upper center", ncols=3, fontsize=8)
    return figure


def plot_injections(signal: SignalLimits) -> Figure:
    """Draw significance and efficiency of one signal model against the injected strength."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(6.4, 6.4))
        upper, lower = figure.subplots(2, 1, sharex=True)
        strengths = np.array([point.strength for point in signal.points])
        chosen = 0
        if signal.injected is not None:
            steps = [row.efficiency for row in signal.points[0].selections]
            chosen = steps.index(signal.injected.efficiency)
        z = np.array([point.selections[chosen].z_local for point in signal.points])
        eps = np.array([point.selections[chosen].eps_s for point in signal.points])
        for axes, values in ((upper, z), (lower, eps)):
            _draw_bands(axes, strengths, values)
            axes.lines[-1].set(ls="-", marker="o", ms=4)
        for level in (3, 5):
            upper.axhline(level, color="grey", lw=0.8, ls=":")
        upper.set_ylabel("local significance [σ]")
        lower.set_ylabel("signal efficiency")
        lower.set_xlabel("injected signal events before selection")
        lower.set_ylim(bottom=0)
        limit = signal.injected
        if limit is not None and limit.observed is not None:
            for axes in (upper, lower):
                axes.axvline(limit.observed, color=COLOURS[2], lw=1.5, label="observed limit")
        efficiency = signal.points[0].selections[chosen].efficiency
        upper.set_title(
            f"{signal.name}, {signal.low:.0f}-{signal.high:.0f} GeV, "
            f"selection {selection_name(efficiency)}",
            loc="left",
        )
        upper.legend(fontsize=9)
    return figure


def _draw_bands(axes: Axes, x: np.ndarray, bands: np.ndarray) -> None:
    """Draw quantiles, shape (n_points, 5), as two bands and a line."""
    axes.fill_between(x, bands[:, 0], bands[:, 4], color=TWO_SIGMA, lw=0, label="95 %")
    axes.fill_between(x, bands[:, 1], bands[:, 3], color=ONE_SIGMA, lw=0, label="68 %")
    axes.plot(x, bands[:, 2], "--", color="black", lw=1.2, label="median")


def _draw_box(axes: Axes, at: int, limit: StrengthLimit, *, in_fb: bool) -> None:
    """Draw one limit as boxes, with a dashed median and a point."""
    observed, bands = _values(limit, in_fb=in_fb)
    for low, high, colour in ((0, 4, TWO_SIGMA), (1, 3, ONE_SIGMA)):
        if np.isfinite([bands[low], bands[high]]).all():
            axes.bar(at, bands[high] - bands[low], 2 * _WIDE, bands[low], color=colour, lw=0)
    axes.plot([at - _WIDE, at + _WIDE], [bands[2]] * 2, "--", color="black", lw=1.2)
    axes.plot(at, observed, "o", color="black", ms=5)


def _values(limit: StrengthLimit, *, in_fb: bool) -> tuple[float, tuple[float, ...]]:
    if in_fb:
        return _number(limit.cross_section_observed), _numbers(limit.cross_section_expected)
    return _number(limit.observed), _numbers(limit.expected)


def _number(value: float | None) -> float:
    return float("nan") if value is None else value


def _numbers(values: Sequence[float | None]) -> tuple[float, ...]:
    return tuple(map(_number, values)) or _NONE
