"""YAML as people write it."""

from __future__ import annotations

import math
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overdensity.core import ConfigError
from overdensity.core.files.yaml_values import yaml_file, yaml_text, yaml_value


def read(text: str):
    return yaml_value(text, origin="a.yaml")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 1e-3),
        ("1E5", 1e5),
        ("-1.5e+2", -150.0),
        (".5", 0.5),
        ("5.", 5.0),
        ("+7", 7),
        ("010", 10),
        ("0o17", 15),
        ("0x1F", 31),
        ("-0", 0),
        (".inf", math.inf),
        ("-.INF", -math.inf),
        ("1:30", "1:30"),
        ("190:20:30", "190:20:30"),
        ("1_000", 1000),
        ("1_000.5", 1000.5),
        ("1__0", "1__0"),
        ("_1", "_1"),
        ("0b11", "0b11"),
        ("2024-01-01", "2024-01-01"),
        ("no", "no"),
        ("on", "on"),
        ("True", True),
        ("~", None),
        ("", None),
        ("'1e-3'", "1e-3"),
        ("e5", "e5"),
        (".", "."),
        ("-", [None]),
        ("=", "="),
    ],
)
def test_plain_words_are_those_of_yaml_1_2(text, value):
    found = read(text)
    assert (found, type(found)) == (value, type(value))


def test_nan_is_read():
    assert math.isnan(read(".nan"))


@given(st.floats(allow_nan=False))
def test_a_number_is_read_as_python_writes_it(number):
    assert read(repr(number).replace("inf", ".inf")) == number


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=8,
    )
)
def test_what_is_dumped_is_read_again(value):
    assert read(yaml_text(value)) == value


@pytest.mark.parametrize("word", ["1e-3", "no", "0o17", "010", "1:30", "~", "", "1_0", "<<", "on"])
def test_words_that_look_like_numbers_stay_words(word):
    """``config.yaml`` of a run is read again."""
    assert read(yaml_text({word: word})) == {word: word}


@pytest.mark.parametrize(
    "text",
    ["seed: 1\nscan: {}\nseed: 2", "{a: {1: x, 1.0: y}}", "- {a: 1, 'a': 1}", "? a\n? a"],
)
def test_a_key_stands_once(text):
    with pytest.raises(
        ConfigError, match=r"^a\.yaml: not valid YAML: the key .* stands twice \(lines"
    ):
        read(text)


def test_keys_of_an_anchor_may_be_replaced():
    text = "base: &b {low: 1, high: 2}\none: {<<: *b, high: 3}\ntwo: {high: 4, <<: *b}"
    found = read(text)
    assert found["one"] == {"low": 1, "high": 3}
    assert found["two"] == {"low": 1, "high": 4}


def laughs(levels: int) -> str:
    lines = ["a0: &a0 [1, 2, 3, 4, 5, 6, 7, 8, 9]"]
    lines += [f"a{i + 1}: &a{i + 1} [{', '.join([f'*a{i}'] * 9)}]" for i in range(levels)]
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (laughs(9), "more than 200000 values, anchors written out"),
        ("a: &a [*a]", "the anchor 'a' contains itself"),
        ("[" * 5000, "nested deeper than 60 levels"),
        ("{a: " * 5000, "nested deeper than 60 levels"),
        ("9" * 5000, "no whole number"),
        ("!!int '1:30'", "no whole number"),
        ("!!float '1:30'", "no number"),
        ("!!python/object/apply:os.system ['true']", "could not determine a constructor"),
        ("!!bool x", "neither true nor false"),
        ("!!timestamp x", "could not determine a constructor"),
        ("!!timestamp 2024-99-99", "could not determine a constructor"),
        ("!!set {a: 1}", "could not determine a constructor"),
        ("!!binary x", "could not determine a constructor"),
        ("a: *none", "undefined alias"),
        ("a: 1\n--- \nb: 2", "expected a single document"),
        ("a: \x00", "not allowed"),
    ],
)
def test_what_cannot_be_meant_is_refused_at_once(text, complaint):
    start = time.process_time()
    with pytest.raises(ConfigError, match=complaint):
        read(text)
    assert time.process_time() - start < 10


def test_files_are_named(tmp_path):
    with pytest.raises(ConfigError, match=r"none\.yaml: no such recipe"):
        yaml_file(tmp_path / "none.yaml", kind="recipe")
    with pytest.raises(ConfigError, match="cannot be read"):
        yaml_file(tmp_path, kind="recipe")
    (tmp_path / "a.yaml").write_bytes(b"\xff\xfe\xff")
    with pytest.raises(ConfigError, match=r"a\.yaml: cannot be read"):
        yaml_file(tmp_path / "a.yaml", kind="recipe")
    (tmp_path / "a.yaml").write_bytes(b"x" * 3_000_000)
    with pytest.raises(ConfigError, match=r"a\.yaml: longer than 2 MB, which is no recipe"):
        yaml_file(tmp_path / "a.yaml", kind="recipe")
