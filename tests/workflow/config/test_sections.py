"""Keys of a section are strict, and what is short may be written short."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from overdensity.workflow.config.sections import (
    Files,
    FilesSection,
    MaybeFiles,
    NamedSection,
    Section,
)


class Source(FilesSection):
    """Files with a key beside them."""

    mass: float | None = None


class Both(Section):
    """Files that must be there, and some that may."""

    needed: Files
    extra: MaybeFiles = ()


def test_keys_are_strict_and_values_frozen() -> None:
    with pytest.raises(ValidationError, match="Extra inputs"):
        Both.model_validate({"needed": "a", "more": 1})
    both = Both(needed=("a",))
    with pytest.raises(ValidationError, match="frozen"):
        both.needed = ("b",)  # pyright: ignore[reportAttributeAccessIssue]


def test_one_file_needs_no_list() -> None:
    both = Both.model_validate({"needed": "a", "extra": "b"})
    assert (both.needed, both.extra) == (("a",), ("b",))


def test_no_file_is_refused_only_where_one_is_needed() -> None:
    assert Both.model_validate({"needed": ["a"], "extra": []}).extra == ()
    with pytest.raises(ValidationError, match="at least 1"):
        Both.model_validate({"needed": []})


@pytest.mark.parametrize("short", ["a", ["a"], ("a",), {"files": "a"}])
def test_files_alone_will_do(short: object) -> None:
    assert Source.model_validate(short) == Source(files=("a",))


def test_a_word_is_a_name_and_options_stand_beside_it() -> None:
    assert NamedSection.model_validate("dijet").options == {}
    named = NamedSection.model_validate({"name": "dijet", "radius": 0.8})
    assert (named.name, named.options) == ("dijet", {"radius": 0.8})
