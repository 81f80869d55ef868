"""Options of processors, as YAML gives them, checked against their annotations."""

from __future__ import annotations

import types
import typing
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, StrictBool, StrictStr, TypeAdapter, ValidationError

from ..core import ConfigError
from ..core.records import to_plain

__all__ = ["checked", "plain"]


def _no_word(value: Any) -> Any:
    if isinstance(value, (bool, str)):  # which pydantic takes for numbers where they look so
        msg = "a number"
        raise ValueError(msg)  # noqa: TRY004 - what pydantic catches
    return value.item() if hasattr(value, "item") else value


_KINDS: dict[Any, tuple[Any, str]] = {
    bool: (StrictBool, "true or false"),
    str: (StrictStr, "a name"),
    int: (Annotated[int, Field(ge=0), BeforeValidator(_no_word)], "a whole number, not negative"),
    float: (
        Annotated[float, Field(ge=0, allow_inf_nan=False), BeforeValidator(_no_word)],
        "a finite number, not negative",
    ),
    tuple[str, ...]: (tuple[StrictStr, ...], "a list of names"),
}


def checked(value: Any, hint: Any, option: str) -> Any:
    """Return the value of an option in the type of its annotation.

    Parameters
    ----------
    value
        What was given.
    hint
        bool, int, float, str or ``tuple[str, ...]``, or one of them ``| None``.
    option : str
        Its name, for the message.

    Raises
    ------
    ConfigError
        If the value is of another type, or a number that is negative or not finite.

    Examples
    --------
    >>> checked(["tau1", "n"], tuple[str, ...], "features")
    ('tau1', 'n')
    >>> checked(-1, int, "n_jets")
    Traceback (most recent call last):
    overdensity.core.errors.ConfigError: n_jets is -1; it must be a whole number, not negative
    """
    optional = isinstance(hint, types.UnionType)
    if optional:
        if value is None:
            return None
        (hint,) = (item for item in typing.get_args(hint) if item is not types.NoneType)
    kind, words = _KINDS[hint]
    try:
        return TypeAdapter(kind).validate_python(value)
    except ValidationError:
        msg = f"{option} is {value!r}; it must be {words}{', or null' if optional else ''}"
        raise ConfigError(msg) from None


def plain(value: Any) -> Any:
    """Return the value of an option as plain JSON; what has settings of its own gives these.

    Examples
    --------
    >>> plain(("tau1", "n"))
    ['tau1', 'n']
    """
    if isinstance(value, tuple):
        return [plain(each) for each in value]
    return value.settings() if hasattr(value, "settings") else to_plain(value)
