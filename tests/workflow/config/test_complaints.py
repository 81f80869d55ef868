"""What is said of a configuration that cannot be used: every key, its value and the remedy."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest
from pydantic import Field, ValidationError

from overdensity.core import ConfigError
from overdensity.workflow import parse_config
from overdensity.workflow.config.complaints import complaints
from overdensity.workflow.config.sections import Files, Section


class Inner(Section):
    """A section with one key of each kind."""

    count: int = Field(3, ge=2, le=5)
    share: float = Field(0.5, gt=0, lt=1)
    wide: bool = False
    word: str = "a"
    choice: Literal["tournament", "all"] = "all"
    source: Literal["data", "none"] | tuple[str, ...] = "data"
    width: Literal["measured"] | Annotated[float, Field(gt=0)] = "measured"


class Outer(Section):
    """A configuration."""

    files: Files | dict[str, Any]
    inner: Inner = Inner()
    named: dict[str, Inner] = Field(default_factory=dict)
    numbers: Annotated[tuple[Annotated[float, Field(gt=0)], ...], Field(min_length=1)] = (1.0,)


def said_of(values: Any) -> list[str]:
    with pytest.raises(ValidationError) as caught:
        Outer.model_validate(values)
    return complaints(Outer, values, caught.value)


@pytest.mark.parametrize(
    ("inner", "sentence"),
    [
        ({"count": "x"}, "inner.count must be a whole number (got 'x')"),
        ({"count": 2.5}, "inner.count must be a whole number (got 2.5)"),
        ({"count": 1}, "inner.count must be at least 2 (got 1)"),
        ({"count": 9}, "inner.count must be at most 5 (got 9)"),
        ({"share": 1}, "inner.share must be less than 1 (got 1)"),
        ({"share": 0}, "inner.share must be greater than 0 (got 0)"),
        ({"share": []}, "inner.share must be a number (got [])"),
        ({"wide": "perhaps"}, "inner.wide must be true or false (got 'perhaps')"),
        ({"word": 1}, "inner.word must be a word (got 1)"),
        (
            {"choice": "all of"},
            "inner.choice must be 'tournament' or 'all' (got 'all of'): did you mean 'all'?",
        ),
        ({"source": 3}, "inner.source must be 'data' or 'none' or be a list (got 3)"),
        ({"source": [1]}, "inner.source.0 must be a word (got 1)"),
        ({"width": "wide"}, "inner.width must be 'measured' or be a number (got 'wide')"),
        ({"width": 0}, "inner.width must be 'measured' or be greater than 0 (got 0)"),
        ({"choices": "all"}, "unknown key 'inner.choices': did you mean 'choice'?"),
    ],
)
def test_a_value_is_refused_in_our_words(inner: dict[str, Any], sentence: str) -> None:
    assert sentence in said_of({"files": "a", "inner": inner})


def test_all_that_is_wrong_is_said_in_the_order_of_the_keys() -> None:
    assert said_of({"files": [], "inner": {"count": 1, "word": 2}, "nonsense": 1}) == [
        "files must be a list of 1 or more or be a section with keys of its own (got [])",
        "inner.count must be at least 2 (got 1)",
        "inner.word must be a word (got 2)",
        "unknown key 'nonsense': valid names are 'files', 'inner', 'named', 'numbers'",
    ]


def test_a_section_that_is_none_is_named() -> None:
    assert said_of({"files": "a", "inner": 3}) == [
        "inner must be a section with keys of its own (got 3)"
    ]


def test_keys_below_a_users_own_name_are_known() -> None:
    assert said_of({"files": "a", "named": {"Z' (3.8 TeV)": {"cuont": 3}}}) == [
        "unknown key \"named.Z' (3.8 TeV).cuont\": did you mean 'count'?"
    ]


def test_a_missing_key_that_is_there_in_another_spelling_is_said_once() -> None:
    assert said_of({"file": "a"}) == ["unknown key 'file': did you mean 'files'?"]
    assert said_of({"inner": {}}) == ["the key 'files' is missing"]


def test_of_a_list_with_entries_that_are_refused_only_these_are_said() -> None:
    assert said_of({"files": [3]}) == ["files.0 must be a word (got 3)"]
    assert said_of({"files": "a", "inner": {"shares": 1}, "numbers": [-1]}) == [
        "unknown key 'inner.shares': did you mean 'share'?",
        "numbers.0 must be greater than 0 (got -1)",
    ]


def test_a_long_value_is_shortened() -> None:
    (sentence,) = said_of({"files": "a", "inner": {"count": "x" * 500}})
    assert len(sentence) < 140


@pytest.mark.parametrize("old", ["freedom", "sculpting"])
def test_a_renamed_key_is_told_its_new_name(old):
    with pytest.raises(ConfigError, match=rf"fit\.{old}.*it is now fit\.efficiency"):
        parse_config({"events": {"files": ["box.parquet"]}, "fit": {old: 0.5}})
