"""The figures of a benchmark show the numbers of its table."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from overdensity.ml import Window
from overdensity.workflow.benchmark.benchmark_figures import (
    plot_max_sic,
    plot_sculpting,
    plot_sic,
    save_benchmark_figures,
)
from overdensity.workflow.benchmark.benchmark_result import EPS_S, BenchmarkResults

from .test_benchmark_result import benchmark

WINDOW = Window(3500, 3300, 3700, 2900, 4200)


@pytest.fixture
def results() -> BenchmarkResults:
    return benchmark(name="plain", labelled="told")


def test_sic_is_drawn_where_all_seeds_have_it(results: BenchmarkResults) -> None:
    lines = {line.get_label(): line for line in plot_sic(results, 100).axes[0].lines}
    assert set(lines) == {"plain", "told", "random"}
    middle = np.median(results.curves_of(results.rows[0]), axis=0)
    assert np.asarray(lines["plain"].get_ydata()) == pytest.approx(middle[~np.isnan(middle)])
    assert np.asarray(lines["random"].get_ydata()) == pytest.approx(np.sqrt(EPS_S))


def test_strength_stands_above_the_curves(results: BenchmarkResults) -> None:
    assert plot_sic(results, 400).axes[0].get_title("left").startswith("S/B = 4 %")
    assert plot_sic(results, None).axes[0].get_title("left") == "trained with labels"


def test_maximum_is_drawn_against_the_strength(results: BenchmarkResults) -> None:
    axes = plot_max_sic(results).axes[0]
    (points, *_) = axes.containers
    assert np.asarray(points[0].get_xdata()) == pytest.approx([0.01, 0.04])
    assert np.asarray(points[0].get_ydata()) == pytest.approx([4.0, 6.0])
    needed = next(line for line in axes.lines if line.get_label() == "needed for 5σ")
    assert np.asarray(needed.get_ydata()) == pytest.approx([5.0, 1.25])


def test_spectra_before_and_after_are_compared_at_equal_normalisation(
    results: BenchmarkResults,
) -> None:
    upper, lower = plot_sculpting(results, 100, 0, WINDOW).axes
    assert {"before", "plain", "told"} <= set(upper.get_legend_handles_labels()[1])
    assert lower.get_ylabel() == "after / before"
    ratio = lower.containers[0][0].get_ydata()
    assert np.asarray(ratio) == pytest.approx([1.0, 1.0])  # 10 of 100, 20 of 200


def test_a_figure_is_saved_for_each_strength_and_selection(
    results: BenchmarkResults, tmp_path: Path
) -> None:
    files = save_benchmark_figures(results, WINDOW, tmp_path)
    assert {path.name for path in files} == {
        *("sic-100.png", "sic-400.png", "max_sic.png", "spectra-0.1.png", "spectra-0.01.png")
    }
    assert all(path.is_file() for path in files)
