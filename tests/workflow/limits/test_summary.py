"""Limits on a signal put together from repetitions made by hand."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from overdensity.ml import Sample
from overdensity.stats import SelectionResult
from overdensity.workflow.config.limits import LimitsConfig
from overdensity.workflow.limits.injection_results import InjectedSelection, Injection
from overdensity.workflow.limits.limits_result import SignalLimits, WindowLimits, YieldLimit
from overdensity.workflow.limits.signal_models import SignalModel
from overdensity.workflow.limits.summary import signal_limits

ROW = SelectionResult(0.1, 20, 20.0, 2.0, 0.0, 0.5, 0.0, 8.0, 9, 0.5, False, False)
WINDOW = WindowLimits(3464.1, 3000.0, 4000.0, (YieldLimit(ROW, 9.0, (5.0, 6.0, 8.0, 10.0, 12.0)),))
RESULTS: Any = SimpleNamespace(pseudo_z=(1.0, 2.0, 3.0))


def injection(strength: float, repeat: int = 0, eps: float = 0.4) -> Injection:
    found = InjectedSelection(ROW, round(eps * strength), 0.0, eps, 0.0)
    return Injection("A", strength, repeat, round(strength), 1000, 500, (found,))


def put_together(done: list[Injection], **limits: Any) -> SignalLimits:
    config = LimitsConfig(signals={"A": "a.parquet"}, luminosity=10.0, **limits)
    sample = Sample.from_arrays([3400.0, 3500.0, 3600.0], [[0.0]] * 3, ["tau21"])
    model = SignalModel("A", config.signals["A"], ("a.parquet",), sample, 3.0, 0, 1.0)
    return signal_limits(config, model, RESULTS, window=WINDOW, done=done)


def test_without_injections_there_is_the_limit_of_the_run_alone() -> None:
    found = put_together([injection(0.0)])
    assert found.injected is None
    assert found.points == ()
    assert found.fixed is not None
    assert found.fixed.observed == pytest.approx(9.0 / 0.4)
    assert (found.mass, found.per_event) == (3500.0, 0.1)


def test_points_are_in_the_order_of_their_strengths() -> None:
    done = [injection(s, r) for s in (0.0, 120.0, 40.0) for r in (1, 0)]
    found = put_together([injection(0.0), *done], injections={"strengths": [40, 120]})
    assert [point.strength for point in found.points] == [0.0, 40.0, 120.0]
    assert [point.repeats for point in found.points] == [2, 2, 2]
    assert found.reach is not None


def test_the_training_of_the_run_is_no_pseudo_dataset() -> None:
    done = [injection(s, r) for s in (0.0, 120.0) for r in (0, 1)]
    found = put_together([injection(0.0, eps=0.2), *done], injections={"strengths": [120]})
    assert found.points[0].repeats == 2
    assert found.fixed is not None
    assert found.fixed.eps_s == 0.2
    assert found.injected is not None
    assert len(found.injected.pseudo_expected) == 2
