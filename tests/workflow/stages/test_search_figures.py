"""The figures of a search show the numbers of its results."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from overdensity.workflow.stages.search_figures import (
    feature_figure,
    pseudo_experiments_figure,
    scan_figure,
    spectrum_figures,
)
from overdensity.workflow.stages.search_result import SearchResults

pytestmark = pytest.mark.figures


@pytest.fixture(scope="module")
def results(finished_run: Path) -> SearchResults:
    return SearchResults.from_json(finished_run / "results.json")


@pytest.fixture(scope="module")
def nothing(results: SearchResults) -> SearchResults:
    """The same search, had no fit been good enough to quote."""
    return dataclasses.replace(results, best=None, pseudo_z=())


def test_scan_has_a_line_for_each_selection_with_its_p_values(results: SearchResults) -> None:
    lines = {line.get_label(): line for line in scan_figure(results).axes[0].lines}
    assert {"all events", "10 %", "2 %"} <= set(lines)
    shown = np.asarray(lines["10 %"].get_ydata(), dtype=float)
    expected = [window.selections[0].p_local for window in results.windows]
    assert shown == pytest.approx(np.array(expected, dtype=float), nan_ok=True)


def test_a_search_of_one_window_is_drawn_about_its_mass(results: SearchResults) -> None:
    """Its center, rounded for the line and not for the star, was once all that the axis showed."""
    assert results.best is not None
    window = results.windows[results.best.window]
    alone = dataclasses.replace(
        results, windows=(window,), best=dataclasses.replace(results.best, window=0)
    )
    low, high = scan_figure(alone).axes[0].get_xlim()
    assert 1000 * low < window.center < 1000 * high
    assert high - low > 0.01


def test_spectra_are_those_of_the_best_window(results: SearchResults) -> None:
    figures = spectrum_figures(results)
    assert list(figures) == [row.efficiency for row in results.fit]
    title = figures[1.0].axes[0].get_title(loc="left") + figures[1.0].axes[0].get_title()
    spectrum = results.spectra[0]
    assert spectrum is not None
    assert f"{sum(spectrum.counts)} events" in title


def test_features_are_those_of_the_histograms(finished_run: Path, tmp_path: Path) -> None:
    figure = feature_figure(finished_run / "histograms.json")
    assert figure is not None
    assert [axes.get_xlabel() for axes in figure.axes[:2]] == ["j1_mass [GeV]", "j1_tau21"]
    assert feature_figure(tmp_path / "none.json") is None


def test_without_a_result_only_the_scan_is_drawn(nothing: SearchResults) -> None:
    assert scan_figure(nothing).axes
    assert spectrum_figures(nothing) == {}
    assert pseudo_experiments_figure(nothing) is None


def test_pseudo_experiments_stand_beside_the_data(results: SearchResults) -> None:
    figure = pseudo_experiments_figure(results)
    assert figure is not None
    assert results.best is not None
    shown = [x for line in figure.axes[0].lines for x in np.ravel(line.get_xdata())]
    assert any(x == pytest.approx(results.best.z_local) for x in shown)
