from __future__ import annotations

import base64
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from overdensity.ml import LossCurve, Reliability
from overdensity.workflow.drawing import (
    DrawnSpectrum,
    FeatureShape,
    as_svg_uri,
    plot_features,
    plot_losses,
    plot_pseudo_experiments,
    plot_reliability,
    plot_repeats,
    plot_scan,
    plot_spectrum,
    save_figure,
)

EDGES = np.geomspace(2632, 6000, 9)


@pytest.fixture
def spectrum() -> DrawnSpectrum:
    expected = np.geomspace(500, 2, 8)
    counts = np.round(expected)
    counts[3] += 5 * np.sqrt(counts[3])
    counts[-1] = 0
    return DrawnSpectrum(
        EDGES, counts, expected, 0.02 * expected, (EDGES[2], EDGES[5]), "10 %", "p 0.3"
    )


def labels(figure: Figure) -> set[str]:
    return {text for axes in figure.axes for text in axes.get_legend_handles_labels()[1]}


def test_pulls_count_poisson_and_fit_uncertainty(spectrum: DrawnSpectrum) -> None:
    variance = spectrum.expected[3] + spectrum.expected_error[3] ** 2
    assert spectrum.pulls[3] == pytest.approx(
        (spectrum.counts[3] - spectrum.expected[3]) / variance**0.5
    )


def test_spectrum_shows_the_filled_bins_in_tev(spectrum: DrawnSpectrum) -> None:
    upper, lower = plot_spectrum(spectrum).axes
    (points,) = (line for line in upper.lines if len(np.asarray(line.get_xdata())) == 7)
    assert points.get_ydata() == pytest.approx(spectrum.counts[:-1])
    assert points.get_xdata() == pytest.approx(np.sqrt(EDGES[1:] * EDGES[:-1])[:-1] / 1000)
    assert lower.get_ylabel() == "pull"


def test_spectrum_without_events_can_be_drawn(spectrum: DrawnSpectrum) -> None:
    empty = DrawnSpectrum(EDGES, np.zeros(8), np.full(8, 1e-9), np.zeros(8), (3000, 3500), "0.2 %")
    assert plot_spectrum(empty).axes


def test_scan_leaves_flagged_windows_out_and_marks_the_best() -> None:
    figure = plot_scan(
        [3000, 3500, 4000],
        {"all": [0.5, 0.2, 0.3], "1 %": [0.4, 1e-7, None]},
        best=(3500, 1e-7),
        p_global=1e-4,
        is_limit=True,
    )
    (axes,) = figure.axes
    lines = {line.get_label(): line for line in axes.lines}
    assert np.asarray(lines["1 %"].get_ydata())[:2] == pytest.approx([0.4, 1e-7])
    assert np.isnan(np.asarray(lines["1 %"].get_ydata())[2])
    assert "global p ≤ 0.0001\n(≥ 3.7σ)" in [text.get_text() for text in axes.texts]
    assert axes.get_ylim()[0] < 1e-7


@pytest.mark.parametrize(("smallest", "first"), [(1e-4, "1σ 2σ 3σ"), (1e-28, "1σ 3σ 5σ")])
def test_labels_of_a_scan_do_not_lie_on_each_other(smallest: float, first: str) -> None:
    figure = plot_scan(
        [3000, 3500], {"1 %": [0.4, smallest]}, best=None, p_global=None, is_limit=False
    )
    figure.draw_without_rendering()
    (axes,) = figure.axes
    labels = [text for text in axes.texts if text.get_text().endswith("σ")]
    assert " ".join(label.get_text() for label in labels[:3]) == first
    boxes = [label.get_window_extent() for label in labels]
    gaps = [above.y0 - below.y1 for above, below in pairwise(boxes)]
    assert min(gaps) > -0.2 * boxes[0].height


@pytest.mark.parametrize("center", [3000, 3500, 4000])
def test_what_is_said_of_the_best_window_lies_on_no_label(center: int) -> None:
    figure = plot_scan(
        [3000, 3500, 4000],
        {"1 %": [0.4, 0.4, 0.4]},
        best=(center, 0.3),
        p_global=0.9,
        is_limit=False,
    )
    figure.draw_without_rendering()
    (axes,) = figure.axes
    said, *labels = [text.get_window_extent() for text in axes.texts]
    assert labels
    assert not any(said.overlaps(label) for label in labels)


def test_a_scan_down_to_zero_has_its_star_above_the_end_of_the_axis() -> None:
    figure = plot_scan(
        [3000, 3500], {"1 %": [0.4, 0.0]}, best=(3500, 0.0), p_global=1e-300, is_limit=False
    )
    (axes,) = figure.axes
    (star,) = [line for line in axes.lines if line.get_marker() == "*"]
    assert 0 < axes.get_ylim()[0] < np.min(star.get_ydata()) < 1e-200


def test_scan_without_any_quotable_window_can_be_drawn() -> None:
    figure = plot_scan([3000.0], {"1 %": [None]}, best=None, p_global=None, is_limit=False)
    assert figure.axes


def test_pseudo_experiments_stand_beside_the_data() -> None:
    figure = plot_pseudo_experiments(np.random.default_rng(1).normal(2.0, 0.5, size=500), 4.7)
    (axes,) = figure.axes
    assert sum(patch.get_height() for patch in axes.patches) == 500
    assert labels(figure) == {"pseudo-experiments", "data"}


def test_repeats_are_drawn_with_their_mean() -> None:
    z = np.array([[1.0, np.nan, np.nan], [3.0, 0.5, np.nan]])
    axes = plot_repeats([3000.0, 3500.0, 4000.0], z).axes[0]
    np.testing.assert_allclose(axes.lines[-1].get_ydata(), [2.0, 0.5, 0.0])
    np.testing.assert_allclose(axes.lines[-1].get_xdata(), [3.0, 3.5, 4.0])
    assert axes.get_xlabel() == "window center [TeV]"
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["one partition", "mean"]


def test_features_are_normalised() -> None:
    shape = FeatureShape(
        "j1_mass", np.linspace(0, 10, 4), {"all": np.array([2, 6, 2]), "none": np.zeros(3)}
    )
    (axes, *_) = plot_features([shape]).axes
    assert labels(plot_features([shape])) == {"all"}
    both = FeatureShape("j2_mass", shape.edges, {"all": np.ones(3), "none": np.ones(3)})
    (legend,) = plot_features([shape, both]).legends
    assert [text.get_text() for text in legend.get_texts()] == ["all", "none"]
    assert axes.get_xlabel() == "j1_mass [GeV]"


@pytest.mark.figures
def test_figure_becomes_the_same_svg_each_time(spectrum: DrawnSpectrum) -> None:
    first, second = (as_svg_uri(plot_spectrum(spectrum)) for _ in range(2))
    assert first == second
    assert base64.b64decode(first.partition(",")[2]).startswith(b"<?xml")


@pytest.mark.parametrize("name", ["$x_{$", "$\\frac$", "cost $5", "$", "a_{b}", "$m_{jj}$ $x^{$"])
def test_any_name_can_be_drawn(name: str, tmp_path: Path) -> None:
    figure = Figure()
    axes = figure.subplots()
    axes.plot([1, 2], label=name)
    axes.set(xlabel=name, title=r"$\sqrt{s}$")
    axes.legend()
    assert as_svg_uri(figure)
    assert save_figure(figure, tmp_path / "named.png").stat().st_size > 0


def test_trainings_of_one_kind_share_a_panel() -> None:
    flow = LossCurve((2.0, 1.0), (2.1, 1.2), (1,))
    networks = LossCurve((0.7, 0.6, 0.5), (), (2,))
    first, second = plot_losses({0: [flow, networks], 3: [flow, networks], 5: [flow]}).axes
    assert (len(first.lines), len(second.lines)) == (9, 2)  # training, validation, epochs kept
    assert first.get_ylabel() != second.get_ylabel()


def test_reliability_is_drawn_with_its_errors_beside_the_diagonal() -> None:
    curve = Reliability((0.4, 0.6), (0.45, 0.55), (0.01, 0.02))
    (axes,) = plot_reliability({0: [curve], 1: [curve]}).axes
    assert len(axes.containers) == 2
    (diagonal,) = (line for line in axes.lines if line.get_label() == "calibrated")
    assert list(np.asarray(diagonal.get_xdata())) == [0.4, 0.6]
    assert list(np.asarray(diagonal.get_ydata())) == [0.4, 0.6]
