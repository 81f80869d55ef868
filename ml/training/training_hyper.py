"""How a module is trained, apart from the engine, so that it can be configured without torch."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from ..hyper_checks import refuse_unusable

__all__ = ["TrainingHyper"]


@dataclass(frozen=True)
class TrainingHyper:
    """How a module is trained.

    Attributes
    ----------
    epochs : int
        Largest number of passes over the training events.
    batch : int
        Events a step. The events of an epoch are divided evenly into steps of at most so many.
    learning_rate, weight_decay : float
        Of the optimizer; the decay is added to the gradient (L2).
    schedule : {"constant", "cosine", "one_cycle"}
        ``cosine``: the learning rate falls to zero along half a cosine over ``epochs``. ``one_cycle``:
        before that it rises from a 25th, likewise, for a quarter of the epochs (arXiv:1803.09820).
    clip : float
        Largest norm of a gradient; 0 leaves gradients as they are.
    patience : int
        Epochs without a better validation loss before the training stops; 0 never stops.
    keep : {"best", "last"}
        Keep the epochs of the lowest validation loss, or the last ones.
    average : int
        How many epochs are kept; no more than ``epochs``.
    mixed : bool
        On a GPU, matrix products in bfloat16; no effect on a CPU.
    optimizer : {"adam", "adadelta"}
        Adam (arXiv:1412.6980), or Adadelta (arXiv:1212.5701), which has no momentum.
    """

    epochs: int = 100
    batch: int = 1024
    learning_rate: float = 1e-3
    weight_decay: float = 0.0
    schedule: Literal["constant", "cosine", "one_cycle"] = "constant"
    clip: float = 0.0
    patience: int = 0
    keep: Literal["best", "last"] = "best"
    average: int = 1
    mixed: bool = True
    optimizer: Literal["adam", "adadelta"] = "adam"

    def __post_init__(self) -> None:
        refuse_unusable(
            "training",
            self,
            epochs=self.epochs >= 1,
            batch=self.batch >= 1,
            learning_rate=0 < self.learning_rate < math.inf,
            weight_decay=0 <= self.weight_decay < math.inf,
            schedule=self.schedule in ("constant", "cosine", "one_cycle"),
            clip=0 <= self.clip < math.inf,
            patience=self.patience >= 0,
            keep=self.keep in ("best", "last"),
            average=1 <= self.average <= self.epochs,
            optimizer=self.optimizer in ("adam", "adadelta"),
        )
