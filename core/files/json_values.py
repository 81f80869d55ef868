"""JSON that may come from anywhere: each key once, and a size and depth that can be read."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from typing import Any

from ..errors import InputError

__all__ = ["json_value"]

_BYTES = 500_000_000


def json_value(text: str | bytes, *, origin: str) -> Any:
    """Return what a JSON text holds.

    Parameters
    ----------
    text : str or bytes
        JSON.
    origin : str
        Where it is from, which the message begins with.

    Raises
    ------
    InputError
        If it is not JSON, a key stands twice in an object, a number is NaN or infinite, or it is too large
        or too deep.

    Examples
    --------
    >>> json_value('{"seed": 1, "seed": 2}', origin="a.json")
    Traceback (most recent call last):
    overdensity.core.errors.InputError: a.json: not a JSON file (the key 'seed' stands twice)
    """
    if len(text) > _BYTES:
        msg = f"{origin}: longer than {_BYTES / 1e6:g} MB, which is no JSON file of ours"
        raise InputError(msg)
    try:
        return json.loads(
            text, object_pairs_hook=_unique, parse_constant=_no_number, parse_float=_finite
        )
    except RecursionError:
        msg = f"{origin}: not a JSON file of ours (its lists are nested too deep)"
        raise InputError(msg) from None
    except ValueError as error:
        msg = f"{origin}: not a JSON file ({error})"
        raise InputError(msg) from None


def _no_number(text: str) -> float:
    msg = f"{text} is no number of JSON; write null where there is none"
    raise ValueError(msg)


def _finite(text: str) -> float:
    return float(text) if math.isfinite(float(text)) else _no_number(text)


def _unique(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for key, value in pairs:
        if key in values:
            msg = f"the key {key!r} stands twice"
            raise ValueError(msg)
        values[key] = value
    return values
