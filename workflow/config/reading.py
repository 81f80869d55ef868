"""From a YAML file to a validated configuration; everything that is wrong is said at once."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from ...core import ConfigError
from ...core.files.listing import data_suffix
from ...core.files.yaml_values import yaml_file, yaml_value
from ...processors.sources.source import formats_of_suffixes
from .benchmark import BenchmarkConfig
from .complaints import complaints
from .search import SearchConfig

__all__ = [
    "apply_override",
    "load_benchmark",
    "load_config",
    "parse_config",
    "read_yaml",
    "validated",
]

ModelT = TypeVar("ModelT", bound=BaseModel)

_COMMANDS = {  # by a key that each of their files has
    "events": "run",
    "background": "benchmark",
    "pool": "challenge suite",
    "composition": "simulate",
}

_SHORT = {"method": "name", "processor": "name", "cluster": "kind"}  # what a word alone stands for


def load_config(
    path: str | os.PathLike[str], overrides: Sequence[str] = (), *, out: str | None = None
) -> SearchConfig:
    """Read the configuration of a search from a YAML file.

    Parameters
    ----------
    path : path-like
        The YAML file.
    overrides : sequence of str
        ``key=value`` with dots between levels, such as ``scan.bins=20``; values are YAML.
    out : str, optional
        The run's folder, in place of the one in the file.

    Raises
    ------
    ConfigError
        If the file is missing or not YAML, or a key or value cannot be used.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder, "box.yaml")
    ...     _ = path.write_text("events: {files: [box.parquet]}")
    ...     config = load_config(path, ["scan.bins=20"])
    >>> config.scan.bins, config.out
    (20, 'runs/box')
    """
    values = read_yaml(path, out=out, first_key="events")
    if "groups" in values:
        msg = f"{path}: a search in regions (groups) is done by 'overdensity run' alone"
        raise ConfigError(msg)
    return parse_config(values, overrides, origin=str(path))


def parse_config(
    values: dict[str, Any], overrides: Sequence[str] = (), *, origin: str = "configuration"
) -> SearchConfig:
    """Validate the configuration of a search.

    Parameters
    ----------
    values : dict
        As read from YAML.
    overrides : sequence of str
        As for `load_config`.
    origin : str
        What the error messages begin with.

    Raises
    ------
    ConfigError
        With one sentence for each key that cannot be used.

    Examples
    --------
    >>> parse_config({"events": {"files": ["box.parquet"]}}, ["seed=3"]).seed
    3
    >>> parse_config({"event": {"files": ["box.parquet"]}})
    Traceback (most recent call last):
    overdensity.core.errors.ConfigError: configuration: unknown key 'event': did you mean 'events'?
    """
    return validated(SearchConfig, values, overrides, origin=origin)


def load_benchmark(
    path: str | os.PathLike[str], overrides: Sequence[str] = (), *, out: str | None = None
) -> BenchmarkConfig:
    """Read the configuration of a benchmark from a YAML file.

    Parameters
    ----------
    path, overrides, out
        As for `load_config`.

    Raises
    ------
    ConfigError
        If the file is missing or not YAML, or a key or value cannot be used.
    """
    values = read_yaml(path, out=out, first_key="background")
    return validated(BenchmarkConfig, values, overrides, origin=str(path))


def read_yaml(path: str | os.PathLike[str], *, out: str | None, first_key: str) -> dict[str, Any]:
    """Read the keys of a configuration file, of which ``out`` is ``runs/<name>`` by default.

    Parameters
    ----------
    path : path-like
        The YAML file.
    out : str, optional
        The run's folder, in place of the one in the file.
    first_key : str
        A key that every such file has.

    Raises
    ------
    ConfigError
        If the file is missing, not YAML or of another command.
    """
    path = Path(path)
    if data_suffix(path.name) in formats_of_suffixes():
        msg = (
            f"{path}: a file of events, where a configuration is needed: a YAML file that names it, "
            f"such as events: {{files: [{path}]}}"
        )
        raise ConfigError(msg)
    values = yaml_file(path, kind="configuration file")
    if not isinstance(values, dict):
        msg = f"{path}: expected keys such as '{first_key}:', found {type(values).__name__}"
        raise ConfigError(msg)
    others = [key for key in _COMMANDS if key in values]
    if others and first_key not in values:
        msg = (
            f"{path}: a file of 'overdensity {_COMMANDS[others[0]]}', which has {others[0]!r}; "
            f"one of 'overdensity {_COMMANDS[first_key]}' has {first_key!r}"
        )
        raise ConfigError(msg)
    if out is not None:
        values["out"] = out
    if values.get("out") is None:
        values["out"] = f"runs/{path.stem}"
    return values


def validated(
    model: type[ModelT], values: dict[str, Any], overrides: Sequence[str] = (), *, origin: str
) -> ModelT:
    """Validate the values of a configuration.

    Parameters
    ----------
    model : type of BaseModel
        The configuration.
    values : dict
        As read from YAML.
    overrides : sequence of str
        ``key=value`` with dots between levels, such as ``scan.bins=20``; values are YAML.
    origin : str
        What the error messages begin with.

    Raises
    ------
    ConfigError
        With one sentence for each key that cannot be used.
    """
    for override in overrides:
        apply_override(values, override)
    try:
        return model.model_validate(values)
    except ValidationError as error:
        said = complaints(model, values, error)
        if len(said) > 1:
            said = [f"{len(said)} keys cannot be used", *said]
        msg = f"{origin}: " + "\n  ".join(said)
        raise ConfigError(msg) from None


def apply_override(values: dict[str, Any], override: str) -> None:
    """Replace a key of a configuration, in place.

    Parameters
    ----------
    values : dict
        As read from YAML.
    override : str
        ``key=value``, as for `validated`.

    Raises
    ------
    ConfigError
        If it is not of this form.
    """
    key, equals, text = override.partition("=")
    if not equals or not key:
        msg = f"--set takes key=value, such as scan.bins=20, not {override!r}"
        raise ConfigError(msg)
    value = yaml_value(text, origin=f"--set {key}")
    *parents, last = key.split(".")
    level = values
    for parent in parents:
        if level is values and parent in _SHORT and isinstance(level.get(parent), str):
            level[parent] = {_SHORT[parent]: level[parent]}  # method: cwola
        level = level.setdefault(parent, {})
        if not isinstance(level, dict):
            msg = f"--set {key}: {parent!r} has no keys below it"
            raise ConfigError(msg)
    level[last] = value
