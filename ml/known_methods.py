"""Methods by their names: listed, made from a configuration, and read back from files."""

from __future__ import annotations

import json
import os
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..core import InputError, MissingExtraError, Record
from .decorrelation.decorrelated import Decorrelated, DecorrelatedHyper
from .hyperparameters import as_configured, replaced
from .method import METHODS, Method

__all__ = ["MethodInfo", "load_method", "make_method", "method_class", "methods"]


@dataclass(frozen=True)
class MethodInfo(Record):
    """What ``overdensity methods --json`` tells of a method.

    Attributes
    ----------
    name : str
        What the configuration calls it.
    needs : tuple of str
        What it must be given.
    source : str
        Where it was published.
    summary : str
        One line.
    hyperparameters : dict
        Names and default values; empty where something is missing.
    missing : str
        What must be installed before it can be used; empty where nothing must.

    Examples
    --------
    >>> next(info.summary for info in methods() if info.name == "pca")
    "What the leading principal components of each jet's features leave over; outliers, linear."
    """

    name: str
    needs: tuple[str, ...]
    source: str
    summary: str
    hyperparameters: dict[str, Any]
    missing: str = ""


def methods() -> list[MethodInfo]:
    """Return all methods, ours and those of installed packages, ordered by name.

    Examples
    --------
    >>> [info.needs for info in methods() if info.name == "cwola"]
    [('features',)]
    """
    return [_info(name) for name in METHODS]


def method_class(name: str) -> type[Method[Any]]:
    """Return the class of a method by its name.

    Raises
    ------
    ConfigError
        If there is none.
    MissingExtraError
        If its module needs a package that is not installed.

    Examples
    --------
    >>> method_class("cwola").needs
    ('features',)
    """
    return METHODS.find(name)


def make_method(name: str, **hyper: Any) -> Method[Any]:
    """Make a method from its name and hyperparameters, as the configuration gives them.

    A hyperparameter that is a dataclass itself, such as the flow of CATHODE, is given as a mapping
    of those of its fields that differ from the default.

    Raises
    ------
    ConfigError
        If the method or a hyperparameter is unknown, or a value cannot be used.
    MissingExtraError
        If it needs a package that is not installed.

    Examples
    --------
    >>> make_method("cwola", classifier={"members": 3}).hyper.classifier.members
    3
    """
    method = METHODS.find(name)
    return method(replaced(method.Hyper(), hyper, of=f"method {name!r}"))


def load_method(
    path: str | os.PathLike[str], method: type[Method[Any]] | None = None
) -> Method[Any]:
    """Read back what :meth:`Method.save` stored.

    Parameters
    ----------
    path : path-like
        The file.
    method : type, optional
        Its class, if that is not registered.

    Raises
    ------
    InputError
        If the file is missing or holds something else.

    Examples
    --------
    >>> load_method("none.npz")
    Traceback (most recent call last):
        ...
    overdensity.core.errors.InputError: none.npz: no such file
    """
    try:
        with Path(path).open("rb") as file, np.load(file, allow_pickle=False) as stored:
            arrays = {key: stored[key] for key in stored.files}
        meta = json.loads(str(arrays.pop("meta")))
        found = method or METHODS.find(meta["method"])
        of = f"{path}: method {meta['method']!r}"
        loaded = found(replaced(found.Hyper(), meta["hyper"], of=of))
        if (own := meta.get("decorrelate")) is not None:
            loaded = Decorrelated(DecorrelatedHyper(loaded, tuple(own["features"]), own["by"]))
        loaded.restore(arrays)
    except FileNotFoundError:
        msg = f"{path}: no such file"
        raise InputError(msg) from None
    except (
        ValueError,
        KeyError,
        OSError,
        EOFError,
        TypeError,
        zipfile.BadZipFile,
        zlib.error,
    ) as error:
        msg = f"{path}: not a stored method ({error})"
        raise InputError(msg) from None
    return loaded


def _info(name: str) -> MethodInfo:
    """Describe a method; one that lacks a package by what its source says."""
    try:
        method = METHODS.find(name)()
    except MissingExtraError as error:
        listing = METHODS.listings[name]
        return MethodInfo(
            name=name,
            needs=listing.attributes.get("needs", Method.needs),
            source=listing.attributes.get("source", ""),
            summary=listing.summary,
            hyperparameters={},
            missing=str(error).partition(" needs ")[2],
        )
    return MethodInfo(
        name=name,
        needs=tuple(method.needs),
        source=method.source,
        summary=(method.__doc__ or "").strip().split("\n")[0],
        hyperparameters=as_configured(method.hyper),
    )
