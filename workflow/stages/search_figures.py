"""The figures of a result: what `drawing` draws, fed from a run's records."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from ...core.files.json_values import json_value
from ...processors.columns.histograms import from_uhi
from ...stats import SpectrumFit
from ...stats.search.hunt_result import WindowResult
from ...stats.search.printed import selection_name
from ..drawing import (
    DrawnSpectrum,
    FeatureShape,
    plot_features,
    plot_pseudo_experiments,
    plot_repeats,
    plot_scan,
    plot_spectrum,
)
from .search_result import SearchResults

__all__ = [
    "feature_figure",
    "pseudo_experiments_figure",
    "repeats_figure",
    "scan_figure",
    "spectrum_figures",
]


def scan_figure(results: SearchResults) -> Figure:
    """Draw the local p-values of all windows and selections; of windows about one mass, the smallest."""
    windows, best = results.windows, results.best
    about: dict[float, list[WindowResult]] = {}
    for window in sorted(windows, key=lambda window: window.center):
        about.setdefault(_mass(window), []).append(window)
    p_local = {
        selection_name(row.efficiency): [_smallest_p(each, i) for each in about.values()]
        for i, row in enumerate(windows[0].rows)
    }
    return plot_scan(
        list(about),
        p_local,
        best=None if best is None else (_mass(windows[best.window]), best.p_local),
        p_global=None if best is None else best.p_global,
        is_limit=best is not None and best.p_global_is_limit,
        extrapolated=best is not None and best.p_global_extrapolated,
    )


def pseudo_experiments_figure(results: SearchResults) -> Figure | None:
    """Draw the largest local significance of each pseudo-experiment, beside the data's."""
    if results.best is None:
        return None
    return plot_pseudo_experiments(results.pseudo_z, results.best.z_local)


def repeats_figure(results: SearchResults) -> Figure | None:
    """Draw what each partition into folds says of the selection that is best in each window."""
    if results.repeats is None:
        return None
    of_windows = []
    for window, z in zip(
        results.windows, np.array(results.repeats.z_local, float).swapaxes(0, 1), strict=True
    ):
        best = window.most_significant
        row = 0 if best is None else window.rows.index(best)
        of_windows.append(z[:, row])
    return plot_repeats([window.center for window in results.windows], np.stack(of_windows, axis=1))


def spectrum_figures(results: SearchResults) -> dict[float, Figure]:
    """Draw the mass spectra of the best window; the key is the selection, 1 for none."""
    best = results.best
    if best is None:
        return {}
    return {
        quality.efficiency: plot_spectrum(
            DrawnSpectrum(
                edges=np.array(fit.edges),
                counts=np.array(fit.counts, dtype=float),
                expected=np.array(fit.expected),
                expected_error=np.array(fit.expected_error),
                signal_region=(best.low, best.high),
                title=_spectrum_title(quality.efficiency, fit),
                note=f"fit p = {quality.p_value:.2g}",
            )
        )
        for quality, fit in zip(results.fit, results.spectra, strict=True)
        if fit is not None
    }


def feature_figure(histograms: Path) -> Figure | None:
    """Draw the features of all and of the selected events, from a run's ``histograms.json``."""
    if not histograms.is_file():
        return None
    shapes = []
    for name, stored in json_value(histograms.read_bytes(), origin=str(histograms)).items():
        filled = from_uhi(stored)
        shapes.append(
            FeatureShape(
                name=name,
                edges=filled.axes[1].edges,
                counts=dict(zip(filled.axes[0], filled.values(), strict=True)),
            )
        )
    return plot_features(shapes) if shapes else None


def _mass(window: WindowResult) -> float:
    """Return the center of a window, in GeV, the same for all that lie about it but for rounding."""
    return round(window.center, 6)


def _smallest_p(windows: list[WindowResult], row: int) -> float | None:
    """Return the smallest p-value of one selection, None where none may be quoted."""
    quoted = [p for window in windows if (p := window.rows[row].p_local) is not None]
    return min(quoted, default=None)


def _spectrum_title(efficiency: float, fit: SpectrumFit) -> str:
    return f"{selection_name(efficiency)}, {sum(fit.counts)} events"
