"""The figure of a comparison: p by region, and the feature that differs most."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ...ml import Comparison, RegionComparison, Sample
from ...processors.columns.units import axis_label
from ..drawing import BACKGROUND, COLOURS, STYLE

__all__ = ["plot_comparison"]

_BINS = 25


def plot_comparison(result: Comparison, data: Sample, simulation: Sample) -> Figure:
    """Draw the p-values of all regions, and the most different feature of the most different one.

    Parameters
    ----------
    result : Comparison
        Of these samples.
    data, simulation : Sample
        Simulation is normalised to the data of the region.
    """
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(9.6, 4.0))
        left, right = figure.subplots(1, 2)
        _draw_p_values(left, result)
        most = min(result.regions, key=lambda region: region.p_local)
        _draw_feature(right, most, data, simulation)
    return figure


def _draw_p_values(axes: Axes, result: Comparison) -> None:
    p = [region.p_local for region in result.regions]
    axes.plot(range(len(p)), p, "o", color=BACKGROUND, label="local")
    relation = "≤" if result.is_limit else "="
    label = f"global p {relation} {result.p_global:.2g}"
    axes.axhline(result.p_global, color=COLOURS[2], lw=1.2, ls="--", label=label)
    axes.set_xticks(range(len(p)), [region.name for region in result.regions])
    axes.set_yscale("log")
    axes.set_ylim(0.5 / (result.permutations + 1), 1.5)
    axes.set_xlabel("region")
    axes.set_ylabel("p-value")
    axes.legend(fontsize=9)


def _draw_feature(axes: Axes, region: RegionComparison, data: Sample, simulation: Sample) -> None:
    """Draw counts of data with their errors on normalised simulation."""
    name = region.features[0].name
    values, weights = [], []
    compared = {region.name} if region.name != "all" else None
    for sample in (data, simulation):
        inside = np.ones(len(sample), bool)
        if sample.group is not None and compared is not None:
            inside = np.isin(sample.group.astype(str), list(compared))
        values.append(sample.features[inside, sample.names.index(name)])
        weights.append(sample.weights[inside])
    low, high = np.quantile(np.concatenate(values), [0.002, 0.998])
    edges = np.linspace(low, high if high > low else low + 1, _BINS + 1)
    counts = np.histogram(values[0], edges)[0]
    expected = np.histogram(
        values[1], edges, weights=weights[1] * len(values[0]) / weights[1].sum()
    )
    axes.stairs(expected[0], edges, fill=True, color=BACKGROUND, alpha=0.5, label="simulation")
    middle = (edges[1:] + edges[:-1]) / 2
    axes.errorbar(middle, counts, np.sqrt(counts), fmt="o", ms=4, color="black", label="data")
    axes.set_xlabel(axis_label(name))
    axes.set_ylabel("events")
    axes.set_title(f"region {region.name}, AUC {region.auc:.3f}", fontsize=10)
    axes.legend(fontsize=9)
