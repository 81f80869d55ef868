"""Limits on the strength of a signal, from injections made by hand."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from overdensity.stats import SelectionResult
from overdensity.stats.limits.with_injections import injected_limit
from overdensity.workflow.limits.injection_results import InjectedSelection, Injection
from overdensity.workflow.limits.limits_result import StrengthLimit, WindowLimits, YieldLimit
from overdensity.workflow.limits.strength_limits import (
    absorbed_fraction,
    best_expected,
    limit_with_retraining,
    limit_without_retraining,
    net_efficiencies,
)

ROW = SelectionResult(0.1, 20, 20.0, 2.0, 1.5, 0.5, 0.0, 8.0, 9, 0.5, False, False)
FLAGGED = dataclasses.replace(ROW, p_local=None, z_local=None, flagged=True)


def injection(strength: float, *, eps: float, absorbed: float = 0.0, repeat: int = 0) -> Injection:
    signal = round(strength * eps)
    found = InjectedSelection(ROW, signal, absorbed * signal, eps)
    return Injection("A", strength, repeat, round(strength), 1000, 500, (found,))


def window(row: SelectionResult = ROW) -> WindowLimits:
    bands = () if row.flagged else (5.0, 6.0, 8.0, 10.0, 12.0)
    return WindowLimits(
        3464.1, 3000.0, 4000.0, (YieldLimit(row, bands[2] if bands else None, bands),)
    )


def test_without_retraining_the_limit_is_the_yield_over_the_efficiency() -> None:
    found = limit_without_retraining(injection(0.0, eps=0.4), window(), 0.5)
    assert found is not None
    assert found.observed == pytest.approx(8.0 / 0.4)
    assert found.expected == pytest.approx([12.5, 15.0, 20.0, 25.0, 30.0])
    assert found.cross_section_observed == pytest.approx(10.0)


def test_a_selection_without_a_limit_or_without_signal_has_none() -> None:
    assert limit_without_retraining(injection(0.0, eps=0.0), window(), None) is None
    assert limit_without_retraining(injection(0.0, eps=0.4), window(FLAGGED), None) is None
    by_strength = {s: [injection(s, eps=0.4)] * 2 for s in (0.0, 50.0)}
    assert limit_with_retraining(by_strength, window(FLAGGED), 0.95, None) is None
    nothing = {s: [injection(s, eps=0.0)] * 2 for s in (0.0, 50.0)}
    assert limit_with_retraining(nothing, window(), 0.95, None) is None


def test_with_retraining_the_error_holds_the_spurious_signal_once() -> None:
    strengths = [0.0, 40.0, 120.0]
    by_strength = {s: [injection(s, eps=0.4)] * 2 for s in strengths}
    found = limit_with_retraining(by_strength, window(), 0.95, None)
    expected = injected_limit(20, 20.0, 2.5, strengths=strengths, efficiencies=[[0.4] * 2] * 3)
    assert found is not None
    assert found.observed == pytest.approx(expected.observed)
    assert found.eps_s == pytest.approx(0.4)
    assert found.cross_section_observed is None


def test_pseudo_datasets_without_signal_have_limits_of_their_own() -> None:
    repeats = {s: [injection(s, eps=0.4, repeat=r) for r in range(2)] for s in (0.0, 120.0)}
    found = limit_with_retraining(repeats, window(), 0.95, None)
    assert found is not None
    assert len(found.pseudo_expected) == 2


def test_what_the_sidebands_absorb_is_taken_off_the_efficiency() -> None:
    by_strength = {
        0.0: [injection(0.0, eps=0.5)],
        100.0: [injection(100.0, eps=0.5, absorbed=0.2), injection(100.0, eps=0.4, absorbed=0.2)],
    }
    without, strong = net_efficiencies(by_strength, 0)
    np.testing.assert_allclose(strong, [0.4, 0.32])
    np.testing.assert_allclose(without, [0.4])  # as at the weakest strength


@pytest.mark.parametrize(("absorbed", "fraction"), [(-0.1, 0.0), (0.3, 0.3), (2.0, 0.9)])
def test_the_absorbed_fraction_lies_between_none_and_nine_tenths(
    absorbed: float, fraction: float
) -> None:
    rows = injection(100.0, eps=0.5, absorbed=absorbed).selections
    assert absorbed_fraction(rows) == pytest.approx(fraction)
    assert absorbed_fraction(injection(0.0, eps=0.5).selections) == 0.0


def test_selection_is_chosen_by_the_expected_limit() -> None:
    def limit(efficiency: float, observed: float, median: float | None) -> StrengthLimit:
        return StrengthLimit(
            efficiency, observed, (None, None, median, None, None), (), None, None, ()
        )

    best = best_expected([limit(0.1, 5.0, 30.0), limit(0.01, 50.0, 20.0), limit(0.001, 1.0, None)])
    assert best is not None
    assert best.efficiency == 0.01
    assert best_expected([]) is None
