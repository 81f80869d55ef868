from __future__ import annotations

import pytest

from overdensity.stats.search.printed import error_of, probability, selection_name, significances


@pytest.mark.parametrize(
    ("efficiency", "name"), [(1, "all events"), (0.1, "10 %"), (0.002, "0.2 %"), (0.0125, "1.25 %")]
)
def test_a_selection_is_named_by_the_percentage_it_keeps(efficiency: float, name: str) -> None:
    assert selection_name(efficiency) == name


def test_a_missing_error_is_a_question_mark() -> None:
    assert error_of(None, ".1f") == "?"
    assert error_of(2.04, ".1f") == "2.0"


def test_a_global_significance_that_is_a_bound_says_so() -> None:
    assert "global significance ≥ 3.0σ" in significances(5, 3, is_limit=True)
    assert "global significance 3.0σ" in significances(5, 3, is_limit=False)


def test_a_p_value_that_is_no_number_has_a_bound():
    assert [probability(p) for p in (1.0, 0.0213, 1e-299, 0.0, 5e-324)] == [
        "1",
        "0.021",
        "1e-299",
        "< 1e-300",
        "< 1e-300",
    ]
