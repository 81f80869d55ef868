"""``report.html`` of a search in regions: one page that stands by itself."""

from __future__ import annotations

from pathlib import Path

from ...core import InputError
from ...core.files.yaml_values import yaml_text
from ...core.records import write_text_atomic
from ..drawing import as_svg_uri
from ..report.page import render_page
from .region_figures import plot_closure, plot_limits, plot_region
from .region_result import RegionSearchResults

__all__ = ["write_region_report"]


def write_region_report(folder: Path) -> Path:
    """Write ``report.html`` from the results in the folder of a search in regions.

    Raises
    ------
    InputError
        If there are no results.
    """
    path = folder / "regions.json"
    if not path.is_file():
        msg = f"{folder}: no regions.json there; run 'overdensity run' first"
        raise InputError(msg)
    results = RegionSearchResults.from_json(path)
    provenance = results.provenance
    drawn = [
        (as_svg_uri(plot_region(region, count.z_local)), region)
        for region, count in zip(results.regions, results.visible.regions, strict=True)
    ]
    page = render_page(
        "regions.html",
        headline=results.sentence,
        title=folder.resolve().name,
        created=provenance.created.replace("T", " "),
        about=f"one flow for each region · {results.luminosity:g} /fb",
        seed=provenance.seed,
        numbers=(),
        flags=results.flags,
        quiet="every region has a flow, which describes its background.",
        level=f"{100 * results.visible.level:g}",
        regions=results.table(),
        signals=results.signals_table(),
        limits=as_svg_uri(plot_limits(results)),
        figures=[(uri, region.name) for uri, region in drawn],
        closure=[
            (as_svg_uri(plot_closure(region)), region)
            for region in results.regions
            if region.closure
        ],
        configuration=yaml_text(provenance.configuration),
        inputs=provenance.inputs,
        versions=provenance.versions,
        platform=provenance.platform,
    )
    return write_text_atomic(folder / "report.html", page)
