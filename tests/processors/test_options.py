"""Options as YAML gives them."""

from __future__ import annotations

import numpy as np
import pytest

from overdensity.core import ConfigError
from overdensity.processors.options import checked, plain


@pytest.mark.parametrize(
    ("value", "hint", "expected"),
    [
        (1, float, 1.0),
        (np.float32(0.5), float, 0.5),
        (2.0, int, 2),
        (np.int64(3), int, 3),
        (True, bool, True),
        (None, float | None, None),
        (4, float | None, 4.0),
        ("jets", str, "jets"),
        (["a", "b"], tuple[str, ...], ("a", "b")),
        ([], tuple[str, ...], ()),
    ],
)
def test_values_take_the_type_of_their_annotation(value, hint, expected) -> None:
    found = checked(value, hint, "x")
    assert (found, type(found)) == (expected, type(expected))


@pytest.mark.parametrize(
    ("value", "hint", "message"),
    [
        ("1", float, "x is '1'; it must be a finite number, not negative"),
        (True, float, "x is True; it must be a finite number"),
        (None, float, "x is None; it must be a finite number, not negative$"),
        (float("inf"), float, "x is inf"),
        (-0.1, float | None, "x is -0.1; .* not negative, or null"),
        (2.5, int, "x is 2.5; it must be a whole number"),
        (float("nan"), int, "x is nan; it must be a whole number"),
        (1, bool, "x is 1; it must be true or false"),
        (1, str, "x is 1; it must be a name"),
        ("tau1", tuple[str, ...], "x is 'tau1'; it must be a list of names"),
        ([1], tuple[str, ...], r"x is \[1\]; it must be a list of names"),
        ({"a": 1}, float, "it must be a finite number"),
    ],
)
def test_other_values_are_refused(value, hint, message) -> None:
    with pytest.raises(ConfigError, match=message):
        checked(value, hint, "x")


def test_what_has_settings_is_plain_by_them() -> None:
    class Tagger:
        def settings(self) -> dict[str, int]:
            return {"content": 7}

    assert plain(("n", Tagger(), np.float64(0.5))) == ["n", {"content": 7}, 0.5]
