"""The figures of a report: spectra with pulls, the p-value scan, the selected events."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import matplotlib as mpl
import mplhep
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.mathtext import MathTextParser
from matplotlib.text import Text
from numpy.typing import ArrayLike, NDArray
from scipy.stats import norm

from ..core.records import atomic_path
from ..core.windows import geometric_center
from ..ml import LossCurve, Reliability
from ..processors.columns.units import axis_label

__all__ = [
    "BACKGROUND",
    "COLOURS",
    "STYLE",
    "DrawnSpectrum",
    "FeatureShape",
    "as_svg_uri",
    "plot_features",
    "plot_losses",
    "plot_pseudo_experiments",
    "plot_reliability",
    "plot_repeats",
    "plot_scan",
    "plot_spectrum",
    "save_figure",
]

# Petroff's accessible palette (arXiv:2107.02270), as CMS uses it.
COLOURS = ("#3f90da", "#ffa90e", "#bd1f01", "#94a4a2", "#832db6", "#a96b59")
SIGNAL_REGION = "#ffa90e"
BACKGROUND = "#3f90da"
_LINE = 0.05  # height of a line of text, in that of a figure
_LEAST = 1e-240  # a p-value below is drawn here: the axis must end above the smallest number

CurveT = TypeVar("CurveT", LossCurve, Reliability)

STYLE: dict[Any, Any] = {
    "font.size": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "svg.hashsalt": "overdensity",  # the same figure gives the same file
    "figure.constrained_layout.use": True,
}


@dataclass(frozen=True)
class DrawnSpectrum:
    """A mass spectrum with its smooth fit.

    Attributes
    ----------
    edges : ndarray, shape (n_bins + 1,)
        Bin edges in GeV.
    counts : ndarray, shape (n_bins,)
        Observed events per bin.
    expected, expected_error : ndarray, shape (n_bins,)
        The fit and the uncertainty propagated from its parameters.
    signal_region : tuple of float
        Low and high edge in GeV; not fitted.
    title : str
        What was selected.
    note : str
        Fit quality, written into the figure.
    """

    edges: NDArray[np.float64]
    counts: NDArray[np.float64]
    expected: NDArray[np.float64]
    expected_error: NDArray[np.float64]
    signal_region: tuple[float, float]
    title: str
    note: str = ""

    @property
    def pulls(self) -> NDArray[np.float64]:
        """Return (observed − expected) / sqrt(expected + fit variance), per bin."""
        spread = np.sqrt(np.maximum(self.expected + self.expected_error**2, 1e-12))
        return (self.counts - self.expected) / spread


@dataclass(frozen=True)
class FeatureShape:
    """Normalised distributions of one feature.

    Attributes
    ----------
    name : str
        Of the column.
    edges : ndarray, shape (n_bins + 1,)
        Bin edges.
    counts : dict of str to ndarray, shape (n_bins,)
        Events per bin, by the sample's name.
    """

    name: str
    edges: NDArray[np.float64]
    counts: dict[str, NDArray[np.float64]]


def plot_spectrum(spectrum: DrawnSpectrum) -> Figure:
    """Draw a mass spectrum over its fit, with the pulls below."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(5.6, 4.8))
        upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
        edges, low, high = spectrum.edges / 1000, *np.array(spectrum.signal_region) / 1000
        centers = geometric_center(edges[:-1], edges[1:])
        for axes in (upper, lower):
            axes.axvspan(low, high, color=SIGNAL_REGION, alpha=0.18, lw=0, label="signal region")
        band = (
            np.maximum(spectrum.expected - spectrum.expected_error, 1e-3),
            spectrum.expected + spectrum.expected_error,
        )
        upper.stairs(band[1], edges, baseline=band[0], fill=True, color=BACKGROUND, alpha=0.35)
        upper.stairs(spectrum.expected, edges, color=BACKGROUND, lw=1.6, label="sideband fit")
        filled = spectrum.counts > 0
        upper.errorbar(
            centers[filled],
            spectrum.counts[filled],
            yerr=np.sqrt(spectrum.counts[filled]),
            fmt="o",
            color="black",
            ms=3.5,
            lw=1,
            label="events",
        )
        upper.set_yscale("log")
        upper.set_ylim(max(0.1, 0.5 * spectrum.expected.min()), 3 * max(spectrum.counts.max(), 1))
        upper.set_ylabel("events per bin")
        upper.set_title(spectrum.title, loc="left", fontsize=11)
        upper.legend(loc="upper right", title=spectrum.note or None, title_fontsize=9, fontsize=9)
        lower.stairs(spectrum.pulls, edges, fill=True, color="#717581")
        lower.axhline(0, color="black", lw=0.8)
        reach = max(3.5, 1.1 * float(np.abs(spectrum.pulls).max()))
        lower.set_ylim(-reach, reach)
        lower.set_ylabel("pull")
        lower.set_xlabel("resonant mass [TeV]")
    return figure


def plot_scan(
    centers: ArrayLike,
    p_local: Mapping[str, Sequence[float | None]],
    *,
    best: tuple[float, float] | None,
    p_global: float | None,
    is_limit: bool,
    extrapolated: bool = False,
) -> Figure:
    """Draw the local p-values of the scan.

    Parameters
    ----------
    centers : array-like, shape (n_windows,)
        Window centers in GeV.
    p_local : dict of str to sequence of float or None
        Per selection; flagged windows are None and stay out.
    best : tuple of float, optional
        Center (GeV) and local p-value of the best window.
    p_global : float, optional
        Its global p-value.
    is_limit : bool
        Whether the global p-value is an upper limit.
    extrapolated : bool
        Whether it lies beyond all pseudo-experiments.
    """
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(6.4, 4.2))
        axes = figure.subplots()
        tev = np.asarray(centers, dtype=float) / 1000
        smallest = 1.0
        for colour, (label, values) in zip(("black", *COLOURS), p_local.items(), strict=False):
            drawn = [np.nan if value is None else max(value, _LEAST) for value in values]
            points = np.array(drawn)
            axes.plot(tev, points, "o-", ms=4, lw=1.4, color=colour, label=label)
            smallest = min(smallest, float(np.nanmin(points, initial=1.0)))
        if best is not None and p_global is not None:
            star = (best[0] / 1000, max(best[1], _LEAST))
            relation, bound = ("≤", "≥ ") if is_limit else ("=", "")
            text = f"global p {relation} {p_global:.2g}\n({bound}{norm.isf(p_global):.1f}σ)"
            text += "\nextrapolated" if extrapolated else ""
            # Towards the middle: at the right edge are the labels of the significances.
            ha, dx = ("left", 14) if star[0] <= tev.mean() else ("right", -14)
            place = {"xytext": (dx, -4), "textcoords": "offset points", "va": "top", "ha": ha}
            axes.annotate(text, star, fontsize=10, **place)
            axes.plot(*star, "*", ms=15, color=COLOURS[2], zorder=5)
        strongest = float(norm.isf(min(smallest, 0.5)))
        bottom = min(smallest**1.25 / 30, 1e-4)  # room for the text below the star
        free = 1.0  # below which there is room for the next label
        for z in range(1, 1 + max(3, int(strongest) + 1)):
            p = float(norm.sf(z))
            axes.axhline(p, color="grey", lw=0.7, ls=":")
            if p <= free:
                axes.text(1.005, p, f"{z}σ", transform=axes.get_yaxis_transform(), va="center")
                free = p * bottom**_LINE
        axes.set_yscale("log")
        axes.set_ylim(bottom, 2)
        axes.set_xlabel("window center [TeV]")
        axes.set_ylabel("local p-value")
        axes.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=4, fontsize=9)
    return figure


def plot_pseudo_experiments(z: ArrayLike, observed: float) -> Figure:
    """Draw the largest local significance of each pseudo-experiment, and the data's.

    Parameters
    ----------
    z : array-like, shape (n_pseudo_experiments,)
        Largest local significance in each background-only pseudo-experiment.
    observed : float
        The data's.
    """
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(6.4, 4.2))
        axes = figure.subplots()
        values = np.asarray(z, dtype=float)
        top = max(5.0, float(values.max(initial=0.0)), observed) + 0.5
        edges = np.linspace(min(0.0, float(values.min(initial=0.0))), top, 60)
        axes.hist(values, edges.tolist(), color=BACKGROUND, alpha=0.8, label="pseudo-experiments")
        axes.axvline(observed, color=COLOURS[2], lw=2, label="data")
        axes.set_yscale("log")
        axes.set_xlabel("largest local significance of the scan [σ]")
        axes.set_ylabel("pseudo-experiments")
        axes.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=2, fontsize=9)
    return figure


def plot_repeats(centers: Sequence[float], z_local: NDArray[np.float64]) -> Figure:
    """Draw the significance of each partition into folds, and their mean.

    Parameters
    ----------
    centers : sequence of float
        Of the windows, GeV.
    z_local : ndarray of shape (n_repeats, n_windows)
        Of one selection of each window; NaN where it may not be quoted.
    """
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(7, 4))
        axes, at = figure.subplots(), np.asarray(centers) / 1000
        for partition, z in enumerate(z_local):
            label = "one partition" if partition == 0 else None
            axes.plot(at, z, "o", color=BACKGROUND, alpha=0.5, ms=5, label=label)
        shown = np.where(np.isnan(z_local).all(axis=0), 0.0, z_local)
        mean = np.nanmean(shown, axis=0)
        axes.plot(at, mean, "_", color=COLOURS[2], ms=22, mew=2.5, label="mean")
        axes.set_xlabel("window center [TeV]")
        axes.set_ylabel("local significance [σ]")
        axes.legend(fontsize=9)
    return figure


def plot_features(shapes: Sequence[FeatureShape]) -> Figure:
    """Draw the features of selected events beside those of all events, each normalised."""
    with mpl.rc_context(STYLE):
        columns = min(3, len(shapes))
        rows = -(-len(shapes) // columns)
        figure = Figure(figsize=(3.6 * columns, 3.0 * rows + 0.4))
        grid = figure.subplots(rows, columns, squeeze=False).ravel()
        for axes, shape in zip(grid, shapes, strict=False):
            for colour, (label, counts) in zip(
                ("#94a4a2", BACKGROUND, COLOURS[2]), shape.counts.items(), strict=False
            ):
                total = counts.sum()
                if total > 0:
                    mplhep.histplot(
                        counts / total,
                        shape.edges,
                        yerr=np.sqrt(counts) / total,
                        ax=axes,
                        color=colour,
                        label=label,
                        lw=1.5,
                    )
            axes.set_xlabel(axis_label(shape.name))
            axes.set_ylabel("fraction of events")
            axes.set_ylim(bottom=0)
        for axes in grid[len(shapes) :]:
            axes.set_visible(False)
        figure.legend(*_labelled(grid), loc="outside upper center", ncols=3, fontsize=9)
    return figure


def plot_losses(curves: Mapping[int, Sequence[LossCurve]]) -> Figure:
    """Draw the losses of trainings; those of one kind, such as a flow in each fold, in one panel.

    Parameters
    ----------
    curves : mapping from int to sequence of LossCurve
        The trainings of each fold, in the order in which they were made.
    """
    with mpl.rc_context(STYLE):
        figure, panels = _panels_of_kinds(curves)
        for kind, (axes, of_kind) in enumerate(panels, start=1):
            for curve in of_kind:
                _draw_losses(axes, curve)
            axes.set_xlabel("epoch")
            axes.set_ylabel("loss" if len(panels) == 1 else f"loss of training {kind}")
            axes.legend(*_labelled([axes]), fontsize=9)
            axes.locator_params(axis="x", integer=True)
    return figure


def _panels_of_kinds(
    curves: Mapping[int, Sequence[CurveT]],
) -> tuple[Figure, list[tuple[Axes, list[CurveT]]]]:
    """Return a figure with one panel for the first curve of all folds, one for the second, ..."""
    n_kinds = max(len(of_fold) for of_fold in curves.values())
    figure = Figure(figsize=(4.6 * n_kinds, 3.8))
    grid = figure.subplots(1, n_kinds, squeeze=False).ravel()
    return figure, [
        (axes, [of_fold[kind] for of_fold in curves.values() if kind < len(of_fold)])
        for kind, axes in enumerate(grid)
    ]


def _labelled(panels: Iterable[Axes]) -> tuple[list[Any], list[str]]:
    """Return handles and labels of panels for a legend, each label once."""
    pairs = [zip(*axes.get_legend_handles_labels(), strict=True) for axes in panels]
    found = {label: handle for pair in pairs for handle, label in pair}
    return list(found.values()), list(found)


def _draw_losses(axes: Axes, curve: LossCurve) -> None:
    epochs = np.arange(1, len(curve.train) + 1)
    axes.plot(epochs, curve.train, color=COLOURS[3], lw=1, label="training events")
    if curve.validation:
        validation = np.array(curve.validation)
        axes.plot(epochs, validation, color=COLOURS[0], lw=1, label="validation events")
        kept = np.array(curve.kept)
        axes.plot(epochs[kept], validation[kept], ".", color=COLOURS[2], label="epochs kept")


def plot_reliability(curves: Mapping[int, Sequence[Reliability]]) -> Figure:
    """Draw the reliability diagrams of classifiers; those of one kind in one panel.

    Parameters
    ----------
    curves : mapping from int to sequence of Reliability
        The classifiers of each fold, in the order in which they were made.
    """
    with mpl.rc_context(STYLE):
        figure, panels = _panels_of_kinds(curves)
        for kind, (axes, of_kind) in enumerate(panels, start=1):
            for curve in of_kind:
                points = (curve.predicted, curve.observed, curve.error)
                axes.errorbar(*points, fmt=".-", lw=1, alpha=0.8)
            ends = [f([f(curve.predicted) for curve in of_kind]) for f in (min, max)]
            axes.plot(ends, ends, color="black", lw=1, ls="--", label="calibrated")
            axes.set_xlabel("mean probability")
            of_which = "" if len(panels) == 1 else f" of classifier {kind}"
            axes.set_ylabel(f"fraction in the first class{of_which}")
            axes.legend(loc="upper left", fontsize=9)
    return figure


def as_svg_uri(figure: Figure) -> str:
    """Return a figure as a data URI, to stand inside an HTML page."""
    buffer = io.BytesIO()
    _show_as_written(figure)
    with mpl.rc_context(STYLE):
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    return "data:image/svg+xml;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def save_figure(figure: Figure, path: Path) -> Path:
    """Write a figure as a picture, whole or not at all; returns its path."""
    _show_as_written(figure)
    with atomic_path(path) as temporary, mpl.rc_context(STYLE):
        figure.savefig(temporary, format=path.suffix[1:], dpi=150)
    return path


def _show_as_written(figure: Figure) -> None:
    """Show words of the user that are no formula as they stand: a feature may be called ``$x_{$``."""
    parser = MathTextParser("path")
    for text in figure.findobj(Text):
        assert isinstance(text, Text)
        try:
            if "$" in text.get_text():
                parser.parse(text.get_text())
        except ValueError:
            text.set_parse_math(False)
