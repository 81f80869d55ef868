from __future__ import annotations

import pytest

from overdensity.core import ConfigError
from overdensity.workflow import parse_config


def config(**expect):
    return parse_config({"events": {"files": ["box.parquet"]}, "expect": expect}).expect


def test_defaults() -> None:
    found = config()
    assert (found.efficiencies, found.strengths, found.masses) == ({}, (), ())
    assert (found.repeats, found.toys, found.width) == (5, 1000, 0.03)


def test_lists_are_put_in_order() -> None:
    found = config(strengths=[50, 20], masses=[4000, 3000], efficiencies={0.1: 0.6})
    assert (found.strengths, found.masses) == ((20, 50), (3000, 4000))
    assert found.efficiencies == {0.1: 0.6}


@pytest.mark.parametrize(
    ("key", "value", "complaint"),
    [
        ("strenghts", [3], "'expect.strenghts': did you mean 'strengths'"),
        ("strengths", [3, 3], "values repeat one another: 3, 3"),
        ("strengths", [-3], "greater than 0"),
        ("repeats", 1, "expect.repeats.* at least 2"),
        ("toys", 10, "expect.toys.* at least 100"),
        ("width", 0, "expect.width.* greater than 0"),
        ("efficiencies", {0.1: 1.6}, "expect.efficiencies.* at most 1"),
    ],
)
def test_a_wrong_key_is_one_sentence(key: str, value: object, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint) as caught:
        config(**{key: value})
    assert "\n" not in str(caught.value)
