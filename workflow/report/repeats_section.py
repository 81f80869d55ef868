"""What the report shows of several partitions into folds."""

from __future__ import annotations

from typing import Any

from ..drawing import as_svg_uri
from ..stages.search_figures import repeats_figure
from ..stages.search_result import SearchResults

__all__ = ["repeats_section"]


def repeats_section(results: SearchResults) -> dict[str, Any] | None:
    """Return the table, the sentence and the figure of the partitions; None where there is one."""
    repeats, best, figure = results.repeats, results.best, repeats_figure(results)
    if repeats is None or figure is None:
        return None
    rows = []
    for partition, (z, p) in enumerate(zip(repeats.largest_z, repeats.p_global, strict=True)):
        name = f"{partition + 1}{', shown above' if partition == repeats.representative else ''}"
        rows.append((name, "–" if z is None else f"{z:.1f}σ", "–" if p is None else f"{p:.2g}"))
    if best is not None:
        bound = "≤ " if best.p_global_is_limit else ""
        rows.append(("all, combined", f"{best.z_local:.1f}σ", f"{bound}{best.p_global:.2g}"))
    return {
        "rows": rows,
        "sentence": (
            f"The events were divided into folds {repeats.number} times and every model trained anew. "
            "The significance of a selection is the mean over these partitions, divided by its standard "
            "deviation. That is below one where they select different events, so that the combined "
            "significance can be larger than that of each."
            + (
                ""
                if repeats.spread is None
                else f" Where it is largest, the partitions spread by {repeats.spread:.2f}σ."
            )
            + " Counts, spectra, yields and limits are of the partition nearest to the mean."
        ),
        "uri": as_svg_uri(figure),
        "caption": "Significance of the best selection of each window, in each partition, and their mean.",
    }
