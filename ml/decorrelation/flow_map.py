"""Several features jointly made independent of the mass: the latent space of a conditional flow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from ...core.arrays import within
from ...core.windows import Window
from ..flows.conditional import ConditionalFlow, FlowHyper, fit_flow
from .quantile_map import spread_ties

__all__ = ["FlowMap"]

Array = NDArray[np.float64]

# One autoregressive layer of splines: the quantile of the first feature given the mass, that of the
# second given the first and the mass, and so on.
_TRIANGULAR = FlowHyper(
    family="rqs_autoregressive", layers=1, width=128, bins=16, epochs=10, batch=512, average=1
)


@dataclass(frozen=True, eq=False)
class FlowMap:
    """A flow of the features given the mass, and the values by which ties are spread.

    Attributes
    ----------
    flow : ConditionalFlow
        What was learnt.
    values : tuple of ndarray
        The values of each feature in the events learnt from, in order, each once.
    """

    flow: ConditionalFlow
    values: tuple[Array, ...]

    @classmethod
    def learn(cls, x: Array, mass: Array, ties: Array, window: Window, seed: int) -> Self:
        """Learn from events outside the signal region; x and ties are (n_events, n_features)."""
        del window  # the flow goes through it by itself
        values = tuple(map(np.unique, x.T))
        return cls(fit_flow(_spread(values, x, ties), mass, hyper=_TRIANGULAR, seed=seed), values)

    def quantiles(self, x: Array, mass: Array, ties: Array) -> Array:
        """Return the quantiles of each event: of a feature given the mass and those before it."""
        return ndtr(self.flow.latent(_spread(self.values, x, ties), mass).astype(np.float64))

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return all that was learnt as plain arrays."""
        values = {f"values.{i}": each for i, each in enumerate(self.values)}
        return values | {f"flow.{key}": array for key, array in self.flow.arrays().items()}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Take over what `arrays` returned."""
        n = sum(key.startswith("values.") for key in arrays)
        values = tuple(arrays[f"values.{i}"] for i in range(n))
        return cls(ConditionalFlow.from_arrays(within(arrays, "flow.")), values)


def _spread(values: tuple[Array, ...], x: Array, ties: Array) -> Array:
    """Return the features with their ties spread."""
    each = zip(values, x.T, ties.T, strict=True)
    return np.stack([spread_ties(known, column, tie) for known, column, tie in each], axis=1)
