"""Figures of a search in regions hold its numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from overdensity.workflow.regions.region_figures import (
    _uncertainty,
    plot_closure,
    plot_limits,
    plot_region,
)
from overdensity.workflow.regions.region_result import RegionSearchResults


def test_figures_hold_data_and_limits(region_search: Path) -> None:
    found = RegionSearchResults.from_json(region_search / "run" / "regions.json")
    axes = plot_region(found.regions[0], 3.0).axes[0]
    drawn = np.asarray(axes.lines[0].get_ydata(), float)
    np.testing.assert_array_equal(drawn, found.regions[0].observed)
    left, right = plot_limits(found).axes
    seen = [np.asarray(line.get_ydata(), float) for line in left.lines]
    np.testing.assert_allclose(seen[1], [each.cross_section for each in found.visible.regions])
    assert float(np.asarray(right.lines[-1].get_ydata())[0]) == found.signals[0].cross_section


def test_the_closure_of_each_feature_is_drawn(region_search: Path) -> None:
    found = RegionSearchResults.from_json(region_search / "run" / "regions.json").regions[0]
    names = [axes.get_xlabel() for axes in plot_closure(found).axes]
    assert names == ["l1_pt [GeV]", "n_jets", "", ""]
    shown = plot_closure(found).axes[0].patches[0].get_data().values
    np.testing.assert_array_equal(shown, found.closure[0].drawn)


def test_the_band_of_a_score_has_all_uncertainties(region_search: Path) -> None:
    found = RegionSearchResults.from_json(region_search / "run" / "regions.json")
    template = found.regions[0].backgrounds["zz"]
    events, pileup = template.events[-1], template.variations["pileup"]
    shift = (pileup.up[-1] - pileup.down[-1]) / 2
    square = template.errors[-1] ** 2 + (0.05**2 + 0.02**2) * events**2 + shift**2
    assert _uncertainty(found.regions[0])[-1] == pytest.approx(np.sqrt(square))
