"""A method whose features have been made independent of the mass before it sees them.

What a classifier can learn from a feature that follows the mass is the mass. Each named feature is
replaced by its conditional quantile given the mass (:class:`QuantileMap`), or several jointly by the
place of the event in the latent space of a conditional flow. Maps are learnt outside the signal
region, from training events alone, and no event is mapped by a map that saw it, so that signal
region and sidebands are treated alike.

A map has an error in the signal region, where it is interpolated, and a classifier learns that as it
learns a signal. So the events that it scores are mapped by another map, learnt from other events: the
training events are four parts, by a hash of their ids. Two teach the maps of the training (each that
of the other, both together that of the two others), and these the map of the scoring. The errors of both
are independent, and what was learnt of one selects nothing in the other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from ...core import ConfigError, InputError, nearest_names, require
from ...core.arrays import within
from ...core.identity import keyed
from ...core.windows import Window
from ..folds import fold_of
from ..method import Method
from ..sample import Sample
from .quantile_map import QuantileMap

__all__ = ["Decorrelated", "DecorrelatedBy", "DecorrelatedHyper", "decorrelated", "given_mass"]

DecorrelatedBy = Literal["quantiles", "flow"]
Array = NDArray[np.float64]

_PARTS = 4  # of the training events
_TAUGHT_BY = ((1,), (0,), (0, 1), (0, 1), (2, 3))  # the maps of the parts, and that of the scoring
_FEWEST = 200  # events outside the signal region from which a map is learnt
_LEAST_OWN = 1e-4  # variance that no other feature has, of correlated ones
_LEAST_ONE_BY_ONE = 0.2  # the same of quantiles that are learnt one by one
_IN_THE_SUM = 0.05  # component of a feature that has a part in it
_IN_THE_TIE = 0.3


class _JointMap(Protocol):
    """What takes events of several features to their quantiles."""

    def quantiles(self, x: Array, mass: Array, ties: Array) -> Array:
        """Return the quantiles of each event, shape (n_events, n_features)."""
        ...

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return all that was learnt as plain arrays."""
        ...


@dataclass(frozen=True, eq=False)
class DecorrelatedHyper:
    """A method and the features that it is shown without their dependence on the mass.

    Attributes
    ----------
    method : Method
        Its hyperparameters count; it is not changed.
    features : tuple of str
        Names of features.
    by : {"quantiles", "flow"}
        Each by itself, or all jointly.
    """

    method: Method[Any]
    features: tuple[str, ...]
    by: DecorrelatedBy = "quantiles"


def decorrelated(
    method: Method[Any],
    features: Sequence[str],
    *,
    among: Sequence[str],
    by: DecorrelatedBy = "quantiles",
) -> Method[Any]:
    """Return the method that is shown these features without their dependence on the mass.

    Parameters
    ----------
    method : Method
        The method; it is returned as it is where there are no features.
    features : sequence of str
        The features to be decorrelated.
    among : sequence of str
        All features of the events.
    by : {"quantiles", "flow"}
        Each by itself, or all jointly; a flow needs the extra ``networks``.

    Raises
    ------
    ConfigError
        If there is no such feature, or the method learns from files of its own.
    MissingExtraError
        If a flow is asked for without torch and nflows.

    Examples
    --------
    >>> from overdensity.ml import make_method
    >>> method = decorrelated(make_method("cwola"), ["delta_eta"], among=["tau21", "delta_eta"])
    >>> method.name, method.hyper.features
    ('cwola', ('delta_eta',))
    """
    for name in features:
        if name not in among:
            msg = f"decorrelate: {name!r} is none of the features; {nearest_names(name, among)}"
            raise ConfigError(msg)
    if features and method.learnt_files:
        msg = (
            f"decorrelate: method {method.name!r} learns from {method.learnt_files[0]}, whose events no "
            "map of the data takes the mass out of; leave decorrelate out, or choose another method"
        )
        raise ConfigError(msg)
    return Decorrelated(DecorrelatedHyper(method, tuple(features), by)) if features else method


def given_mass(name: str) -> str:
    """Return the name of a feature without its dependence on the mass.

    It is another one, since a method may treat jet masses by their names.

    Examples
    --------
    >>> given_mass("j1_mass")
    'j1_mass_given_m'
    """
    return f"{name}_given_m"


class Decorrelated(Method[DecorrelatedHyper]):
    """A method that is shown conditional quantiles of some features in place of these.

    It learns a map for each window, so it is trained in each, whatever the method is.
    """

    source: ClassVar[str] = (
        "conditional quantiles: arXiv:0704.3649, arXiv:0904.0951; latent space of a conditional "
        "flow: LaCATHODE, arXiv:2210.14924"
    )
    Hyper: ClassVar[type[DecorrelatedHyper]] = DecorrelatedHyper
    _method: Method[Any]
    _map: _JointMap

    def __init__(self, hyper: DecorrelatedHyper) -> None:
        super().__init__(hyper)
        self.name, self.needs = hyper.method.name, hyper.method.needs
        if hyper.by == "flow":
            for package in ("torch", "nflows"):
                require(package, by="decorrelate: by: flow")

    @property
    def fewest_events(self) -> int:
        """Those of the method; see :attr:`Method.fewest_events`."""
        return self.hyper.method.fewest_events

    def fit(
        self, data: Sample, window: Window, *, simulation: Sample | None = None, seed: int
    ) -> Self:
        """Learn the maps, then the method on what they make of the events; see `Method.fit`."""
        self._names, self._blocks = data.names, tuple(data.blocks)
        outside = data.take(~window.signal(data.mass))
        outside.take(np.arange(min(len(outside), _FEWEST))).refuse_constant_features()
        self._refuse_a_sum(outside)
        part = _part(outside, seed)
        learnt = {
            parts: self._learn(outside.take(np.isin(part, parts)), window, seed)
            for parts in dict.fromkeys(_TAUGHT_BY)
        }
        *of_parts, self._map = (learnt[parts] for parts in _TAUGHT_BY)
        bare, shown = self.hyper.method, self._mapped_in_parts(data, of_parts, seed)
        if self.hyper.by == "quantiles":
            self._refuse_tied(shown.features[:, self._columns(data.names)])
        self._method = type(bare)(bare.hyper).fit(
            shown,
            window,
            simulation=None
            if simulation is None
            else self._mapped_in_parts(simulation, of_parts, seed),
            seed=seed,
        )
        return self

    def score(self, data: Sample) -> NDArray[np.float32]:
        """Return the score of the method; see `Method.score`."""
        self.refuse_unlike(data)
        return self._method.score(self.mapped(data))

    def mapped(self, data: Sample) -> Sample:
        """Return events that are to be scored as the method is shown them."""
        return self._renamed(data, self._quantiles(data, self._map))

    def _mapped_in_parts(self, data: Sample, maps: Sequence[_JointMap], seed: int) -> Sample:
        """Return training events, each mapped by the map of its part."""
        part, quantiles = _part(data, seed), np.empty((len(data), len(self.hyper.features)))
        for each, learnt in enumerate(maps):
            quantiles[part == each] = self._quantiles(data.take(part == each), learnt)
        return self._renamed(data, quantiles)

    def _quantiles(self, data: Sample, learnt: _JointMap) -> Array:
        x = data.features[:, self._columns(data.names)].astype(np.float64)
        return learnt.quantiles(x, data.mass, self._ties(data.event))

    def _renamed(self, data: Sample, quantiles: Array) -> Sample:
        """Return events with quantiles in place of the features."""
        features = data.features.copy()
        features[:, self._columns(data.names)] = quantiles
        own = self.hyper.features
        names = (given_mass(name) if name in own else name for name in data.names)
        return replace(data, features=features, names=tuple(names))

    def shown(self, sample: Sample) -> Sample:
        """Return the sample as the method may see it; see `Method.shown`."""
        return self.hyper.method.shown(sample)

    def inputs_of(self, data: Sample) -> Sample:
        """Return what the method makes of the data, before the maps take the mass out of features.

        See `Method.inputs_of`. What can be computed of quantiles is no more than of the features.
        """
        return self.hyper.method.inputs_of(data)

    def described(self) -> dict[str, Any]:
        """Return the description of the method, and which features are decorrelated how."""
        own = {"features": list(self.hyper.features), "by": self.hyper.by}
        return self.hyper.method.described() | {"decorrelate": own}

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return all that was learnt; see `Method.arrays`."""
        own = {"names": np.array(self._names), "blocks": np.array(self._blocks, np.str_)}
        learnt = {f"map.{key}": array for key, array in self._map.arrays().items()}
        return own | learnt | {f"method.{key}": a for key, a in self._method.arrays().items()}

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over what `arrays` returned."""
        self._names, self._blocks = (tuple(map(str, arrays[key])) for key in ("names", "blocks"))
        self._map = self._kind().from_arrays(within(arrays, "map."))
        self._method = type(self.hyper.method)(self.hyper.method.hyper)
        self._method.restore(within(arrays, "method."))

    def _learn(self, outside: Sample, window: Window, seed: int) -> _JointMap:
        if len(outside) < _FEWEST:
            msg = (
                f"window {window}: {len(outside)} events outside the signal region, and {_FEWEST} "
                "are needed to decorrelate features; use more events"
            )
            raise InputError(msg)
        if outside.weight is not None and np.any(outside.weight != 1):
            msg = "decorrelate: events with weights have no quantiles here; drop the weights"
            raise InputError(msg)
        x = outside.features[:, self._columns(outside.names)].astype(np.float64)
        return self._kind().learn(x, outside.mass, self._ties(outside.event), window, seed)

    def _refuse_a_sum(self, outside: Sample) -> None:
        r"""Refuse features of which one is a sum of others: their quantiles together tell the mass.

        Where Dalitz variables add up to one, :math:`\sum_i F_i^{-1}(u_i \mid m) = 1` has m as its
        solution, though each quantile alone is independent of it.
        """
        x = outside.features[:, self._columns(outside.names)].astype(np.float64)
        why = (
            "one of {} is a sum of the others, so that their quantiles together give the mass away"
        )
        self._refuse_close(x, _LEAST_OWN, _IN_THE_SUM, why)

    def _refuse_tied(self, quantiles: NDArray[np.floating]) -> None:
        """Refuse features whose quantiles nearly tell each other: how they do follows the mass.

        Each quantile is independent of the mass, and a pair of them is as far as it is independent of each other.
        """
        why = "{} are tied to each other too closely to be taken one by one, since how they are follows the mass"
        self._refuse_close(quantiles, _LEAST_ONE_BY_ONE, _IN_THE_TIE, why)

    def _refuse_close(self, x: NDArray[np.floating], least: float, part: float, why: str) -> None:
        """Refuse features of which one has less variance of its own than this, and name them."""
        size, direction = np.linalg.eigh(np.atleast_2d(np.corrcoef(x, rowvar=False)))
        if size[0] < least:
            own = zip(self.hyper.features, direction[:, 0], strict=True)
            names = ", ".join(name for name, share in own if abs(share) > part)
            msg = f"decorrelate: {why.format(names)}; leave one of them out of the features"
            raise ConfigError(msg)

    def _kind(self) -> Any:
        """Return the class of the maps."""
        if self.hyper.by == "quantiles":
            return OneByOne
        from .flow_map import FlowMap  # noqa: PLC0415 - imports torch

        return FlowMap

    def _columns(self, names: Sequence[str]) -> list[int]:
        return [names.index(name) for name in self.hyper.features]

    def _ties(self, event: NDArray[np.uint64]) -> Array:
        """Return numbers in [0, 1) by which events of one value are put in an order."""
        mixed = [keyed(event, f"ties of {name}") >> np.uint64(11) for name in self.hyper.features]
        return np.stack(mixed, axis=1).astype(np.float64) * 2.0**-53


@dataclass(frozen=True, eq=False)
class OneByOne:
    """Each feature by its own quantile.

    Attributes
    ----------
    maps : tuple of QuantileMap
        One for each feature.
    """

    maps: tuple[QuantileMap, ...]

    @classmethod
    def learn(cls, x: Array, mass: Array, ties: Array, window: Window, seed: int) -> Self:
        """Learn from events outside the signal region; x and ties are (n_events, n_features)."""
        del seed  # nothing is drawn
        pairs = zip(x.T, ties.T, strict=True)
        return cls(tuple(QuantileMap.learn(a, mass, tie, window) for a, tie in pairs))

    def quantiles(self, x: Array, mass: Array, ties: Array) -> Array:
        """Return the quantile of each feature of each event."""
        each = zip(self.maps, x.T, ties.T, strict=True)
        return np.stack([learnt.quantile(a, mass, tie) for learnt, a, tie in each], axis=1)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return all that was learnt as plain arrays."""
        return {
            f"{i}.{key}": array
            for i, learnt in enumerate(self.maps)
            for key, array in learnt.arrays().items()
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Take over what `arrays` returned."""
        n = len({key.partition(".")[0] for key in arrays})
        return cls(tuple(QuantileMap.from_arrays(within(arrays, f"{i}.")) for i in range(n)))


def _part(data: Sample, seed: int) -> NDArray[np.int64]:
    """Return which part of a training an event belongs to."""
    return fold_of(data.event, _PARTS, seed=seed, salt="decorrelation")
