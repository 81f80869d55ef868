"""Hyperparameters as the configuration writes them: nested, and only what is not the default."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any, Protocol, runtime_checkable

from ..core import ConfigError, nearest_names
from .hyper_checks import meaning

_MOST = 100_000  # of anything that a hyperparameter counts: a slip, else, trains for ever

__all__ = ["Choice", "as_configured", "described", "replaced"]


@runtime_checkable
class Choice(Protocol):
    """A dataclass whose ``settings`` are those of the chosen ``kind``.

    In the configuration the settings stand under the name of the kind:
    ``classifier: {kind: trees, trees: {leaves: 8}}``.
    """

    kind: str
    settings: Any

    @classmethod
    def kinds(cls) -> list[str]:
        """Return what can be chosen."""
        ...

    @classmethod
    def default_settings(cls, kind: str) -> Any:
        """Return the default settings of a kind; a ConfigError if there is none."""
        ...


def replaced(default: Any, given: Mapping[str, Any], *, of: str, within: str = "") -> Any:
    """Return hyperparameters with those given in place of the defaults.

    Parameters
    ----------
    default : dataclass
        All hyperparameters.
    given : mapping
        By name; those of a nested dataclass as a mapping of theirs.
    of : str
        What they belong to, in messages.
    within : str
        What leads to them, with a dot behind.

    Raises
    ------
    ConfigError
        If one is unknown, or cannot be used.

    Examples
    --------
    >>> from dataclasses import dataclass
    >>> @dataclass(frozen=True)
    ... class Trees:
    ...     leaves: int = 31
    ...     rate: float = 0.1
    >>> replaced(Trees(), {"rate": "1e-3"}, of="trees")
    Trees(leaves=31, rate=0.001)
    """
    sections = _sections(default, given, of, within)
    values: dict[str, Any] = {}
    for key, value in given.items():
        if key in sections:
            values["settings"] = _in_place_of(sections[key], value, of, within + key)
            continue
        if key not in _own(default):
            raise ConfigError(_unknown(default, key, of, within))
        values[key] = _in_place_of(getattr(default, key), value, of, within + key)
    if sections and "kind" in values:
        values.setdefault("settings", sections[values["kind"]])
    return dataclasses.replace(default, **values)


def as_configured(hyper: Any) -> dict[str, Any]:
    """Return hyperparameters as :func:`replaced` takes them, all of them.

    Parameters
    ----------
    hyper : dataclass
        Its fields may be dataclasses themselves.

    Examples
    --------
    >>> from dataclasses import dataclass
    >>> @dataclass(frozen=True)
    ... class Trees:
    ...     leaves: int = 31
    >>> as_configured(Trees())
    {'leaves': 31}
    """
    values = {name: _plain(getattr(hyper, name)) for name in _own(hyper)}
    if isinstance(hyper, Choice):
        values[hyper.kind] = as_configured(hyper.settings)
    return values


def described(hyper: Any, within: str = "") -> Iterator[tuple[str, Any, str]]:
    """Yield the place of each hyperparameter, with dots between levels, its value and what it is.

    Parameters
    ----------
    hyper : dataclass
        Hyperparameters, such as the defaults.
    within : str
        What leads to them, with a dot behind.

    Examples
    --------
    >>> from overdensity.ml import make_method
    >>> found = {place: value for place, value, _ in described(make_method("cwola").hyper)}
    >>> found["classifier.kind"], found["classifier.trees.leaves"]
    ('trees', 31)
    """
    below = {name: getattr(hyper, name) for name in _own(hyper)}
    if isinstance(hyper, Choice):
        below[hyper.kind] = hyper.settings
    for name, value in below.items():
        if dataclasses.is_dataclass(value):
            yield from described(value, f"{within}{name}.")
        else:
            yield within + name, value, meaning(type(hyper), name)


def _plain(value: Any) -> Any:
    return as_configured(value) if dataclasses.is_dataclass(value) else value


def _tuples(value: Any) -> Any:
    """Return lists as tuples, those inside too."""
    return tuple(_tuples(each) for each in value) if isinstance(value, (list, tuple)) else value


def _own(hyper: Any) -> list[str]:
    """Return the names of the fields, without the settings of a chosen kind."""
    names = [field.name for field in dataclasses.fields(hyper)]
    return [name for name in names if name != "settings"] if isinstance(hyper, Choice) else names


def _sections(default: Any, given: Mapping[str, Any], of: str, within: str) -> dict[str, Any]:
    """Return the settings of the chosen kind by its name; none where there is no choice."""
    if not isinstance(default, Choice):
        return {}
    kind = _in_place_of(default.kind, given.get("kind", default.kind), of, f"{within}kind")
    settings = default.settings if kind == default.kind else default.default_settings(kind)
    for key in given:
        if key != kind and key in default.kinds():
            msg = (
                f"{of}: {within + key} belongs to kind: {key}, and the kind is {kind!r}; leave it "
                f"out, or choose {within}kind: {key}"
            )
            raise ConfigError(msg)
    return {kind: settings}


def _unknown(default: Any, key: str, of: str, within: str) -> str:
    """Say that there is no such hyperparameter, and where it is or which one may be meant."""
    names = [*_own(default), *([default.kind] if isinstance(default, Choice) else [])]
    deeper = [place for place in _places(default) if place.rpartition(".")[2] == key]
    if deeper:
        places = " or ".join(within + place for place in deeper)
        return f"{of} has no hyperparameter {within + key!r}; it is written {places}"
    return f"{of} has no hyperparameter {within + key!r}; {nearest_names(key, names)}"


def _places(hyper: Any, within: str = "") -> Iterator[str]:
    """Yield the place of all hyperparameters, with dots between levels."""
    below = {name: getattr(hyper, name) for name in _own(hyper)}
    if isinstance(hyper, Choice):
        below[hyper.kind] = hyper.settings
    for name, value in below.items():
        yield within + name
        if dataclasses.is_dataclass(value):
            yield from _places(value, f"{within}{name}.")


def _in_place_of(default: Any, value: Any, of: str, key: str) -> Any:
    """Return a value in the type of the default: YAML gives lists for tuples, 1 for 1.0."""
    if dataclasses.is_dataclass(default):
        if isinstance(value, type(default)):
            return value
        if isinstance(value, Mapping):
            return replaced(default, value, of=of, within=f"{key}.")
        msg = (
            f"{of}: {key} holds hyperparameters of its own, such as {key}.{_own(default)[0]}, "
            f"and is not {value!r}"
        )
        raise ConfigError(msg)
    if isinstance(default, tuple) and isinstance(value, (list, tuple)):
        return _tuples(value)
    if isinstance(default, float) and isinstance(value, (int, str)):
        with suppress(ValueError):  # YAML reads 1e-3 as text
            return float(value)
    if default is not None and type(value) is not type(default):
        msg = (
            f"{of}: {key} must be {type(default).__name__} like its default {default!r}, "
            f"found {value!r}"
        )
        raise ConfigError(msg)
    if type(default) is int and isinstance(value, int) and value > max(_MOST, 1000 * default):
        msg = f"{of}: {key} = {value} is far more than is ever needed (its default is {default})"
        raise ConfigError(msg)
    return value
