"""Limits of a search in regions as a submission to HEPData."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..limits.hepdata import column_of, expected_columns, new_table, write_submission
from .region_result import RegionSearchResults

if TYPE_CHECKING:
    from hepdata_lib import Table

__all__ = ["write_region_hepdata"]


def write_region_hepdata(results: RegionSearchResults, out: Path) -> Path:
    """Write the folder ``regions.hepdata`` of a run, and ``submission.tar.gz`` in it.

    Its tables are the visible cross sections of all regions, the benchmark signals, and the score
    of each region: data and simulated background in its bins.

    Parameters
    ----------
    results : RegionSearchResults
        Of the run.
    out : Path
        The run's folder.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    OverdensityError
        If the validator of HEPData refuses the submission.
    """
    tables = [_visible_table(results)]
    if results.signals:
        tables.append(_signal_table(results))
    tables += [_score_table(results, place) for place in range(len(results.regions))]
    comment = (
        "Limits of a search in regions with normalising flows of simulated background, made by "
        f"overdensity {results.provenance.versions['overdensity']}."
    )
    return write_submission(tables, out / "regions.hepdata", comment)


def _visible_table(results: RegionSearchResults) -> Table:
    counts = results.visible.regions
    table = new_table(
        "Limits on visible cross sections",
        f"{100 * results.visible.level:g} % CL upper limits (CLs) on the cross section times acceptance "
        "times efficiency of any signal in the most anomalous bin of each region.",
    )
    table.add_variable(column_of("Region", [each.region for each in counts], independent=True))
    table.add_variable(column_of("Observed events", [each.observed for each in counts]))
    table.add_variable(column_of("Expected background", [each.expected for each in counts]))
    table.add_variable(column_of("Its uncertainty", [each.error for each in counts]))
    table.add_variable(column_of("Local p-value", [each.p_local for each in counts]))
    table.add_variable(column_of("Observed limit", [each.cross_section for each in counts], "fb"))
    for column in expected_columns([each.cross_section_expected for each in counts], "fb"):
        table.add_variable(column)
    return table


def _signal_table(results: RegionSearchResults) -> Table:
    signals = results.signals
    table = new_table(
        "Limits on benchmark signals",
        f"{100 * results.visible.level:g} % CL upper limits (CLs) on the cross sections of benchmark "
        "signals, from one fit of the scores in all regions.",
    )
    table.add_variable(column_of("Signal", [each.name for each in signals], independent=True))
    table.add_variable(column_of("Mass", [each.mass for each in signals], "GeV"))
    table.add_variable(column_of("Prediction", [each.cross_section for each in signals], "fb"))
    table.add_variable(column_of("Observed limit", [each.observed for each in signals], "fb"))
    for column in expected_columns([each.expected for each in signals], "fb"):
        table.add_variable(column)
    return table


def _score_table(results: RegionSearchResults, place: int) -> Table:
    region = results.regions[place]
    table = new_table(
        f"Score of region {place + 1}",
        f"Minus the log-density of the flow of region {region.name}; the last bin has no upper edge.",
    )
    edges = [None, *region.edges]
    table.add_variable(column_of("Bin", list(range(1, len(edges) + 1)), independent=True))
    table.add_variable(column_of("Lower edge", edges))
    table.add_variable(column_of("Events", list(region.observed)))
    for name, template in region.backgrounds.items():
        table.add_variable(column_of(f"Background {name}", list(template.events)))
    return table
