"""What an anomaly method is, how it is found by name, and how a fitted one is stored."""

from __future__ import annotations

import dataclasses
import json
import logging
import os
import zipfile
from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, ClassVar, Generic, Literal, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from ..core import ConfigError, InputError, Record, nearest_names
from ..core.records import atomic_path
from ..core.windows import Window
from .sample import Sample

__all__ = ["Method", "MethodInfo", "Need", "load_method", "make_method", "methods", "register"]

logger = logging.getLogger(__name__)

Need = Literal["features", "constituents", "images", "simulation", "labels"]
HyperT = TypeVar("HyperT")
MethodT = TypeVar("MethodT", bound="type[Method[Any]]")

_GROUP = "overdensity.methods"
_REGISTRY: dict[str, type[Method[Any]]] = {}


class Method(ABC, Generic[HyperT]):
    """An anomaly method: learns in one window, gives every event a score.

    A method is one file: a frozen dataclass of hyperparameters whose defaults are the published
    ones, a subclass of this class with ``fit``, ``score``, ``arrays`` and ``restore``, and
    ``@register`` above it. Folds, the order of events, seeds and storage are not its business:
    see :func:`overdensity.ml.cross_fit`.

    Attributes
    ----------
    name : str
        What the configuration calls it.
    needs : tuple of str
        What it must be given: ``features``, ``constituents``, ``images``, ``simulation``,
        ``labels``.
    source : str
        Where it was published.
    windowed : bool
        Whether what it learns depends on the window. Where it does not, one training of a fold
        serves all windows of a scan.
    Hyper : type
        The frozen dataclass of its hyperparameters.
    """

    name: ClassVar[str]
    needs: ClassVar[tuple[Need, ...]] = ("features",)
    source: ClassVar[str]
    windowed: ClassVar[bool] = True
    Hyper: ClassVar[type[Any]]
    _names: tuple[str, ...] = ()

    def __init__(self, hyper: HyperT | None = None) -> None:
        self.hyper: HyperT = self.Hyper() if hyper is None else hyper

    @abstractmethod
    def fit(
        self, data: Sample, window: Window, *, simulation: Sample | None = None, seed: int
    ) -> Self:
        """Learn from ``data``, which carries ``label`` only if the method needs labels.

        Parameters
        ----------
        data : Sample
            Events in the order of their ids, also those outside the window.
        window : Window
            The signal region and its sidebands.
        simulation : Sample, optional
            Simulated background, for methods that need it.
        seed : int
            All randomness comes from it.

        Raises
        ------
        InputError
            If the events are too few, or a feature is constant.
        """

    @abstractmethod
    def score(self, data: Sample) -> NDArray[np.float32]:
        """Return how anomalous events are, shape (n_events,); larger is more anomalous."""

    @abstractmethod
    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return all that was learnt as plain arrays."""

    @abstractmethod
    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over what :meth:`arrays` returned."""

    def refuse_unlike(self, data: Sample) -> None:
        """Raise an InputError if nothing was learnt yet, or other features than those of ``data``.

        What was learnt from is in ``_names``, which :meth:`fit` and :meth:`restore` set.
        """
        if not self._names:
            msg = f"method {self.name!r} has learnt nothing yet; call fit, or load a fitted one"
            raise InputError(msg)
        if data.names != self._names:
            msg = (
                f"method {self.name!r} was fitted on the features {', '.join(self._names)}, "
                f"and is to score {', '.join(data.names)}"
            )
            raise InputError(msg)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Store the fitted method as npz: numbers and names only, never a pickle."""
        meta = {"method": self.name, "hyper": dataclasses.asdict(self.hyper)}  # type: ignore[call-overload]
        with atomic_path(path) as temporary, temporary.open("wb") as file:
            np.savez(file, meta=np.array(json.dumps(meta)), **self.arrays())  # type: ignore[arg-type]
        return Path(path)


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
        Names and default values.
    """

    name: str
    needs: tuple[str, ...]
    source: str
    summary: str
    hyperparameters: dict[str, Any]


def register(method: MethodT) -> MethodT:
    """Make a method known by its name; a class decorator.

    Raises
    ------
    ConfigError
        If another class has this name already.
    """
    other = _REGISTRY.setdefault(method.name, method)
    if other is not method:
        msg = (
            f"two methods are called {method.name!r}: {other.__module__}.{other.__qualname__} "
            f"and {method.__module__}.{method.__qualname__}; rename one"
        )
        raise ConfigError(msg)
    return method


def methods() -> list[MethodInfo]:
    """Return all methods, ours and those of installed packages, ordered by name."""
    _load_plugins()
    return [
        MethodInfo(
            name=method.name,
            needs=tuple(method.needs),
            source=method.source,
            summary=(method.__doc__ or "").strip().split("\n")[0],
            hyperparameters=dataclasses.asdict(method.Hyper()),
        )
        for _, method in sorted(_REGISTRY.items())
    ]


def make_method(name: str, **hyper: Any) -> Method[Any]:
    """Make a method from its name and hyperparameters, as the configuration gives them.

    A hyperparameter that is a dataclass itself, such as the flow of CATHODE, is given as a mapping
    of those of its fields that differ from the default.

    Raises
    ------
    ConfigError
        If the method or a hyperparameter is unknown, or a value cannot be used.

    Examples
    --------
    >>> make_method("cwola", members=2).hyper.members
    2
    """
    _load_plugins()
    if name not in _REGISTRY:
        msg = f"method: no method is called {name!r}; {nearest_names(name, _REGISTRY)}"
        raise ConfigError(msg)
    method = _REGISTRY[name]
    return method(_with(name, method.Hyper(), hyper))


def load_method(path: str | os.PathLike[str]) -> Method[Any]:
    """Read back what :meth:`Method.save` stored.

    Raises
    ------
    InputError
        If the file is missing or holds something else.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            arrays = {key: stored[key] for key in stored.files}
        meta = json.loads(str(arrays.pop("meta")))
        method = make_method(meta["method"], **meta["hyper"])
        method.restore(arrays)
    except FileNotFoundError:
        msg = f"{path}: no such file"
        raise InputError(msg) from None
    except (ValueError, KeyError, OSError, EOFError, TypeError, zipfile.BadZipFile) as error:
        msg = f"{path}: not a stored method ({error})"
        raise InputError(msg) from None
    return method


def _with(method: str, default: Any, given: Mapping[str, Any], within: str = "") -> Any:
    """Return the default hyperparameters with those given in place of theirs."""
    names = [field.name for field in dataclasses.fields(default)]
    for key in given:
        if key not in names:
            msg = (
                f"method {method!r} has no hyperparameter {within + key!r}; "
                f"{nearest_names(key, names)}"
            )
            raise ConfigError(msg)
    values = {
        key: _as_default(method, within + key, value, getattr(default, key))
        for key, value in given.items()
    }
    return dataclasses.replace(default, **values)


def _as_default(method: str, key: str, value: Any, default: Any) -> Any:
    """Return a value in the type of the default: YAML gives lists for tuples, 1 for 1.0."""
    if dataclasses.is_dataclass(default) and isinstance(value, Mapping):
        return _with(method, default, value, f"{key}.")
    if isinstance(default, tuple) and isinstance(value, (list, tuple)):
        return tuple(value)
    if isinstance(default, float) and isinstance(value, (int, str)):
        with suppress(ValueError):  # YAML reads 1e-3 as text
            return float(value)
    if default is not None and type(value) is not type(default):
        msg = (
            f"method {method!r}: {key} must be {type(default).__name__} like its default "
            f"{default!r}, found {value!r}"
        )
        raise ConfigError(msg)
    return value


def _load_plugins() -> None:
    """Import what other packages register; one that fails is named and left out."""
    for entry in entry_points(group=_GROUP):
        if entry.name in _REGISTRY:
            continue
        try:
            register(entry.load())
        except Exception as error:  # noqa: BLE001 - a broken plugin must not break the others
            logger.warning("method %r of %r cannot be used: %s", entry.name, entry.value, error)
