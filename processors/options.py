"""Options of processors, as YAML gives them, checked against their annotations."""

from __future__ import annotations

import math
import types
import typing
from collections.abc import Sequence
from typing import Any

from ..core import ConfigError

__all__ = ["checked"]


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
    if typing.get_origin(hint) is tuple:
        kind, converted = "a list of names", _names(value)
    elif hint is bool:
        kind, converted = "true or false", value if isinstance(value, bool) else None
    elif hint is str:
        kind, converted = "a name", value if isinstance(value, str) else None
    elif hint is int:
        kind, converted = "a whole number, not negative", _whole(value)
    else:
        kind, converted = "a finite number, not negative", _number(value)
    if converted is None:
        msg = f"{option} is {value!r}; it must be {kind}{', or null' if optional else ''}"
        raise ConfigError(msg)
    return converted


def _names(value: Any) -> tuple[str, ...] | None:
    is_list = isinstance(value, Sequence) and not isinstance(value, str)
    if not is_list or not all(isinstance(item, str) for item in value):
        return None
    return tuple(value)


def _number(value: Any) -> float | None:
    if isinstance(value, (bool, str)) or not hasattr(value, "__float__"):
        return None
    number = float(value)
    return number if math.isfinite(number) and number >= 0 else None


def _whole(value: Any) -> int | None:
    number = _number(value)
    return int(value) if number is not None and number == int(value) else None
