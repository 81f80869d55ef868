"""Recipes from YAML files and presets; what is wrong is said with its file and key."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any

from ...core import ConfigError, OverdensityError, nearest_names
from ...core.files.yaml_values import yaml_file, yaml_value
from ..processes.kind import ProcessKind
from ..settings import DetectorSettings, GeneratorSettings, Selection
from .recipe import Process, Recipe

__all__ = ["KEYS", "presets", "read_recipe", "recipe_of"]

KEYS = (
    *("preset", "name", "seed", "processes", "composition"),
    *("generator", "detector", "selection", "chunk_events"),
)
_SUFFIXES = (".yaml", ".yml")
_PRESETS = files(__name__.rpartition(".")[0]) / "presets"
_SECTIONS = {
    "generator": GeneratorSettings,
    "detector": DetectorSettings,
    "selection": Selection,
}
_OF_A_PROCESS = ("pythia", "signal")  # beside what its kind has


def presets() -> dict[str, str]:
    """Return the recipes that come with the package: their names, and their first comment.

    Examples
    --------
    >>> presets()["rnd"]
    'The R&D dataset of the LHC Olympics (arXiv:2101.08320, section 2.1).'
    """
    texts = {
        path.name.removesuffix(".yaml"): path.read_text(encoding="utf-8")
        for path in sorted(_PRESETS.iterdir(), key=lambda path: path.name)
    }
    return {name: text.partition("\n")[0].lstrip("# ") for name, text in texts.items()}


def read_recipe(source: str | os.PathLike[str], *, beside: Collection[str] = ()) -> Recipe:
    """Read a recipe.

    Parameters
    ----------
    source : str or path
        A YAML file, or the name of a preset (:func:`presets`).
    beside : collection of str
        Keys at the top of the file that are the caller's own, and are passed over.

    Raises
    ------
    ConfigError
        If there is no such file or preset, or a key cannot be used.

    Examples
    --------
    >>> recipe = read_recipe("bb3")
    >>> {process.name: process.events for process in recipe.processes}
    {'qcd': 996800, 'dijets': 1200, 'trijets': 2000}
    """
    values = yaml_of(source)
    kept = {key: value for key, value in values.items() if key not in beside}
    return recipe_of(kept, origin=os.fspath(source))


def recipe_of(values: Mapping[str, Any], *, origin: str) -> Recipe:
    """Make a recipe of what a YAML file holds.

    Parameters
    ----------
    values : dict
        Keys as in the file; with ``preset`` they replace those of that preset, section by section.
    origin : str
        What messages begin with; its stem is the name where there is none.

    Raises
    ------
    ConfigError
        If a key cannot be used.

    Examples
    --------
    >>> values = {"preset": "bb1", "composition": {"qcd": 1000, "signal": 20}, "seed": 3}
    >>> recipe_of(values, origin="box.yaml").events
    1020
    """
    with _said_of(origin):
        values = _based(values)
        _refuse_unknown(values, KEYS)
        sections = {
            key: kind.from_dict(_section(values, key))
            for key, kind in _SECTIONS.items()
            if values.get(key) is not None
        }
        numbers = {
            key: values[key] for key in ("seed", "chunk_events") if values.get(key) is not None
        }
        return Recipe(
            name=str(values.get("name", Path(origin).stem)),
            processes=_processes(values),
            **numbers,
            **sections,
        )


def yaml_of(source: str | os.PathLike[str]) -> dict[str, Any]:
    """Return the keys of a recipe's file, or of a preset.

    Raises
    ------
    ConfigError
        If it is missing or no YAML.
    """
    name = os.fspath(source)
    if not name.endswith(_SUFFIXES):
        known = presets()
        if name not in known:
            msg = (
                f"no preset {name!r}, and no name of a .yaml, .h5 or .root file; presets are "
                f"{', '.join(known)}"
            )
            raise ConfigError(msg)
        values = yaml_value((_PRESETS / f"{name}.yaml").read_text(encoding="utf-8"), origin=name)
    else:
        values = yaml_file(name, kind="recipe")
    if not isinstance(values, dict):
        msg = f"{name}: expected keys such as 'processes:', found {type(values).__name__}"
        raise ConfigError(msg)
    return values


@contextmanager
def _said_of(origin: str) -> Iterator[None]:
    """Put the name of the file in front of what is wrong."""
    try:
        yield
    except OverdensityError as error:
        msg = f"{origin}: {error}"
        raise ConfigError(msg) from None
    except TypeError as error:  # a value of another kind than that of its field
        msg = f"{origin}: a value cannot be used ({error})"
        raise ConfigError(msg) from None


def _based(values: Mapping[str, Any], within: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return the keys with those of the preset that they begin from, and of the preset of that."""
    values = dict(values)
    base = values.pop("preset", None)
    if base is None:
        return values
    if str(base) in within:
        msg = f"preset: {base} begins from itself; name another recipe there"
        raise ConfigError(msg)
    return _merged(_based(yaml_of(str(base)), (*within, str(base))), values)


def _merged(base: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return nested keys, of which the later replace the earlier; what names a kind, all of it."""
    merged = dict(base)
    for key, value in values.items():
        below = merged.get(key)
        if isinstance(below, Mapping) and isinstance(value, Mapping) and "kind" not in value:
            merged[key] = _merged(below, value)
        elif value is None:
            merged.pop(key, None)
        else:
            merged[key] = value
    return merged


def _processes(values: Mapping[str, Any]) -> tuple[Process, ...]:
    """Return the processes, with their numbers of events."""
    sections = _section(values, "processes")
    if not sections:
        msg = "the key 'processes' is missing: say what collides, such as processes: {qcd: {kind: qcd}}"
        raise ConfigError(msg)
    composition = _section(values, "composition")
    missing = [name for name in sections if name not in composition]
    if missing:
        numbers = ", ".join(f"{name}: 1000" for name in missing)
        msg = (
            f"composition says nothing of {' and '.join(missing)}: give the number of events of "
            f"each process, such as composition: {{{numbers}}}"
        )
        raise ConfigError(msg)
    for name in composition:
        if name not in sections:
            msg = f"composition: no process {name!r}: {nearest_names(name, sections)}"
            raise ConfigError(msg)
    return tuple(_process(name, _section(sections, name), composition[name]) for name in sections)


def _process(name: str, values: Mapping[str, Any], events: Any) -> Process:
    """Return one process."""
    if "kind" not in values:
        msg = f"processes.{name}: the key 'kind' is missing, such as kind: qcd"
        raise ConfigError(msg)
    of_kind = {key: value for key, value in values.items() if key not in _OF_A_PROCESS}
    with _said_of(f"processes.{name}"):
        kind = ProcessKind.from_dict(of_kind)
        signal = values.get("signal")
        if signal is not None and not isinstance(signal, bool):
            msg = f"signal must be true or false, not {signal!r}"
            raise ConfigError(msg)
        lines = pythia_lines(values.get("pythia"))
    return Process(name, kind, events, signal, lines)


def pythia_lines(given: Any) -> tuple[str, ...]:
    """Return settings of Pythia, given as lines or by their names, as lines.

    Examples
    --------
    >>> pythia_lines({"Tune:pp": 3, "PartonLevel:MPI": False})
    ('Tune:pp = 3', 'PartonLevel:MPI = off')
    """
    if given is None:
        return ()
    if isinstance(given, Mapping):
        words = {True: "on", False: "off"}
        return tuple(
            f"{key} = {words[value] if isinstance(value, bool) else value}"
            for key, value in given.items()
        )
    if isinstance(given, list | tuple) and all(isinstance(line, str) for line in given):
        return tuple(given)
    msg = "pythia must be settings by name, such as {'Tune:pp': 3}, or a list of lines"
    raise ConfigError(msg)


def _section(values: Mapping[str, Any], key: str) -> dict[str, Any]:
    """Return the keys below a key; those of Pythia as lines."""
    found = values.get(key)
    if found is None:
        return {}
    if not isinstance(found, Mapping):
        msg = f"{key} must be a section with keys of its own, not {found!r}"
        raise ConfigError(msg)
    section = {str(name): value for name, value in found.items()}
    if key == "generator" and "pythia" in section:
        section["pythia"] = pythia_lines(section["pythia"])
    return section


def _refuse_unknown(values: Mapping[str, Any], known: Collection[str]) -> None:
    for key in values:
        if key not in known:
            msg = f"unknown key {key!r}: {nearest_names(str(key), known)}"
            raise ConfigError(msg)
