"""What an anomaly method is, how it is found by name, and how a fitted one is stored."""

from __future__ import annotations

import json
import os
import zipfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, Generic, Literal, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from ..core import InputError, MissingExtraError, Record, require
from ..core.records import atomic_path
from ..core.registry import Registry
from ..core.windows import Window
from .hyperparameters import as_configured, replaced
from .sample import Sample

__all__ = [
    "METHODS",
    "Method",
    "MethodInfo",
    "Need",
    "load_method",
    "make_method",
    "method_class",
    "methods",
    "register_method",
]

Need = Literal["features", "constituents", "images", "simulation", "labels"]
HyperT = TypeVar("HyperT")
MethodT = TypeVar("MethodT", bound="type[Method[Any]]")

_SEARCHED = (
    "overdensity.ml.anomaly"  # the package with our methods; others come by the entry points
)
METHODS: Registry[type[Method[Any]]] = Registry(
    "method",
    package=_SEARCHED,
    group="overdensity.methods",
    decorator="register_method",
    unknown="no {kind} is called {name!r}; {nearest}",
)


class Method(ABC, Generic[HyperT]):
    """An anomaly method: learns in one window, gives every event a score.

    A method is one file: a frozen dataclass of hyperparameters whose defaults are the published
    ones, a subclass of this class with ``fit``, ``score``, ``arrays`` and ``restore``, and
    ``@register_method("name")`` above it. Folds, the order of events, seeds and storage are taken
    care of outside: see :func:`overdensity.ml.cross_fit`. What all methods have in common is tested
    by :func:`overdensity.ml.check_method`.

    Attributes
    ----------
    name : str
        What the configuration calls it.
    needs : tuple of str
        What it must be given: ``features``, ``constituents``, ``images``, ``simulation``,
        ``labels``. Hyperparameters of an instance may add to those of its class.
    source : str
        Where it was published.
    windowed : bool
        Whether what it learns depends on the window. Where it does not, one training of a fold
        serves all windows of a scan.
    Hyper : type
        The frozen dataclass of its hyperparameters.
    requires : tuple of str
        Packages that it imports and the core does not install, by their import names.
    looks_for : {"overdensities", "outliers"}
        Whether it finds a signal that lies among the background, or one that lies beyond it.
    signals : int
        How many signals of different masses its labels must tell apart.
    fast : mapping
        Hyperparameters, as in a configuration, that make a training on a few thousand events a
        matter of a second: those of tests.

    Examples
    --------
    A method of one's own, which has all that a method must have:

    >>> from dataclasses import dataclass
    >>> from overdensity.ml import check_method
    >>> @dataclass(frozen=True)
    ... class DistanceHyper:
    ...     power: float = 2.0
    >>> class Distance(Method[DistanceHyper]):  # with @register_method("distance") above it
    ...     name, source, Hyper = "distance", "an example", DistanceHyper
    ...     windowed, looks_for = False, "outliers"
    ...
    ...     def fit(self, data, window, *, simulation=None, seed):
    ...         self._names = data.names
    ...         self._mean, self._width = data.features.mean(axis=0), np.ptp(data.features, axis=0)
    ...         for name in np.array(data.names)[self._width == 0]:
    ...             raise InputError(f"feature {str(name)!r} is constant; leave it out")
    ...         return self
    ...
    ...     def score(self, data):
    ...         self.refuse_unlike(data)
    ...         z = abs(data.features - self._mean) / self._width
    ...         return (z**self.hyper.power).sum(axis=1)
    ...
    ...     def arrays(self):
    ...         return {"names": np.array(self._names), "mean": self._mean, "width": self._width}
    ...
    ...     def restore(self, arrays):
    ...         self._names = tuple(map(str, arrays["names"]))
    ...         self._mean, self._width = arrays["mean"], arrays["width"]
    >>> check_method(Distance)
    """

    name: ClassVar[str]
    needs: tuple[Need, ...] = ("features",)
    source: ClassVar[str]
    windowed: ClassVar[bool] = True
    Hyper: ClassVar[type[Any]]
    requires: ClassVar[tuple[str, ...]] = ()
    looks_for: ClassVar[Literal["overdensities", "outliers"]] = "overdensities"
    signals: ClassVar[int] = 1
    fast: ClassVar[Mapping[str, Any]] = MappingProxyType({})
    _names: tuple[str, ...] = ()
    _blocks: tuple[str, ...] = ()

    def __init__(self, hyper: HyperT | None = None) -> None:
        for package in self.requires:
            require(package, by=f"method {self.name!r}")
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

    def shown(self, sample: Sample) -> Sample:
        """Return the sample as the method may see it.

        Without the truth unless it needs that, and without blocks but for the kinds it needs,
        which are normalised per jet.

        Raises
        ------
        InputError
            If the sample has no block of a kind it needs.
        """
        seen = sample if "labels" in self.needs else sample.without_label()
        return seen.showing(self.needs, method=self.name)

    def inputs_of(self, data: Sample) -> Sample:
        """Return the columns and blocks from which it learns, as it makes them of the data."""
        return data

    def refuse_unlike(self, data: Sample) -> None:
        """Raise an InputError if nothing was learnt yet, or other features than those of ``data``.

        The names of the training columns are in ``_names`` and ``_blocks``, which :meth:`fit` and
        :meth:`restore` set.
        """
        if not self._names and not self._blocks:
            msg = f"method {self.name!r} has learnt nothing yet; call fit, or load a fitted one"
            raise InputError(msg)
        if data.names != self._names or not set(self._blocks) <= set(data.blocks):
            msg = (
                f"method {self.name!r} was fitted on the features "
                f"{', '.join((*self._names, *self._blocks))}, and is to score "
                f"{', '.join(data.columns)}"
            )
            raise InputError(msg)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Store the fitted method as npz: numbers and names only, never a pickle."""
        meta = {"method": self.name, "hyper": as_configured(self.hyper)}
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


def register_method(name: str) -> Callable[[MethodT], MethodT]:
    """Make a method known by its name; a class decorator, which sets ``name``.

    In a package of its own, name the class under the entry points ``overdensity.methods`` too.

    Raises
    ------
    ConfigError
        If another class has this name already.

    Examples
    --------
    >>> @register_method("cwola")
    ... class Hunting(Method):
    ...     pass
    Traceback (most recent call last):
        ...
    overdensity.core.errors.ConfigError: two methods are called 'cwola': ...; rename one
    """
    return METHODS.decorated(name)


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
        with np.load(path, allow_pickle=False) as stored:
            arrays = {key: stored[key] for key in stored.files}
        meta = json.loads(str(arrays.pop("meta")))
        found = method or METHODS.find(meta["method"])
        of = f"{path}: method {meta['method']!r}"
        loaded = found(replaced(found.Hyper(), meta["hyper"], of=of))
        loaded.restore(arrays)
    except FileNotFoundError:
        msg = f"{path}: no such file"
        raise InputError(msg) from None
    except (ValueError, KeyError, OSError, EOFError, TypeError, zipfile.BadZipFile) as error:
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
