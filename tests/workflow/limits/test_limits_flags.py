from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from overdensity.stats import SelectionResult, WindowResult
from overdensity.workflow.config.limits import LimitsConfig
from overdensity.workflow.limits.limits_flags import limit_flags
from overdensity.workflow.limits.limits_result import (
    InjectionPoint,
    PointSelection,
    SignalLimits,
    StrengthLimit,
    WindowLimits,
    YieldLimit,
)
from overdensity.workflow.stages.search_result import HIDES_SIGNAL

ROW = SelectionResult(0.1, 20, 20.0, 2.0, 0.0, 0.5, 0.0, 8.0, 9, 0.5, False, False)
EXCESS = SelectionResult(0.1, 40, 20.0, 2.0, 0.0, 1e-4, 3.7, 8.0, 9, 0.5, False, False)
INJECTIONS = {"strengths": [40, 120], "repeats": 5}


def point(strength: float, eps_s: float) -> InjectionPoint:
    selection = PointSelection(0.1, (0.0,) * 5, (eps_s,) * 5, 0.0, 10.0)
    return InjectionPoint(strength, 5, (0.0,) * 5, (selection,))


def signal(
    observed: float | None = 60.0,
    eps: tuple[float, ...] = (0.3, 0.3, 0.3),
    pseudo: tuple[float | None, ...] = (55.0, 70.0, None),
) -> SignalLimits:
    bands = (40.0, 50.0, 60.0, 80.0, None)
    limit = StrengthLimit(0.1, observed, bands, pseudo, 0.3, None, ())
    points = tuple(point(s, e) for s, e in zip((0.0, 40.0, 120.0), eps, strict=True))
    return SignalLimits(
        "A", 3500.0, 0, 3000.0, 4000.0, 0.9, 500, None, None, limit, limit, points, None
    )


def flags(
    of: SignalLimits, row: SelectionResult = ROW, *, quotable: bool = True, **limits: Any
) -> list[str]:
    values = {"signals": {"A": "a.parquet"}, "injections": INJECTIONS, **limits}
    window = WindowLimits(3464.1, 3000.0, 4000.0, (YieldLimit(ROW, 8.0, (8.0,) * 5),))
    results: Any = SimpleNamespace(
        windows=[WindowResult(3464.1, 3000.0, 4000.0, row, (row,))], quotable=quotable
    )
    return list(limit_flags(LimitsConfig(**values), [window], [of], results))


def test_nothing_is_said_when_all_is_well() -> None:
    assert flags(signal()) == []


def test_a_limit_whose_fit_failed_is_named() -> None:
    failed = replace(ROW, efficiency=0.01)
    rows = (YieldLimit(ROW, 8.0, (8.0,) * 5), YieldLimit(failed, None, ()))
    results: Any = SimpleNamespace(windows=[], quotable=True)
    window = WindowLimits(3464.1, 3000.0, 4000.0, rows)
    (flag,) = limit_flags(LimitsConfig(), [window], [], results)
    assert flag.startswith("3000-4000 GeV, 1 %: the fit of the limit does not converge")
    not_quoted = replace(rows[1], selection=replace(failed, flagged=True))
    quiet = replace(window, selections=(rows[0], not_quoted))
    assert not list(limit_flags(LimitsConfig(), [quiet], [], results))


@pytest.mark.parametrize(
    ("of", "limits", "row", "flag"),
    [
        (signal(None), {}, ROW, "beyond the largest injected strength, 120 events"),
        (signal(eps=(0.1, 0.1, 0.3)), {}, ROW, "jumps between 40 and 120"),
        (signal(), {}, EXCESS, "hold an excess of 3.7σ"),
        (replace(signal(), injected=None), {}, ROW, "keeps any of it, however much is injected"),
        (
            signal(pseudo=(20.0, 30.0, None)),
            {},
            ROW,
            "the median limit of 3 pseudo-datasets without it lies outside",
        ),
    ],
)
def test_each_weakness_is_one_sentence(
    of: SignalLimits, limits: dict, row: SelectionResult, flag: str
) -> None:
    (sentence,) = flags(of, row, **limits)
    assert flag in sentence


def test_an_excess_in_the_data_does_not_matter_to_injections_into_simulation() -> None:
    assert flags(signal(), EXCESS, background=["b.parquet"]) == []


def test_limits_with_a_spurious_signal_of_the_searched_data_are_not_to_be_quoted() -> None:
    assert flags(signal(), quotable=False) == [HIDES_SIGNAL]
