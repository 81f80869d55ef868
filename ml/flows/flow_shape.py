"""The shape of a flow, apart from it, so that it can be configured without torch."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Any, Literal

from ...core import ConfigError, nearest_names
from ..hyper_checks import refuse_unusable

__all__ = ["FAMILIES", "Family", "FlowShape"]

Family = Literal["realnvp", "maf", "rqs_coupling", "rqs_autoregressive"]
FAMILIES: tuple[Family, ...] = ("realnvp", "maf", "rqs_coupling", "rqs_autoregressive")


@dataclass(frozen=True)
class FlowShape:
    """What fixes the shape of the weights of a flow.

    Attributes
    ----------
    family : {"realnvp", "maf", "rqs_coupling", "rqs_autoregressive"}
        Affine or rational-quadratic spline layers, as couplings (fast both ways) or masked
        autoregressive (sampling takes as many passes as there are features).
    layers : int
        Layers, each with a network of its own.
    width, depth : int
        Nodes and hidden layers of these networks.
    bins : int
        Bins of a spline.
    tail : float
        Splines act between -tail and tail, in units of the standardised features.

    Examples
    --------
    >>> FlowShape(layers=2).shape()["layers"]
    2
    """

    family: Family = "rqs_coupling"
    layers: int = 4
    width: int = 64
    depth: int = 2
    bins: int = 8
    tail: float = 5.0

    def shape(self) -> dict[str, Any]:
        """Return these values by name; flows of one shape may differ in training."""
        return {field.name: getattr(self, field.name) for field in fields(FlowShape)}

    def __post_init__(self) -> None:
        if self.family not in FAMILIES:
            msg = (
                f"flow: no family is called {self.family!r}; {nearest_names(self.family, FAMILIES)}"
            )
            raise ConfigError(msg)
        refuse_unusable(
            "flow",
            self,
            layers=self.layers >= 1,
            width=self.width >= 1,
            depth=self.depth >= 1,
            bins=2 <= self.bins <= 500,
            tail=0 < self.tail < math.inf,
        )
