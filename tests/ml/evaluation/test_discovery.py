"""The smallest significance that reaches 5σ, on curves whose crossing is known."""

from __future__ import annotations

import pytest

from overdensity.core import InputError
from overdensity.ml import SmallestSignificance, smallest_significance


def test_constant_improvement_of_ten_needs_half_a_sigma():
    found = smallest_significance([0.2, 1.0, 2.0], [10, 10, 10])
    assert found.value == pytest.approx(0.5)
    assert not found.is_bound


def test_points_may_come_in_any_order():
    assert smallest_significance([2.0, 0.2, 1.0], [10, 10, 10]).value == pytest.approx(0.5)


def test_lucky_faint_point_does_not_count():
    found = smallest_significance([0.5, 1.0, 2.0], [20, 1, 9])
    assert found.value == pytest.approx(1 + 4 / 17)


def test_where_all_points_reach_it_the_smallest_is_a_bound():
    assert smallest_significance([1.0, 2.0], [8, 8]) == SmallestSignificance(5.0, 1.0, True)


def test_where_the_largest_does_not_reach_it_there_is_none():
    assert smallest_significance([1.0, 2.0], [8, 2]) == SmallestSignificance(5.0, None, False)


def test_result_survives_json(tmp_path):
    found = smallest_significance([1.0, 2.0], [8, 2])
    assert SmallestSignificance.from_json(found.to_json(tmp_path / "d.json")) == found


@pytest.mark.parametrize(
    ("initial", "max_sic"), [([], []), ([1.0, 2.0], [1.0]), ([1.0], [float("nan")])]
)
def test_points_that_cannot_be_used_are_refused(initial, max_sic):
    with pytest.raises(InputError, match="initial"):
        smallest_significance(initial, max_sic)
