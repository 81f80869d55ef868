"""Graph autoencoders on the particles of a jet: what they cannot rebuild is anomalous."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...blocks.constituents import mask_of
from ...blocks.mapped import gathered
from ...method import register_method
from ...networks.graphs import GraphAutoencoder, four_momenta, graphs_at_a_time
from ...training.training_hyper import TrainingHyper
from .jet_networks import JetNetworkHyper, JetNetworks

__all__ = ["GraphAutoencoderHyper", "ParticleGraphAutoencoder"]

_LOOKED_AT = 100_000  # jets that decide the standardisation


@dataclass(frozen=True)
class GraphAutoencoderHyper(JetNetworkHyper):
    """Hyperparameters; defaults are those of the LHC Olympics (arXiv:2101.08320, section 3.7).

    Attributes
    ----------
    cuts : tuple of float
        Both jets among the 10 % that are rebuilt worst.
    widths : tuple of int
        Of the hidden layers of the edge convolutions.
    latent : int
        Numbers a particle in between.
    loss : {"mse", "chamfer"}
        Of training and score: the squared error of each particle, or the distance of two sets.
    """

    combine: str = "cuts"
    cuts: tuple[float, ...] = (0.1, 0.1)
    widths: tuple[int, ...] = (32, 32)
    latent: int = 2
    loss: str = "mse"
    training: TrainingHyper = field(
        default_factory=lambda: TrainingHyper(epochs=100, batch=256, patience=10)
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        self._refuse(
            widths=bool(self.widths) and all(each >= 1 for each in self.widths),
            latent=self.latent >= 1,
            loss=self.loss in ("mse", "chamfer"),
        )


@register_method("graph_autoencoder")
class ParticleGraphAutoencoder(JetNetworks[GraphAutoencoderHyper, GraphAutoencoder]):
    """Reconstruction error of the particles of each jet by edge convolutions: outliers.

    Each particle becomes two numbers that it makes of itself and all others, and is rebuilt from
    these. Momenta are fractions of those of the jet, turned to its axis.
    """

    source: ClassVar[str] = (
        "Particle graph autoencoders, LHC Olympics 2020 (arXiv:2101.08320), section 3.7; "
        "arXiv:2111.12849; edge convolutions: arXiv:1801.07829"
    )
    Hyper: ClassVar[type[GraphAutoencoderHyper]] = GraphAutoencoderHyper
    fast: ClassVar[Mapping[str, Any]] = {
        "particles": 6,
        "widths": (8,),
        "training": {"epochs": 2, "batch": 128, "learning_rate": 1e-2},
        "device": "cpu",
    }

    def _untrained(self) -> GraphAutoencoder:
        return GraphAutoencoder(widths=self.hyper.widths, latent=self.hyper.latent)

    def _seen(self, jets: NDArray[np.float32]) -> NDArray[np.float32]:
        return jets

    def _begin(self, network: GraphAutoencoder, jets: NDArray[np.float32]) -> None:
        some = gathered(jets, np.arange(0, len(jets), max(1, len(jets) // _LOOKED_AT)))
        momenta = four_momenta(torch.as_tensor(some[mask_of(some)]).double())
        network.mean.copy_(momenta.mean(dim=0))
        network.width.copy_(momenta.std(dim=0))

    def _losses(self, network: GraphAutoencoder, jets: Tensor) -> Tensor:
        return network.errors(jets, chamfer=self.hyper.loss == "chamfer")

    _scores = _losses

    def _part(self) -> int | None:
        return graphs_at_a_time(self.hyper.particles)
