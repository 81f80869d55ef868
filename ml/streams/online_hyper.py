"""Shape of an online flow and how it learns, apart from it, so that it can be configured without torch."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from ..hyper_checks import refuse_unusable

__all__ = ["OnlineHyper"]


@dataclass(frozen=True)
class OnlineHyper:
    """Shape of an online flow and how it learns from a stream (arXiv:2202.09375).

    Batch, buffer and average are the published ones. Published are also five affine autoregressive
    layers (``family = "maf"``, ``layers = 5``) and five updates a batch, with which a signal of a
    per cent was not kept here (docs/streams.md). The other values are ours.

    Attributes
    ----------
    family : {"maf", "realnvp", "rqs_coupling", "rqs_autoregressive"}
        Transforms of the flow, as in :class:`~overdensity.ml.flows.conditional.FlowHyper`.
    layers, width, depth, bins : int
        Shape of the flow, as there.
    tail : float
        As there.
    batch : int
        Events of a batch, and of an update.
    buffer : int
        Batches that are kept; each new one takes the place of the oldest.
    updates : int
        Steps of the optimizer for each new batch.
    average : float
        Of the weights, the average over so large a last part of the stream is the result.
    learning_rate, clip : float
        Of Adam, which knows no end of the stream: the rate is constant.
    margin : float
        The range of each feature is that of the first full buffer, wider by so much of itself on
        both sides. Events beyond it are counted and not learned from.

    Examples
    --------
    >>> OnlineHyper().batch, OnlineHyper().buffer, OnlineHyper().updates
    (1000, 10, 20)
    """

    family: Literal["maf", "realnvp", "rqs_coupling", "rqs_autoregressive"] = "rqs_autoregressive"
    layers: int = 4
    width: int = 64
    depth: int = 2
    bins: int = 8
    tail: float = 5.0
    batch: int = 1000
    buffer: int = 10
    updates: int = 20
    average: float = 0.2
    learning_rate: float = 4e-3
    clip: float = 5.0
    margin: float = 0.05

    def __post_init__(self) -> None:
        refuse_unusable(
            "stream",
            self,
            batch=self.batch >= 2,
            buffer=self.buffer >= 1,
            updates=self.updates >= 1,
            average=0 < self.average <= 1,
            learning_rate=0 < self.learning_rate < math.inf,
            clip=0 <= self.clip < math.inf,
            margin=0 < self.margin < math.inf,
        )
