"""A search from Python: what ``overdensity run`` does, and what a finished run has written."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..core import InputError
from .config.reading import load_config, parse_config
from .search_run import run_search
from .stages.search_result import SearchResults

__all__ = ["read_run", "search"]


def search(
    configuration: str | os.PathLike[str] | Mapping[str, Any],
    *,
    overrides: Sequence[str] = (),
    out: str | None = None,
) -> SearchResults:
    """Do a whole search, from event files to the report; an interrupted one goes on.

    Parameters
    ----------
    configuration : path-like or mapping
        The YAML file of a search, or what would stand in it.
    overrides : sequence of str
        ``key=value`` with dots between levels, such as ``scan.bins=20``; values are YAML.
    out : str, optional
        The run's folder, in place of the one in the configuration.

    Returns
    -------
    SearchResults
        Also written to ``results.json`` in the run's folder, where `read_run` finds it.

    Raises
    ------
    ConfigError
        If a key or a value cannot be used.
    InputError
        If the event files cannot be used; what is finished by then stays.

    Examples
    --------
    >>> from overdensity import search
    >>> search({"events": {"files": ["box.h5"]}, "methd": {"name": "cwola"}})
    Traceback (most recent call last):
    overdensity.core.errors.ConfigError: configuration: unknown key 'methd': did you mean 'method'?
    """
    if isinstance(configuration, Mapping):
        values = dict(configuration) if out is None else {**configuration, "out": out}
        return run_search(parse_config(values, overrides))
    return run_search(load_config(configuration, overrides, out=out))


def read_run(folder: str | os.PathLike[str]) -> SearchResults:
    """Read the results of a finished run.

    Parameters
    ----------
    folder : path-like
        The folder of the run, which holds its ``results.json``.

    Returns
    -------
    SearchResults

    Raises
    ------
    InputError
        If it holds no results, or those of another version.

    Examples
    --------
    >>> from overdensity import read_run
    >>> read_run("runs/none")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    overdensity.core.errors.InputError: runs/none: no results.json there; run 'overdensity hunt' first, or ...
    """
    stored = Path(folder) / "results.json"
    if not stored.is_file():
        msg = f"{folder}: no results.json there; run 'overdensity hunt' first, or 'overdensity run'"
        raise InputError(msg)
    return SearchResults.from_json(stored)
