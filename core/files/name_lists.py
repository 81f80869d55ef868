"""Files that name features: what chooses features writes them, processors and searches read them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import ConfigError, InputError
from .json_values import json_value

__all__ = ["expanded", "name_list"]


def name_list(path: str | os.PathLike[str]) -> tuple[str, ...]:
    """Return the ``names`` of a JSON file.

    Raises
    ------
    ConfigError
        If the file is missing, or holds something else.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder, "chosen.json")
    ...     _ = path.write_text('{"names": ["mass", "efp12"]}')
    ...     name_list(path)
    ('mass', 'efp12')
    """
    path = Path(path).expanduser()
    try:
        values = json_value(path.read_bytes(), origin=str(path))
    except OSError:
        msg = f"{path}: no such file of names"
        raise ConfigError(msg) from None
    except InputError as error:
        raise ConfigError(str(error)) from None
    names = values.get("names") if isinstance(values, dict) else None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names) or not names:
        msg = f"{path}: no list of names; give what 'overdensity tag select' wrote"
        raise ConfigError(msg)
    return tuple(names)


def expanded(features: Any) -> Any:
    """Return features with the names of files in place of ``{names: FILE}``.

    Parameters
    ----------
    features
        A list of names, in which such entries may stand; anything else is returned as it is. With
        ``of: [j1, j2]`` each name is that of these jets: ``j1_efp12``, ``j2_efp12``.

    Raises
    ------
    ConfigError
        If a file cannot be used, or an entry has other keys.

    Examples
    --------
    >>> expanded(["tau21", "n"])
    ['tau21', 'n']
    >>> expanded([{"names": "none.json"}])
    Traceback (most recent call last):
    overdensity.core.errors.ConfigError: none.json: no such file of names
    """
    if not isinstance(features, (list, tuple)):
        return features
    found: list[Any] = []
    for each in features:
        if not isinstance(each, Mapping) or "names" not in each:
            found.append(each)
            continue
        jets = each.get("of", [])
        if not set(each) <= {"names", "of"} or not isinstance(jets, (list, tuple)):
            msg = f"{dict(each)!r} among the features has other keys than names, a file, and of, a list"
            raise ConfigError(msg)
        names = name_list(str(each["names"]))
        found += [f"{jet}_{name}" for jet in jets for name in names] if jets else names
    return found
