"""JSON from anywhere."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overdensity.core import InputError
from overdensity.core.files.json_values import json_value


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=8,
    )
)
def test_what_is_written_is_read(value):
    assert json_value(json.dumps(value), origin="a.json") == value


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('{"a": {"seed": 1, "seed": 2}}', "the key 'seed' stands twice"),
        ("[" * 100_000 + "]" * 100_000, "nested too deep"),
        ("{", "Expecting"),
        ("", "Expecting"),
        (b"\xff\xfe", "a.json: not a JSON file"),
        ("9" * 5000, "digits"),
        ('{"p_value": NaN}', "NaN is no number of JSON"),
        ("[-Infinity]", "-Infinity is no number of JSON"),
        ("1e999", "1e999 is no number of JSON"),
    ],
)
def test_what_cannot_be_meant_is_refused(text, complaint):
    with pytest.raises(InputError, match=complaint):
        json_value(text, origin="a.json")
