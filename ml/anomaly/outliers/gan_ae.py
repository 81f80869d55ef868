"""GAN-AE: an autoencoder against a judge of what it rebuilds, made independent of the mass."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ....core.arrays import within
from ....core.windows import Window
from ...hyper_checks import refuse_unusable, section
from ...losses.distance_correlation import squared_distance_correlation
from ...method import Method, Need, register_method
from ...networks.adversarial import AdversarialAutoencoder
from ...sample import Sample
from ...training.engine import seeded, train
from ...training.in_rows import in_rows
from ...training.training_hyper import TrainingHyper
from ...training.weights import weights_of, with_weights
from .reconstruction import refuse_few_to_learn

__all__ = ["GanAe", "GanAeHyper"]

_ROWS = 16_384  # events that are scored at once
_VALIDATION = 10  # every so many-th event


@dataclass(frozen=True)
class GanAeHyper:
    """Hyperparameters; defaults are those of the LHC Olympics, arXiv:2101.08320, table 3.

    Attributes
    ----------
    nodes : tuple of int
        Hidden layers of the encoder, the last one the bottleneck; the decoder mirrors them.
    judge : tuple of int
        Hidden layers of the judge.
    dropout : float
        In hidden layers.
    distance : float
        ε, what multiplies the Euclidean distance in the loss of the autoencoder.
    decorrelation : float
        α, what multiplies the squared distance correlation of distance and mass.
    turns : (int, int)
        Epochs of the judge and of the autoencoder in a cycle.
    training : TrainingHyper
        Epochs of both together; every tenth event gives the figure of merit, whose best epoch is
        kept. The published early stop is after 5 cycles.
    min_events : int
        The fewest events to learn from.
    device : str
        ``auto`` (the GPU where there is one), ``cpu``, ``cuda`` or ``mps``.
    """

    nodes: tuple[int, ...] = (30, 20, 10)
    judge: tuple[int, ...] = (150, 100, 50)
    dropout: float = 0.2
    distance: float = 0.2
    decorrelation: float = 0.3
    turns: tuple[int, ...] = (10, 4)
    training: TrainingHyper = field(
        default_factory=lambda: TrainingHyper(
            epochs=280, batch=1024, learning_rate=2e-4, patience=70
        )
    )
    min_events: int = 100
    device: str = "auto"

    def __post_init__(self) -> None:
        refuse_unusable(
            section(self),
            self,
            nodes=bool(self.nodes) and all(n >= 1 for n in self.nodes),
            judge=bool(self.judge) and all(n >= 1 for n in self.judge),
            dropout=0 <= self.dropout < 1,
            distance=self.distance > 0,
            decorrelation=self.decorrelation >= 0,
            turns=len(self.turns) == 2 and min(self.turns) >= 1,
            min_events=self.min_events >= 2,
        )


@register_method("gan_ae")
class GanAe(Method[GanAeHyper]):
    """GAN-AE: reconstruction error of an autoencoder that a judge trains; outliers, without the mass.

    The judge learns to tell rebuilt events from real ones, and the autoencoder to fool it, to
    rebuild, and to make its error independent of the mass. It learns from all events, whatever
    their mass. The score is the Euclidean distance of features scaled to their ranges.
    """

    needs: tuple[Need, ...] = ("features",)
    source: ClassVar[str] = (
        "GAN-AE and BumpHunter, LHC Olympics 2020 (arXiv:2101.08320), section 3.4; arXiv:2305.15179"
    )
    windowed: bool = False
    Hyper: ClassVar[type[GanAeHyper]] = GanAeHyper
    looks_for: ClassVar[Literal["overdensities", "outliers"]] = "outliers"
    fast: ClassVar[Mapping[str, Any]] = {
        "nodes": (16, 3),
        "judge": (16,),
        "turns": (1, 1),
        "dropout": 0.0,
        "training": {"epochs": 4, "batch": 250, "learning_rate": 1e-2, "patience": 0},
        "device": "cpu",
    }

    def fit(
        self, data: Sample, window: Window, *, simulation: Sample | None = None, seed: int
    ) -> Self:
        """Learn from all events, whatever their mass; see :meth:`Method.fit`."""
        del simulation  # everything is learnt from data
        refuse_few_to_learn(data, window, self.hyper.min_events)
        data.refuse_constant_features()
        x, weight = data.features, data.weight
        self._low, self._range = x.min(axis=0), np.ptp(x, axis=0)
        with seeded(seed):
            network = self._untrained(x.shape[1])
        check = np.arange(len(x)) % _VALIDATION == 0
        train(
            network,
            self._losses,
            (self._scaled(data), data.mass, np.ones(len(x)) if weight is None else weight),
            train=~check,
            validation=check,
            hyper=self.hyper.training,
            seed=seed,
            device=self.hyper.device,
            weight=weight,
        )
        self._network, self._names = network, data.names
        return self

    def score(self, data: Sample) -> NDArray[np.float32]:
        """Return the distances between events and what is rebuilt; see :meth:`Method.score`."""
        self.refuse_unlike(data)
        network, x = self._network, self._scaled(data)
        return in_rows(network, network.distances, x, device=self.hyper.device, rows=_ROWS)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return all that was learnt; see :meth:`Method.arrays`."""
        own = {"names": np.array(self._names), "low": self._low, "range": self._range}
        return own | weights_of(self._network, "network.")

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over what :meth:`arrays` returned."""
        self._names = tuple(map(str, arrays["names"]))
        self._low, self._range = arrays["low"], arrays["range"]
        untrained = self._untrained(len(self._names))
        self._network = with_weights(untrained, within(arrays, "network."))

    def _scaled(self, data: Sample) -> NDArray[np.float32]:
        """Return the features in units of their ranges in training: one scale for all events."""
        return ((data.features - self._low) / self._range).astype(np.float32, copy=False)

    def _untrained(self, features: int) -> AdversarialAutoencoder:
        hyper = self.hyper
        judged, rebuilt = hyper.turns
        return AdversarialAutoencoder(
            features,
            nodes=hyper.nodes,
            judge=hyper.judge,
            dropout=hyper.dropout,
            turns=(judged, rebuilt),
        )

    def _losses(
        self, network: AdversarialAutoencoder, x: Tensor, mass: Tensor, share: Tensor
    ) -> Tensor:
        """Return the losses of whose turn it is; of validation, the figure of merit."""
        if not network.training:
            return network.merits(x)
        if not network.is_judged:
            return network.judge_losses(x)
        rebuilt = network(x)
        distance = network.distances(x, rebuilt)
        losses = network.fooling_losses(rebuilt) + self.hyper.distance * distance
        if not self.hyper.decorrelation:
            return losses
        term = squared_distance_correlation(distance, mass, weight=share)
        return losses + self.hyper.decorrelation * term
