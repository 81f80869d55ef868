"""Last stage of a search: one HTML page that stands by itself."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
import yaml
from matplotlib.figure import Figure

from ..core import InputError
from ..core.records import write_text_atomic
from ..processors.partitions import from_uhi
from ..stats import SpectrumFit
from .plots import FeatureShape, Spectrum, as_svg_uri, plot_features, plot_scan, plot_spectrum
from .results import SearchResults, SelectionSummary, WindowSummary

__all__ = ["error_of", "selection_name", "write_report"]


@dataclass(frozen=True)
class _Picture:
    uri: str
    alt: str
    caption: str


def write_report(out: Path) -> Path:
    """Write ``report.html`` from the results in a run's folder.

    Parameters
    ----------
    out : Path
        The run's folder.

    Returns
    -------
    Path
        The page; figures and styles are inside it.

    Raises
    ------
    InputError
        If there are no results.
    """
    path = out / "results.json"
    if not path.is_file():
        msg = f"{out}: no results.json there; run 'overdensity hunt' first, or 'overdensity run'"
        raise InputError(msg)
    results = SearchResults.from_json(path)
    template = jinja2.Environment(
        loader=jinja2.PackageLoader("overdensity.workflow"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
    ).get_template("report.html")
    page = template.render(**_content(results, out))
    return write_text_atomic(out / "report.html", page)


def selection_name(efficiency: float) -> str:
    """Return a selection in words: ``"1 %"``, or ``"all events"``."""
    return "all events" if efficiency == 1 else f"{100 * efficiency:.3g} %"


def error_of(value: float | None, form: str = ".0f") -> str:
    """Return an error as text, ``"?"`` where the fit has none."""
    return "?" if value is None else format(value, form)


def _content(results: SearchResults, out: Path) -> dict[str, Any]:
    provenance = results.provenance
    return {
        "headline": _headline(results),
        "title": out.resolve().name,
        "created": provenance.created.replace("T", " "),
        "method": provenance.configuration["method"]["name"],
        "seed": provenance.seed,
        "numbers": _numbers(results),
        "flags": results.flags,
        "scan_figures": [_scan_picture(results)],
        "spectra": [_spectrum_picture(spectrum, fit) for spectrum, fit in _spectra(results)],
        "features": _feature_pictures(out / "histograms.json"),
        "rows": [row for window in results.windows for row in _rows(window, results)],
        "truth": [
            (selection_name(row.efficiency), row.signal, row.background) for row in results.truth
        ],
        "cutflow": _cutflow(results.cutflow),
        "configuration": yaml.safe_dump(provenance.configuration, sort_keys=False),
        "inputs": provenance.inputs,
        "versions": provenance.versions,
        "platform": provenance.platform,
    }


def _headline(results: SearchResults) -> str:
    best = results.best
    if best is None:
        return "No result: no fit describes its sidebands"
    relation = "≥" if best.p_global_is_limit else "="
    if best.p_global > 0.05:
        return f"No excess: global p = {best.p_global:.2g}"
    return (
        f"Excess at {best.mass / 1000:.2f} TeV, global significance {relation} {best.z_global:.1f}σ"
    )


def _numbers(results: SearchResults) -> list[tuple[str, str]]:
    best = results.best
    if best is None:
        return []
    relation = "≤ " if best.p_global_is_limit else ""
    return [
        ("mass", f"{best.mass:.0f} ± {error_of(best.mass_error)} GeV"),
        ("local significance", f"{best.z_local:.1f}σ"),
        ("global significance", f"{'≥ ' if relation else ''}{best.z_global:.1f}σ"),
        ("global p-value", f"{relation}{best.p_global:.2g}"),
        ("signal events selected", f"{best.n_signal:.0f} ± {error_of(best.n_signal_error)}"),
        ("selection", selection_name(best.efficiency)),
    ]


def _scan_picture(results: SearchResults) -> _Picture:
    windows, best = results.windows, results.best
    p_local = {"all events": [window.unselected.p_local for window in windows]}
    for i, selection in enumerate(windows[0].selections):
        p_local[selection_name(selection.efficiency)] = [
            window.selections[i].p_local for window in windows
        ]
    figure = plot_scan(
        [window.center for window in windows],
        p_local,
        best=None if best is None else (windows[best.window].center, best.p_local),
        p_global=None if best is None else best.p_global,
        is_limit=best is not None and best.p_global_is_limit,
    )
    caption = (
        "Local p-value of each window and selection. Windows whose fit does not describe its "
        "sidebands are left out. The black line, before any selection, is not searched."
    )
    if best is not None:
        caption += (
            f" The global p-value counts how many of {best.pseudo_experiments} background-only "
            "pseudo-experiments, each refitted in all windows and selections, have a local "
            "p-value as small anywhere."
        )
    return _picture(figure, "local p-values of the scan", caption)


def _spectra(results: SearchResults) -> list[tuple[Spectrum, SpectrumFit]]:
    if results.best is None:
        return []
    region = (results.best.low, results.best.high)
    efficiencies = [quality.efficiency for quality in results.fit]
    return [
        (
            Spectrum(
                edges=np.array(fit.edges),
                counts=np.array(fit.counts, dtype=float),
                expected=np.array(fit.expected),
                expected_error=np.array(fit.expected_error),
                signal_region=region,
                title=f"{selection_name(efficiency)}, {sum(fit.counts)} events",
                note=f"fit p = {quality.p_value:.2g}",
            ),
            fit,
        )
        for efficiency, quality, fit in zip(efficiencies, results.fit, results.spectra, strict=True)
    ]


def _spectrum_picture(spectrum: Spectrum, fit: SpectrumFit) -> _Picture:
    caption = (
        f"{spectrum.title}: {fit.observed} events in the signal region, "
        f"{fit.total:.1f} ± {fit.total_error:.1f} expected from the {fit.function} fit outside it."
    )
    return _picture(plot_spectrum(spectrum), f"mass spectrum, {spectrum.title}", caption)


def _feature_pictures(path: Path) -> list[_Picture]:
    if not path.is_file():
        return []
    shapes = []
    for name, stored in json.loads(path.read_text(encoding="utf-8")).items():
        filled = from_uhi(stored)
        shapes.append(
            FeatureShape(
                name=name,
                edges=filled.axes[1].edges,
                counts=dict(zip(filled.axes[0], filled.values(), strict=True)),
            )
        )
    if not shapes:
        return []
    caption = "Features of the events in the best signal region, each distribution normalised."
    return [_picture(plot_features(shapes), "features of selected events", caption)]


def _rows(window: WindowSummary, results: SearchResults) -> list[dict[str, str]]:
    best = results.best
    is_best_window = best is not None and results.windows[best.window] is window
    return [
        {
            "style": "best"
            if best is not None and is_best_window and row.efficiency == best.efficiency
            else "flagged"
            if row.flagged
            else "",
            "window": f"{window.low:.0f}-{window.high:.0f}",
            **_row(row),
        }
        for row in (window.unselected, *window.selections)
    ]


def _row(row: SelectionSummary) -> dict[str, str]:
    return {
        "selection": selection_name(row.efficiency),
        "observed": f"{row.observed}",
        "expected": f"{row.expected:.1f} ± {error_of(row.expected_error, '.1f')}",
        "p_local": "flagged" if row.p_local is None else f"{row.p_local:.2g}",
        "z_local": "" if row.z_local is None else f"{row.z_local:.1f}σ",
        "chi2": f"{row.chi2:.1f}/{row.ndf}",
        "fit_p": f"{row.fit_p_value:.2g}",
    }


def _cutflow(cutflow: dict[str, int]) -> list[tuple[str, int, str]]:
    total = max(next(iter(cutflow.values()), 0), 1)
    return [(name, events, f"{100 * events / total:.1f} %") for name, events in cutflow.items()]


def _picture(figure: Figure, alt: str, caption: str) -> _Picture:
    return _Picture(as_svg_uri(figure), alt, caption)
