"""What pydantic has found wrong with a configuration, in sentences: key, value and remedy."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from ...core import nearest_names

__all__ = ["complaints"]

_MUST = {  # by the type of pydantic's error: what a value must do
    "greater_than": "be greater than {gt:g}",
    "greater_than_equal": "be at least {ge:g}",
    "less_than": "be less than {lt:g}",
    "less_than_equal": "be at most {le:g}",
    "too_short": "be a list of {min_length} or more",
    "too_long": "be a list of {max_length} or fewer",
    "int_type": "be a whole number",
    "int_parsing": "be a whole number",
    "int_from_float": "be a whole number",
    "float_type": "be a number",
    "float_parsing": "be a number",
    "finite_number": "be a finite number",
    "bool_type": "be true or false",
    "bool_parsing": "be true or false",
    "string_type": "be a word",
    "tuple_type": "be a list",
    "list_type": "be a list",
    "dict_type": "be a section with keys of its own",
    "model_type": "be a section with keys of its own",
    "model_attributes_type": "be a section with keys of its own",
    "literal_error": "be {expected}",
}
_RENAMED = {  # keys of earlier versions, and what to write in their place
    "fit.sculpting": "fit.efficiency, with order and prior",
    "fit.freedom": "fit.efficiency, with order and prior",
}
_ALTERNATIVE = re.compile(r".*[\[(].*|(?:constrained-)?(?:str|int|float)|bool|none|dict|list|tuple")
_LONGEST = 80  # characters of a value that are shown

Place = tuple[str | int, ...]


def complaints(model: type[BaseModel], values: Any, error: ValidationError) -> list[str]:
    """Say everything that is wrong with the values of a configuration, a sentence for each key.

    Parameters
    ----------
    model : type of BaseModel
        The configuration.
    values
        What was to be validated.
    error : pydantic.ValidationError
        What came of it.

    Returns
    -------
    list of str
        In the order of the keys; what follows from another complaint is not said again.
    """
    found: dict[Place, list[Any]] = {}
    for each in error.errors():
        found.setdefault(_place(values, each["loc"]), []).append(each)
    unknown = [place for place, errors in found.items() if errors[0]["type"] == "extra_forbidden"]
    return [
        _sentence(model, place, errors)
        for place, errors in found.items()
        if not (errors[0]["type"] == "missing" and _is_misspelt(place, unknown))
        and not (errors[0]["type"] in _MUST and _has_below(place, found))
    ]


def _place(values: Any, location: Sequence[str | int]) -> Place:
    """Return the keys on the way to a value, without the alternatives that pydantic has tried."""
    place: list[str | int] = []
    for part in location:
        if isinstance(values, Mapping) and part in values:
            values = values[part]
        elif isinstance(part, str) and _ALTERNATIVE.fullmatch(part):
            continue
        else:
            values = None
        place.append(part)
    return tuple(place)


def _is_misspelt(missing: Place, unknown: Iterable[Place]) -> bool:
    """Return whether a key that is missing is there under another spelling."""
    *parents, name = missing
    return any(
        other[:-1] == tuple(parents) and get_close_matches(str(other[-1]), [str(name)])
        for other in unknown
    )


def _has_below(place: Place, found: Iterable[Place]) -> bool:
    """Return whether entries are refused: then the rest is said of another alternative, or size."""
    return any(len(other) > len(place) and other[: len(place)] == place for other in found)


def _sentence(model: type[BaseModel], place: Place, errors: Sequence[Any]) -> str:
    """Say what is wrong at one place."""
    key = ".".join(map(str, place))
    kinds = [error["type"] for error in errors]
    if "extra_forbidden" in kinds:
        *parents, name = place
        if key in _RENAMED:
            return f"unknown key {key!r}: it is now {_RENAMED[key]}"
        return f"unknown key {key!r}: {nearest_names(str(name), _keys_at(model, parents))}"
    if "missing" in kinds:
        return f"the key {key!r} is missing"
    shown = errors[0]["input"]
    given = "" if isinstance(shown, dict) or not key else f" (got {_shortened(shown)})"
    own = [error["msg"] for error in errors if error["type"] == "value_error"]
    if own:
        problem = own[0].removeprefix("Value error, ")
        return f"{key}: {problem}{given}" if key else problem
    musts = dict.fromkeys(map(_must, errors))
    return f"{key} must {' or '.join(musts)}{given}{_hint(errors)}"


def _must(error: Any) -> str:
    if error["type"] == "too_short" and isinstance(error["input"], Mapping):
        return "be a section with a key of its own, or more"
    form = _MUST.get(error["type"])
    return f"satisfy: {error['msg']}" if form is None else form.format(**error.get("ctx", {}))


def _hint(errors: Sequence[Any]) -> str:
    """Return the words that a misspelt one may have meant, where some are close."""
    for error in errors:
        if error["type"] == "literal_error":
            words = re.findall(r"'([^']*)'", error["ctx"]["expected"])
            hint = nearest_names(str(error["input"]), words)
            return f": {hint}" if hint.startswith("did you mean") else ""
    return ""


def _shortened(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."


def _keys_at(section: type[BaseModel], parents: Sequence[str | int]) -> list[str]:
    """Return the keys of the section at a place of the configuration."""
    for parent in parents:
        field = section.model_fields.get(str(parent))  # none for a user's own name
        section = section if field is None else _section_of(field.annotation) or section
    return list(section.model_fields)


def _section_of(annotation: Any) -> type[BaseModel] | None:
    """Return the section that an annotation names, alone, as an option or as values by name."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    found = map(_section_of, get_args(annotation))
    return next((section for section in found if section is not None), None)
