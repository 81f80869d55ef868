"""What an ONNX model reads of a jet: its declaration, from the file and from the configuration."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core import ConfigError, nearest_names

__all__ = ["VARIABLES", "Declaration", "ModelInput"]

_SCHEMA = 1
_MOST = 10_000  # constituents, of which padding would fill the memory otherwise

VARIABLES = ("pt", "eta", "phi", "share", "log_pt", "log_share", "delta_r", "mask")
"""What an input can be made of for each constituent: pT in GeV, eta and phi from the jet; the fraction
of the sum of pT; logarithms of both; the distance from the jet; 1 where there is a constituent."""

_OF_INPUT = {
    "constituents", "variables", "particles", "least", "channels_first", "features", "mean", "std",
}  # fmt: skip
_OF_MODEL = {"schema", "version", "kind", "inputs", "output", "column", "logit", "rows"}


@dataclass(frozen=True)
class ModelInput:
    """One input of a model.

    Attributes
    ----------
    constituents : str
        The feature of a jet that lists its constituents, such as ``constituents_50``; or nothing.
    variables : tuple of str
        What is given of each: names of `VARIABLES`.
    particles : int
        How many constituents, with padding; 0: as many as the longest jet has.
    least : int
        Padding there is at least up to so many.
    channels_first : bool
        Whether variables come before particles.
    features : tuple of str
        Features of a jet that are numbers; without `constituents`.
    mean, std : tuple of float
        By which each variable or feature is standardised; empty: 0 and 1.
    """

    constituents: str = ""
    variables: tuple[str, ...] = ("pt", "eta", "phi")
    particles: int = 0
    least: int = 1
    channels_first: bool = False
    features: tuple[str, ...] = ()
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        kinds = (
            ("constituents", str),
            ("particles", int),
            ("least", int),
            ("channels_first", bool),
        )
        if any(type(getattr(self, name)) is not kind for name, kind in kinds) or not all(
            isinstance(each, str) for each in (*self.variables, *self.features)
        ):
            msg = "a value is of another type"
            raise TypeError(msg)
        sizes = 0 <= self.particles <= _MOST and 1 <= self.least <= _MOST
        finite = all(map(math.isfinite, (*self.mean, *self.std)))
        if not (sizes and finite and all(each > 0 for each in self.std)):
            msg = "particles, least and std are positive, and numbers"
            raise ValueError(msg)

    @property
    def width(self) -> int:
        """How many numbers it has of each constituent, or of each jet."""
        return len(self.variables if self.constituents else self.features)

    @property
    def needs(self) -> tuple[str, ...]:
        """The features of a jet that it is made of."""
        return (self.constituents,) if self.constituents else self.features

    def standardised(self, values: NDArray[np.float32], axis: int) -> NDArray[np.float32]:
        """Return values in the units that the model was trained with; ``axis`` counts variables."""
        if not self.mean and not self.std:
            return values
        shape = [1] * values.ndim
        shape[axis] = self.width
        mean = np.reshape(np.array(self.mean or (0.0,) * self.width, np.float32), shape)
        std = np.reshape(np.array(self.std or (1.0,) * self.width, np.float32), shape)
        return ((values - mean) / std).astype(np.float32, copy=False)


@dataclass(frozen=True)
class Declaration:
    """What a model reads and what comes out.

    Attributes
    ----------
    inputs : dict of str to ModelInput
        By the names that the model gives them.
    output : str
        The output that is taken; by default the first.
    column : int
        Which number of it, where it has several for a jet.
    logit : bool
        Whether it is log-odds, of which the probability is taken.
    rows : int
        Jets at a time.

    Examples
    --------
    >>> declared = Declaration.of({"inputs": {"x": {"features": ["tau21"]}}}, origin="a.onnx")
    >>> declared.needs
    ('tau21',)
    >>> Declaration.of({"inputs": {"x": {"feature": ["tau21"]}}}, origin="a.onnx")
    Traceback (most recent call last):
    overdensity.core.errors.ConfigError: a.onnx: the input 'x' has no 'feature': did you mean 'features'?
    """

    inputs: dict[str, ModelInput] = field(default_factory=dict)
    output: str = ""
    column: int = 0
    logit: bool = False
    rows: int = 1024

    @classmethod
    def of(cls, values: Mapping[str, Any], *, origin: str) -> Declaration:
        """Return the declaration of plain values.

        Parameters
        ----------
        values : mapping
            As in the file's properties, or under ``tag`` in the configuration.
        origin : str
            The file, for messages.

        Raises
        ------
        ConfigError
            If it is of another schema, or a key or value cannot be used.
        """
        if values.get("schema", _SCHEMA) != _SCHEMA:
            msg = (
                f"{origin}: its declaration is of schema {values['schema']}, and this version of "
                f"overdensity reads schema {_SCHEMA}; export it again with 'overdensity tag export'"
            )
            raise ConfigError(msg)
        _refuse_unknown(values, _OF_MODEL, f"{origin}: a tagger")
        given = values.get("inputs", {})
        if not isinstance(given, Mapping) or not all(
            isinstance(x, Mapping) for x in given.values()
        ):
            msg = f"{origin}: inputs are names with keys, such as x: {{constituents: constituents_50}}"
            raise ConfigError(msg)
        inputs = {str(name): _input(each, f"{origin}: the input {name!r}") for name, each in given.items()}  # fmt: skip
        others = {
            key: values[key] for key in ("output", "column", "logit", "rows") if key in values
        }
        for key, kind in (("output", str), ("column", int), ("logit", bool), ("rows", int)):
            if key in others and type(others[key]) is not kind:
                msg = f"{origin}: {key} is {others[key]!r}; it must be of the type {kind.__name__}"
                raise ConfigError(msg)
        for key, least in (("rows", 1), ("column", 0)):
            if others.get(key, least) < least:
                msg = f"{origin}: {key} is {others[key]}; it must be at least {least}"
                raise ConfigError(msg)
        return cls(inputs=inputs, **others)

    @property
    def needs(self) -> tuple[str, ...]:
        """The features of a jet that it reads, each once."""
        return tuple(dict.fromkeys(need for each in self.inputs.values() for need in each.needs))


def _input(given: Mapping[str, Any], what: str) -> ModelInput:
    _refuse_unknown(given, _OF_INPUT, what)
    values: dict[str, Any] = dict(given)
    for key in ("variables", "features", "mean", "std"):
        if key in values:
            one = values[key]
            values[key] = tuple(one) if isinstance(one, (list, tuple)) else (one,)
    try:
        for key in ("mean", "std"):
            values[key] = tuple(float(each) for each in values.get(key, ()))
        made = ModelInput(**values)
    except (TypeError, ValueError):
        msg = (
            f"{what}: a number of it cannot be used, or a name; particles and least are at most {_MOST}, "
            "mean and std numbers, std > 0, channels_first true or false"
        )
        raise ConfigError(msg) from None
    if bool(made.constituents) == bool(made.features):
        msg = f"{what} reads either 'constituents' (the name of a list) or 'features' (names of numbers)"
        raise ConfigError(msg)
    for name in made.variables:
        if name not in VARIABLES:
            msg = f"{what}: constituents have no {name!r}: {nearest_names(str(name), VARIABLES)}"
            raise ConfigError(msg)
    for key in ("mean", "std"):
        if len(getattr(made, key)) not in (0, made.width):
            msg = f"{what} has {made.width} numbers, and {len(getattr(made, key))} of {key}"
            raise ConfigError(msg)
    return made


def _refuse_unknown(given: Mapping[str, Any], known: set[str], what: str) -> None:
    for key in given:
        if key not in known:
            msg = f"{what} has no {key!r}: {nearest_names(str(key), sorted(known))}"
            raise ConfigError(msg)
