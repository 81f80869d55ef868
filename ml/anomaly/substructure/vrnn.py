"""Variational recurrent networks on sequences of constituents: jets they are surprised by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...blocks.mapped import forget
from ...inputs.boosted_sequences import Order, sequences
from ...method import register_method
from ...networks.recurrent import VariationalRecurrentNetwork
from ...training.training_hyper import TrainingHyper
from .jet_networks import JetNetworkHyper, JetNetworks

__all__ = ["Vrnn", "VrnnHyper"]

Anomalous = Literal["regular", "surprising"]
_INPUTS = 3  # pT, eta and phi
_ROWS = 65_536  # jets at a time


@dataclass(frozen=True)
class VrnnHyper(JetNetworkHyper):
    """Hyperparameters; defaults are those of the LHC Olympics (arXiv:2101.08320, section 3.1).

    Attributes
    ----------
    longest : int
        Constituents of a sequence: those of the largest kT to the axis of the boosted jet.
    order : {"kt", "pt"}
        Each constituent the farthest in kT from the one before, or in order of falling pT.
    hidden, latent : int
        Width of the layers and of the state; number of latent variables.
    strength : float
        Weight of the divergence in the loss.
    anomalous : {"regular", "surprising"}
        Jets of small divergence, as the authors' public code has it, or of large.
    """

    combine: str = "max"
    longest: int = 20
    order: str = "kt"
    hidden: int = 16
    latent: int = 2
    strength: float = 0.1
    anomalous: str = "regular"
    training: TrainingHyper = field(
        default_factory=lambda: TrainingHyper(epochs=100, batch=256, learning_rate=1e-5)
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        self._refuse(
            longest=self.longest >= 1,
            order=self.order in get_args(Order),
            hidden=self.hidden >= 1,
            latent=self.latent >= 1,
            strength=self.strength > 0,
            anomalous=self.anomalous in get_args(Anomalous),
        )


@register_method("vrnn")
class Vrnn(JetNetworks[VrnnHyper, VariationalRecurrentNetwork]):
    """How much the next constituents of a jet surprise a variational recurrent network: outliers.

    Jets are boosted to one mass, one energy and one orientation
    (:func:`~overdensity.ml.inputs.boosted_sequences.sequences`), so that no score knows the mass of
    a jet or its momentum. The score of a jet is the mean Kullback-Leibler divergence of what its
    constituents say of the latent variables from what those before them let expect. Anomalous are
    jets where it is small: their constituents follow each other as in a decay. The score is exp(-KL),
    larger for these, and that of an event is that of its more anomalous jet. A jet that cannot be
    boosted is the least anomalous.
    """

    source: ClassVar[str] = (
        "Variational recurrent networks, LHC Olympics 2020 (arXiv:2101.08320), section 3.1; "
        "arXiv:2105.09274; the network: arXiv:1506.02216"
    )
    Hyper: ClassVar[type[VrnnHyper]] = VrnnHyper
    toy_is_too_small: ClassVar[bool] = True
    fast: ClassVar[Mapping[str, Any]] = {
        "particles": 12,
        "longest": 4,
        "hidden": 4,
        "training": {"epochs": 1, "batch": 2048},
        "device": "cpu",
    }

    def _untrained(self) -> VariationalRecurrentNetwork:
        hyper = self.hyper
        return VariationalRecurrentNetwork(
            _INPUTS,
            hidden=hyper.hidden,
            latent=hyper.latent,
            steps=hyper.longest,
            strength=hyper.strength,
        )

    def _seen(self, jets: NDArray[np.float32]) -> NDArray[np.float32]:
        order: Order = "kt" if self.hyper.order == "kt" else "pt"
        return sequences(jets, self.hyper.longest, order)

    def _begin(self, network: VariationalRecurrentNetwork, jets: NDArray[np.float32]) -> None:
        shares = np.zeros(jets.shape[1])
        for start in range(0, len(jets), _ROWS):
            pt = jets[start : start + _ROWS, :, 0].astype(np.float64)
            total = pt.sum(axis=1, keepdims=True)
            shares += np.divide(pt, total, out=np.zeros_like(pt), where=total > 0).sum(axis=0)
            forget(jets)
        network.shares.copy_(torch.from_numpy(shares / len(jets)))

    def _losses(self, network: VariationalRecurrentNetwork, jets: Tensor) -> Tensor:
        return network.losses(jets)

    def _scores(self, network: VariationalRecurrentNetwork, jets: Tensor) -> Tensor:
        likely = torch.exp(-network.divergences(jets))
        scores = likely if self.hyper.anomalous == "regular" else 1 - likely
        return torch.where((jets[..., 0] > 0).any(dim=1), scores, 0.0)
