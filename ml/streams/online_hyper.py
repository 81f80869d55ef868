"""Shape of an online flow and how it learns, apart from it, so that it can be configured without torch."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..flows.flow_shape import Family, FlowShape
from ..hyper_checks import refuse_unusable

__all__ = ["OnlineHyper"]


@dataclass(frozen=True)
class OnlineHyper(FlowShape):
    """Shape of an online flow and how it learns from a stream (arXiv:2202.09375).

    Batch, buffer and average are the published ones. Published are also five affine autoregressive
    layers (``family = "maf"``, ``layers = 5``) and five updates a batch, with which a signal of a
    per cent was not kept here (docs/streams.md). The other values are ours. The shape of the flow is
    that of :class:`~overdensity.ml.flows.flow_shape.FlowShape`.

    Attributes
    ----------
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

    family: Family = "rqs_autoregressive"
    batch: int = 1000
    buffer: int = 10
    updates: int = 20
    average: float = 0.2
    learning_rate: float = 4e-3
    clip: float = 5.0
    margin: float = 0.05

    def __post_init__(self) -> None:
        super().__post_init__()
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
