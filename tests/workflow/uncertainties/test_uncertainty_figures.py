"""The figures hold the numbers of the record."""

from __future__ import annotations

from overdensity.stats.limits.profiled import UpperLimit
from overdensity.stats.uncertainties.envelope import FunctionProfile
from overdensity.stats.uncertainties.impacts import Impact, Impacts, StrengthScan
from overdensity.workflow.uncertainties.uncertainties_result import Uncertainties
from overdensity.workflow.uncertainties.uncertainty_figures import plot_impacts, plot_strength

IMPACTS = Impacts(
    1.0,
    0.3,
    3.4,
    (Impact("jes", 0.1, 0.9, 0.2, -0.3), Impact("background_1", None, None, 0.1, 0.1)),
)


def test_the_largest_impact_stands_on_top() -> None:
    left, right = plot_impacts(IMPACTS).axes
    assert [label.get_text() for label in left.get_yticklabels()] == ["background_1", "jes"]
    assert sorted(bar.get_width() for bar in right.patches) == [-0.3, 0.1, 0.1, 0.2]


def test_each_function_has_its_curve() -> None:
    limit = UpperLimit(2.0, (1.0, 1.2, 1.5, 2.0, 2.5), 0.95, "asymptotic", 30.0)
    profile = FunctionProfile(
        ("dijet3", "dijet4"),
        (0.0, 1.0, 2.0),
        ((5.0, 0.0, 3.0), (6.0, 1.0, 2.0)),
        2.2,
        1.0,
        0.5,
        1.5,
    )
    scan = StrengthScan((0.0, 1.0, 2.0), (9.0, 0.0, 8.0), (12.0, 0.0, 11.0))
    found = Uncertainties(
        50.0, False, 3.5, 3.0, limit, limit, IMPACTS, scan, None, profile, "key"
    )  # fmt: skip
    (axes,) = plot_strength(found).axes
    curves = [list(line.get_ydata()) for line in axes.lines]
    assert list(scan.profiled) in curves
    assert [5.0, 0.0, 2.0] in curves
    assert axes.get_xlabel() == "strength (50 selected events at 1)"
