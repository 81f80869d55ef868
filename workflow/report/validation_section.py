"""What the report shows of the validation region: the same search where no signal is expected."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from ...stats import WindowResult
from ...stats.search.printed import selection_name
from ..config.dependencies import written_values
from ..config.region import RegionConfig
from ..drawing import COLOURS, STYLE, as_svg_uri
from ..stages.search_result import SearchResults

__all__ = ["validation_section", "validation_sentence"]

_SUSPICIOUS = 0.05  # p-value of the validation region below which the search is in doubt


def validation_section(results: SearchResults, out: Path) -> dict[str, Any] | None:
    """Return the sentence, the table and the figure; None where no validation region was searched.

    Parameters
    ----------
    results : SearchResults
        Those of the search.
    out : Path
        Its folder, in which ``validation`` may be.
    """
    if results.provenance.configuration.get("region") is None:
        return None
    found = SearchResults.found_at(out / "validation" / "results.json")
    if found is None or _shared(found) != _shared(results):  # of another search
        return None
    rows = []
    in_search = {(window.low, window.high): _shown_z(window) for window in results.windows}
    for window in found.windows:  # thin ones, which are left out, may be others in the search
        row = window.most_significant
        cells = ("flagged", "", "", "")
        if row is not None:
            cells = (
                selection_name(row.efficiency),
                str(row.observed),
                row.background,
                _z(row.z_local),
            )
        rows.append(
            {
                "window": f"{window.low:.0f}-{window.high:.0f}",
                **dict(zip(("selection", "observed", "expected", "z"), cells, strict=True)),
                "search": in_search.get((window.low, window.high), "not searched"),
            }
        )
    return {
        "sentence": validation_sentence(found),
        "flags": found.flags,
        "rows": rows,
        "uri": as_svg_uri(_plot_pulls(found)),
        "caption": (
            "Local significance of each window and selection in the validation region. Selections are "
            "nested and windows overlap, so that neighbouring points move together; the bands hold "
            "68 and 95 % of them where the background is described."
        ),
    }


def validation_sentence(found: SearchResults) -> str:
    """Return what the search of a validation region has found, in words."""
    region = found.provenance.configuration["region"]
    where = f"{found.n_events} {RegionConfig.model_validate(region)}"
    best = found.best
    if best is None:
        return f"{where}: no result, since no fit describes its sidebands."
    relation = "≤" if best.p_global_is_limit else "="
    said = (
        f"{where}: global p {relation} {best.p_global:.2g}, largest local significance "
        f"{best.z_local:.1f}σ at {best.low:.0f}-{best.high:.0f} GeV"
    )
    if best.p_global > _SUSPICIOUS:
        if found.left_out:
            return f"{said}: nothing{found.of_all_windows}; the others have too few events to be tested."
        return f"{said}: nothing, as it should be."
    return (
        f"{said}: there is an excess where none is expected, so that one of the search may be due to "
        "the same fault; or the region holds signal."
    )


def _shared(results: SearchResults) -> dict[str, Any]:
    """Return of a configuration what a search and its validation have in common."""
    values = written_values("results", results.provenance.configuration)
    del values["columns"]  # a validation is given those that the search has made
    return values | {"region": values["region"]["cuts"]}


def _shown_z(window: WindowResult) -> str:
    row = window.most_significant
    return "flagged" if row is None else _z(row.z_local)


def _z(z: float | None) -> str:
    return "" if z is None else f"{z:.1f}σ"


def _plot_pulls(found: SearchResults) -> Figure:
    """Draw the local significance of each window and selection."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(7, 4))
        axes = figure.subplots()
        for width in (2, 1):
            axes.axhspan(-width, width, color=COLOURS[3], alpha=0.2, lw=0)
        centers = [window.center / 1000 for window in found.windows]
        for k, row in enumerate(found.windows[0].rows):
            z = [window.rows[k].z_local for window in found.windows]
            label = "all events" if row.efficiency == 1 else selection_name(row.efficiency)
            values = np.array(z, dtype=float)  # NaN where nothing may be quoted
            axes.plot(centers, values, "o", color=COLOURS[k % len(COLOURS)], ms=5, label=label)
        axes.axhline(0.0, color="black", lw=0.8)
        axes.set_xlabel("window center [TeV]")
        axes.set_ylabel("local significance [σ]")
        axes.legend(fontsize=9)
    return figure
