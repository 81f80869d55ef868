"""Plain autoencoders on the features of each jet: what they cannot rebuild is anomalous."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...method import register_method
from ...training.bank import Bank
from ...training.device import pick_device
from .reconstruction import Reconstruction, ReconstructionHyper

__all__ = ["Autoencoder", "AutoencoderBank", "AutoencoderHyper", "train_autoencoders"]

_SCORE_ROWS = 1024  # of the widest layer, times the members: fits into the cache of a core


@dataclass(frozen=True)
class AutoencoderHyper(ReconstructionHyper):
    """Hyperparameters of the autoencoders; defaults of arXiv:2101.08320, section 4.2.1.

    Attributes
    ----------
    members : int
        Autoencoders a jet; their reconstruction errors are averaged.
    events : int
        Random events each of them learns from; all where there are fewer.
    epochs : int
        How often it sees them.
    batch : int
        Events in a batch.
    learning_rate : float
        Of Adam.
    nodes : tuple of int
        Hidden layers of the encoder; the decoder has them backwards.
    latent : int
        Nodes of the bottleneck.
    device : str
        ``auto`` (the GPU where there is one), ``cpu``, ``cuda`` or ``mps``.
    """

    members: int = 20
    events: int = 50_000
    epochs: int = 1
    batch: int = 5120
    learning_rate: float = 1e-3
    nodes: tuple[int, ...] = (64, 32, 16)
    latent: int = 1
    device: str = "auto"

    def __post_init__(self) -> None:
        super().__post_init__()
        self._refuse(
            members=self.members >= 1,
            events=self.events >= 1,
            epochs=self.epochs >= 1,
            batch=self.batch >= 1,
            learning_rate=self.learning_rate > 0,
            nodes=all(isinstance(n, int) and n >= 1 for n in self.nodes),
            latent=self.latent >= 1,
        )


class AutoencoderBank(Bank):
    """Autoencoders of one shape side by side: ReLU, but linear bottleneck and output."""

    def forward(self, x: Tensor, keep: Sequence[Tensor] = ()) -> Tensor:
        """Return the features as rebuilt from the bottleneck.

        Parameters
        ----------
        x : Tensor, shape (n_nets, n_events, n_features)
            Standardised features.
        keep : sequence of Tensor
            Not used: there is no dropout.

        Returns
        -------
        Tensor, shape (n_nets, n_events, n_features)
        """
        del keep
        layers = len(self.weights)
        linear = (layers // 2 - 1, layers - 1)
        for i, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            x = torch.baddbmm(bias, x, weight)
            if i not in linear:
                x = torch.relu(x)
        return x

    @torch.no_grad()
    def errors(self, x: Tensor) -> Tensor:
        """Return the mean squared error of each event, averaged over the networks: (n_events,)."""
        parts = [self(part.expand(len(self), -1, -1)) - part for part in x.split(_SCORE_ROWS)]
        return torch.cat([part.square().mean(dim=(0, 2)) for part in parts])


def train_autoencoders(
    x: NDArray[np.float32],
    hyper: AutoencoderHyper,
    *,
    weight: NDArray[np.float64] | None = None,
    seed: int,
) -> AutoencoderBank:
    """Train an ensemble of autoencoders, each on random events of its own.

    Parameters
    ----------
    x : ndarray of float32, shape (n_events, n_features)
        Features, standardised.
    hyper : AutoencoderHyper
        Shape and training.
    weight : ndarray of float64, shape (n_events,), optional
        Event weights.
    seed : int
        Decides initial weights, events and batches.

    Returns
    -------
    AutoencoderBank
        On the CPU.
    """
    on = pick_device(hyper.device)
    seeds = np.random.SeedSequence(seed).generate_state(hyper.members).tolist()
    around = (x.shape[1], *hyper.nodes)
    bank = AutoencoderBank((*around, hyper.latent, *around[::-1]), seeds).to(on)
    optimizer = torch.optim.Adam(bank.parameters(), lr=hyper.learning_rate, eps=1e-7)
    generators = [np.random.default_rng([each, 1]) for each in seeds]
    n = min(hyper.events, len(x))
    mine = [rng.choice(len(x), n, replace=False) for rng in generators]
    features = torch.as_tensor(x, device=on)
    share = np.ones(len(x)) if weight is None else weight / weight.mean()
    shares = torch.as_tensor(share, dtype=torch.float32, device=on)
    for _ in range(hyper.epochs):
        order = np.stack([rng.permutation(i) for rng, i in zip(generators, mine, strict=True)])
        for index in np.array_split(order, math.ceil(n / hyper.batch), axis=1):
            rows = torch.as_tensor(index, device=on)
            batch = features[rows]
            errors = (bank(batch) - batch).square().mean(dim=2)
            loss = (shares[rows] * errors).mean(dim=1).sum()
            optimizer.zero_grad()
            loss.backward()  # networks share no weight: each gets its own gradient
            optimizer.step()
    return bank.cpu()


@register_method("autoencoder")
class Autoencoder(Reconstruction[AutoencoderHyper, AutoencoderBank]):
    """Reconstruction error of an ensemble of autoencoders for each jet: outliers, no resonance.

    It learns from all events it is given, whatever their mass.
    """

    source: ClassVar[str] = (
        "CWoLa and autoencoders, LHC Olympics 2020 (arXiv:2101.08320), section 4.2; "
        "arXiv:2104.02092"
    )
    Hyper: ClassVar[type[AutoencoderHyper]] = AutoencoderHyper
    fast: ClassVar[Mapping[str, Any]] = {"members": 3, "device": "cpu"}

    def _learn(
        self, x: NDArray[np.float32], *, weight: NDArray[np.float64] | None, seed: int
    ) -> AutoencoderBank:
        return train_autoencoders(x, self.hyper, weight=weight, seed=seed)

    def _errors(self, model: AutoencoderBank, x: NDArray[np.float32]) -> NDArray[np.float32]:
        on = pick_device(self.hyper.device)
        return model.to(on).errors(torch.as_tensor(x, device=on)).cpu().numpy()

    def _model_arrays(self, model: AutoencoderBank) -> dict[str, NDArray[Any]]:
        return model.arrays()

    def _model_of(self, arrays: Mapping[str, NDArray[Any]]) -> AutoencoderBank:
        return AutoencoderBank.from_arrays(arrays)
