"""Limits on the strength of a signal, from injections made by hand."""

from __future__ import annotations

import dataclasses

import pytest

from overdensity.stats import SelectionResult
from overdensity.stats.limits.with_injections import injected_limit
from overdensity.workflow.limits.injection_results import InjectedSelection, Injection
from overdensity.workflow.limits.limits_result import StrengthLimit, WindowLimits, YieldLimit
from overdensity.workflow.limits.strength_limits import (
    best_expected,
    efficiency_errors,
    limit_with_retraining,
    limit_without_retraining,
)

ROW = SelectionResult(0.1, 20, 20.0, 2.0, 1.5, 0.5, 0.0, 8.0, 9, 0.5, False, False)
FLAGGED = dataclasses.replace(ROW, p_local=None, z_local=None, flagged=True)


def injection(
    strength: float, *, eps: float, absorbed: float = 0.0, repeat: int = 0, error: float = 0.0
) -> Injection:
    found = InjectedSelection(ROW, round(strength * eps), absorbed * eps, eps, error)
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
    of_run = limit_without_retraining(injection(0.0, eps=0.4, absorbed=0.2), window(), None)
    assert of_run is not None
    assert (of_run.observed, of_run.eps_s) == pytest.approx((8.0 / 0.32, 0.32))
    found = [
        limit_with_retraining(
            {s: [injection(s, eps=eps, absorbed=absorbed)] * 2 for s in (0.0, 100.0)},
            window(),
            0.95,
            None,
        )
        for eps, absorbed in ((0.5, 0.2), (0.4, 0.0))
    ]
    assert None not in found
    assert found[0].observed == pytest.approx(found[1].observed)


def test_the_error_of_the_efficiency_is_a_nuisance_by_name() -> None:
    (errors,) = efficiency_errors(injection(0.0, eps=0.4, error=0.08))
    (named,) = errors
    assert (named.name, named.trained) == ("tagger_simulation", False)
    assert (named.high, named.low) == pytest.approx((1.2, 1 / 1.2))
    assert efficiency_errors(injection(0.0, eps=0.4)) == ((),)
    assert efficiency_errors(injection(0.0, eps=0.0, error=0.1)) == ((),)
    assert efficiency_errors(injection(0.0, eps=0.1, error=0.5))[0][0].high == 2


def test_simulated_events_make_the_limit_with_retraining_weaker() -> None:
    limits = []
    for error in (0.0, 0.04, 0.12):
        by_strength = {s: [injection(s, eps=0.4, error=error)] * 5 for s in (0.0, 120.0)}
        found = limit_with_retraining(by_strength, window(), 0.95, None)
        assert found is not None
        limits.append(found.observed)
    assert limits[0] < limits[1] < limits[2] < 1.3 * limits[0]


def test_selection_is_chosen_by_the_expected_limit() -> None:
    def limit(efficiency: float, observed: float, median: float | None) -> StrengthLimit:
        return StrengthLimit(
            efficiency, observed, (None, None, median, None, None), (), None, None, ()
        )

    best = best_expected([limit(0.1, 5.0, 30.0), limit(0.01, 50.0, 20.0), limit(0.001, 1.0, None)])
    assert best is not None
    assert best.efficiency == 0.01
    assert best_expected([]) is None
