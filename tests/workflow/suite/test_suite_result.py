from __future__ import annotations

import pytest
from scipy.stats import beta, binom

from overdensity.workflow.challenge.judging import BoxScore, QuantityScore
from overdensity.workflow.suite.suite_result import SuiteAnswer, SuiteResult, suite_rates


def answer(
    strength: float | None, p_value: float | None, *, mass: float = 3500.0, name: str = "us"
) -> SuiteAnswer:
    """An answer to a box, with a signal at 3500 GeV or none."""
    claimed = p_value is not None and p_value <= 0.05
    quantities = {}
    if strength is not None:
        said = (mass, 50.0) if claimed else (None, None)
        quantities = {"resonance_mass": QuantityScore(*said, 3500.0, None, 2.0)}
    score = BoxScore(
        name, "box", "c", strength is not None, claimed, p_value, 0.5, -0.7, quantities,
        (None, None), (None, None),
    )  # fmt: skip
    return SuiteAnswer(score, None if strength is None else "xy", strength)


ANSWERS = [
    *(answer(None, p) for p in (0.03, 0.4, 0.6, 0.9, None)),
    *(answer(4.0, p) for p in (0.001, 0.02, 0.3)),
    answer(4.0, 0.01, mass=4500.0),
    answer(2.0, 0.7),
    answer(2.0, 0.01, name="them"),
]


def test_claims_are_counted_by_method_and_strength() -> None:
    rates = suite_rates(ANSWERS, ["us", "them"], 0.05)
    found = [(each.method, each.strength, each.boxes, each.claimed, each.near) for each in rates]
    assert found == [
        ("us", None, 5, 1, 0),
        ("us", 2.0, 1, 0, 0),
        ("us", 4.0, 4, 3, 2),
        ("them", 2.0, 1, 1, 1),
    ]
    assert [each.median_p for each in rates] == [0.6, 0.7, pytest.approx(0.015), 0.01]


def test_intervals_are_those_of_clopper_and_pearson() -> None:
    none, weak, strong, _ = suite_rates(ANSWERS, ["us", "them"], 0.05)
    tail = (1 - 0.6827) / 2
    assert strong.rate == 0.75
    assert strong.low == pytest.approx(beta.ppf(tail, 3, 2), rel=1e-6)
    assert strong.high == pytest.approx(beta.ppf(1 - tail, 4, 1), rel=1e-6)
    assert (weak.low, weak.p_of_level) == (0.0, None)
    assert none.p_of_level == pytest.approx(binom.sf(0, 5, 0.05))


def test_a_suite_is_printed_as_a_table() -> None:
    rates = suite_rates(ANSWERS, ["us", "them"], 0.05)
    configuration = {"pool": {"backgrounds": {"qcd": {}}}}
    pool = {"qcd": 5000, "xy": 900}
    result = SuiteResult(0.05, 100, pool, rates, (), tuple(ANSWERS), configuration)
    assert SuiteResult.from_dict(result.to_dict()) == result
    table = result.table()
    assert table.columns[-1] == "p of 5 %"
    assert table.rows[0] == ("us", "none", "5", "1", "20 % (3 to 52)", "-", "0.6", "0.23")
    assert table.rows[2][:6] == ("us", "4", "4", "3", "75 % (38 to 96)", "2")
    assert "boxes of 100 events are drawn from 5000 of qcd" in str(result)
    assert "xy" not in table.notes[-1]
