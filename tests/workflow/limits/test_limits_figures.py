"""What the figures of limits show, by the data they carry."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from overdensity.stats import SelectionResult
from overdensity.workflow.limits.limits_figures import (
    limits_figures,
    plot_injections,
    plot_signal_limits,
    plot_yield_limits,
    save_limits_figures,
)
from overdensity.workflow.limits.limits_result import (
    InjectionPoint,
    LimitsResults,
    PointSelection,
    SignalLimits,
    StrengthLimit,
    WindowLimits,
    YieldLimit,
)
from overdensity.workflow.stages.provenance import Provenance

ROW = SelectionResult(0.1, 20, 20.0, 2.0, 0.0, 0.5, 0.0, 8.0, 9, 0.5, False, False)
TIGHT = replace(ROW, efficiency=0.01)
BANDS = (5.0, 6.0, 8.0, 10.0, 12.0)
LIMIT = StrengthLimit(
    0.1, 60.0, (30.0, 40.0, 50.0, 70.0, 90.0), (), 0.3, 1.2, (0.6, 0.8, 1.0, 1.4, 1.8)
)


def window(center: float, observed: float | None) -> WindowLimits:
    bands = () if observed is None else BANDS
    rows = tuple(YieldLimit(row, observed, bands) for row in (ROW, TIGHT))
    return WindowLimits(center, center - 300, center + 300, rows)


def point(strength: float) -> InjectionPoint:
    rows = tuple(
        PointSelection(
            eps, tuple(strength * eps + np.arange(5.0)), (0.1, 0.2, 0.3, 0.4, 0.5), 0.0, 9.0
        )
        for eps in (0.1, 0.01)
    )
    return InjectionPoint(strength, 5, (0.0,) * 5, rows)


SIGNAL = SignalLimits(
    name="A",
    mass=3500.0,
    window=0,
    low=3000.0,
    high=4000.0,
    share=0.9,
    events=500,
    per_event=0.02,
    cross_section=1.5,
    fixed=replace(LIMIT, observed=80.0, cross_section_observed=1.6),
    injected=LIMIT,
    points=(point(0.0), point(40.0), point(120.0)),
    reach=None,
)
MADE = LimitsResults(
    0.95, (window(3000.0, 9.0), window(4000.0, None)), (SIGNAL,), None, (), Provenance.of({}, 1, [])
)


def test_a_yield_limit_stands_at_its_window_and_a_flagged_one_nowhere() -> None:
    figure = plot_yield_limits(MADE)
    assert [axes.get_title(loc="left") for axes in figure.axes] == [
        "selection 10 %",
        "selection 1 %",
    ]
    median, observed = figure.axes[0].lines
    np.testing.assert_array_equal(observed.get_xdata(), [3.0, 4.0])  # TeV
    np.testing.assert_array_equal(observed.get_ydata(), [9.0, np.nan])
    np.testing.assert_array_equal(median.get_ydata(), [8.0, np.nan])


def heights(axes) -> list[tuple[float, float]]:
    return [(bar.get_y(), bar.get_y() + bar.get_height()) for bar in axes.patches]


def drawn(axes, marker: str) -> list[float]:
    return [float(line.get_ydata()[0]) for line in axes.lines if line.get_marker() == marker]


def test_a_signal_model_has_its_bands_observation_and_limit_without_retraining() -> None:
    axes = plot_signal_limits(MADE).axes[0]
    assert heights(axes) == [(30.0, 90.0), (40.0, 70.0)]
    assert (drawn(axes, "o"), drawn(axes, "x"), drawn(axes, "_")) == ([60.0], [80.0], [])
    assert axes.get_ylabel() == "95 % upper limit on events before selection"


def test_with_luminosity_it_is_drawn_in_fb_beside_the_prediction() -> None:
    axes = plot_signal_limits(replace(MADE, luminosity=100.0)).axes[0]
    assert heights(axes) == [pytest.approx((0.6, 1.8)), pytest.approx((0.8, 1.4))]
    assert (drawn(axes, "o"), drawn(axes, "x"), drawn(axes, "_")) == ([1.2], [1.6], [1.5])
    assert "[fb]" in axes.get_ylabel()


@pytest.mark.parametrize(("luminosity", "at"), [(None, 120.0), (100.0, 2.4)])
def test_a_limit_beyond_the_injections_points_up_from_the_strongest(luminosity, at) -> None:
    beyond = replace(SIGNAL, injected=replace(LIMIT, observed=None, cross_section_observed=None))
    axes = plot_signal_limits(replace(MADE, signals=(beyond,), luminosity=luminosity)).axes[0]
    assert drawn(axes, "^") == [pytest.approx(at)]


def test_injections_are_drawn_in_the_selection_of_the_limit() -> None:
    signal = replace(SIGNAL, injected=replace(LIMIT, efficiency=0.01))
    upper, lower = plot_injections(signal).axes
    np.testing.assert_array_equal(upper.lines[0].get_xdata(), [0.0, 40.0, 120.0])
    np.testing.assert_allclose(upper.lines[0].get_ydata(), [2.0, 2.4, 3.2])
    np.testing.assert_array_equal(lower.lines[0].get_ydata(), [0.3] * 3)
    assert upper.lines[-1].get_xdata()[0] == 60.0  # the observed limit
    assert "selection 1 %" in upper.get_title(loc="left")


def test_a_run_has_the_figures_of_what_its_file_holds(tmp_path: Path) -> None:
    assert limits_figures(tmp_path) == []
    MADE.to_json(tmp_path / "limits.json")
    assert [name for name, _, _ in limits_figures(tmp_path)] == [
        "yields",
        "signals",
        "injections-0",
    ]
    replace(MADE, signals=()).to_json(tmp_path / "limits.json")
    assert save_limits_figures(tmp_path) == [tmp_path / "limits" / "yields.svg"]
    assert (tmp_path / "limits" / "yields.svg").is_file()
