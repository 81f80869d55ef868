"""What an anomaly method is, and how it is made known by a name."""

from __future__ import annotations

import json
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, Generic, Literal, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from ..core import InputError, require
from ..core.records import atomic_file
from ..core.registry import Registry
from ..core.windows import Window
from .hyperparameters import as_configured
from .sample import Sample

__all__ = [
    "METHODS",
    "Method",
    "Need",
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
    trained_on : {"data", "simulation"}
        Whether it learns from data at all. Where it learns from simulation alone, no event that is
        scored was learnt, and the same model serves all folds. Hyperparameters of an instance may decide.
    has_two_scores : bool
        Whether :meth:`both` gives two scores that background has independent of each other.
    Hyper : type
        The frozen dataclass of its hyperparameters.
    requires : tuple of str
        Packages that it imports and the core does not install, by their import names.
    looks_for : {"overdensities", "outliers"}
        Whether it finds a signal that lies among the background, or one that lies beyond it.
    signals : int
        How many signals of different masses its labels must tell apart.
    toy_is_too_small : bool
        Whether the toy of the check cannot show that it finds a signal, since it learns too slowly
        or its jets have too few constituents; then a test of its own shows it.
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

    name: str
    needs: tuple[Need, ...] = ("features",)
    source: ClassVar[str]
    windowed: bool = True
    trained_on: Literal["data", "simulation"] = "data"
    has_two_scores: ClassVar[bool] = False
    Hyper: ClassVar[type[Any]]
    requires: ClassVar[tuple[str, ...]] = ()
    looks_for: ClassVar[Literal["overdensities", "outliers"]] = "overdensities"
    signals: ClassVar[int] = 1
    toy_is_too_small: ClassVar[bool] = False
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

    def both(self, data: Sample) -> NDArray[np.float32]:
        """Return two scores that background has independent of each other, shape (n_events, 2)."""
        msg = f"method {self.name!r} has one score and not two"
        raise NotImplementedError(msg)

    @abstractmethod
    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return all that was learnt as plain arrays."""

    @abstractmethod
    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over what :meth:`arrays` returned."""

    @property
    def fewest_events(self) -> int:
        """How many events a training needs of each region of the window, of simulation as of data.

        A scan leaves out windows that are too thin for it, before anything is trained.
        """
        return 1

    @property
    def learnt_files(self) -> tuple[str, ...]:
        """Files of simulated signals that it reads and learns from by itself, as hyperparameters name them.

        No event of theirs may be scored, and other events in them make it another method.
        """
        return ()

    def learnt_signals(self, names: tuple[str, ...]) -> list[Sample]:
        """Return the events of each of its :attr:`learnt_files`, without truth.

        Parameters
        ----------
        names : tuple of str
            The features, of which the first stands in the place of the mass: none is learnt.

        Raises
        ------
        InputError
            If a file or column cannot be used.
        """
        found = []
        for path in self.learnt_files:
            try:
                signal = Sample.from_parquet(path, features=names, mass=names[0])
            except InputError as error:
                msg = f"method {self.name!r}, a simulated signal: {error}"
                raise InputError(msg) from None
            found.append(signal.without_label())
        return found

    def shown(self, sample: Sample) -> Sample:
        """Return the sample as the method may see it.

        Without the truth unless it needs that, and without blocks but for the kinds it needs,
        which are normalised per jet.

        Raises
        ------
        InputError
            If the sample has no column of numbers, or no block of a kind, which it needs.
        """
        if "features" in self.needs and not sample.names:
            msg = (
                f"method {self.name!r} reads columns of numbers, and no feature is one "
                f"({', '.join(sample.columns)}); name some, such as j1_tau21, or choose a method or a "
                "classifier that reads these (overdensity methods)"
            )
            raise InputError(msg)
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

    def described(self) -> dict[str, Any]:
        """Return its name and hyperparameters as plain values, of which it can be made again."""
        return {"method": self.name, "hyper": as_configured(self.hyper)}

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Store the fitted method as npz: numbers and names only, never a pickle."""
        meta = np.array(json.dumps(self.described()))
        with atomic_file(path) as file:
            np.savez(file, meta=meta, **self.arrays())  # type: ignore[arg-type]
        return Path(path)


def register_method(name: str) -> Callable[[MethodT], MethodT]:
    """Make a method known by its name; a class decorator, which sets ``name``.

    See :meth:`~overdensity.core.registry.Registry.decorated`; the entry points of other packages are
    those of the group ``overdensity.methods``.

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
