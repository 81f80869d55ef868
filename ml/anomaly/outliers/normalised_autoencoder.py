"""Normalised autoencoders: the reconstruction error as the energy of a density."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from ...method import register_method
from ...networks.normalised import ChainHyper, NormalisedNumbers, WithNegatives
from ...training.checkpoints import Rows
from ...training.engine import seeded, train
from ...training.in_rows import in_rows
from ...training.training_hyper import TrainingHyper
from ...training.weights import weights_of, with_weights
from .reconstruction import Reconstruction, ReconstructionHyper

__all__ = [
    "NormalisedAutoencoder",
    "NormalisedAutoencoderHyper",
    "NormalisedHyper",
    "train_normalised",
]


@dataclass(frozen=True)
class NormalisedHyper(ReconstructionHyper):
    """How an autoencoder becomes a normalised one (arXiv:2206.14225), whatever it rebuilds.

    Attributes
    ----------
    latent : int
        Dimensions in which the sphere of the latent space lies.
    first : TrainingHyper
        The training as a plain autoencoder.
    training : TrainingHyper
        That with negative samples, which follows.
    normalise : bool
        False ends with the plain autoencoder.
    chains : ChainHyper
        How negative samples are made.
    device : str
        ``auto`` (the GPU where there is one), ``cpu``, ``cuda`` or ``mps``.
    """

    latent: int = 3
    first: TrainingHyper = field(
        default_factory=lambda: TrainingHyper(epochs=30, batch=2048, clip=0.1, keep="last")
    )
    training: TrainingHyper = field(
        default_factory=lambda: TrainingHyper(
            epochs=30, batch=2048, learning_rate=1e-5, weight_decay=1e-8, clip=0.1, keep="last"
        )
    )
    normalise: bool = True
    chains: ChainHyper = field(default_factory=ChainHyper)
    device: str = "auto"

    def __post_init__(self) -> None:
        super().__post_init__()
        without = all(
            each.keep == "last" and not each.patience for each in (self.first, self.training)
        )
        self._refuse(latent=self.latent >= 2, first=without, training=without)


@dataclass(frozen=True)
class NormalisedAutoencoderHyper(NormalisedHyper):
    """Hyperparameters of the normalised autoencoder on columns, of which none are published.

    Attributes
    ----------
    nodes : tuple of int
        Hidden layers of the encoder; the decoder has them backwards.
    reach : float
        Negative samples stay within so many standard deviations.
    """

    nodes: tuple[int, ...] = (64, 32, 16)
    reach: float = 6.0
    training: TrainingHyper = field(
        default_factory=lambda: TrainingHyper(
            epochs=10, batch=2048, learning_rate=1e-4, weight_decay=1e-8, clip=0.1, keep="last"
        )
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        self._refuse(
            nodes=bool(self.nodes) and all(n >= 1 for n in self.nodes), reach=self.reach > 0
        )


def train_normalised(
    energy: nn.Module,
    x: Rows,
    hyper: NormalisedHyper,
    *,
    weight: NDArray[np.float64] | None,
    seed: int,
) -> None:
    """Train an autoencoder as a plain one, then against its own samples.

    Parameters
    ----------
    energy : Module
        With its initial weights, as :class:`~overdensity.ml.networks.normalised.Energy` says; left
        on the CPU, in evaluation mode.
    x : array of shape (n_events, ...)
        Events.
    hyper : NormalisedHyper
        Both trainings.
    weight : ndarray of float64, shape (n_events,), optional
        Event weights.
    seed : int
        Decides batches and samples.
    """

    def fit(
        module: nn.Module, losses: Callable[[Any, Tensor], Tensor], how: TrainingHyper, number: int
    ) -> None:
        train(
            module,
            losses,
            [x],
            train=np.arange(len(x)),
            validation=np.arange(0),
            hyper=how,
            seed=seed + number,
            device=hyper.device,
            weight=weight,
        )

    fit(energy, lambda module, batch: module.errors(batch), hyper.first, 0)
    if hyper.normalise:
        with seeded(seed, 1):
            both = WithNegatives(energy, hyper.chains)
        fit(both, WithNegatives.losses, hyper.training, 1)


@register_method("normalised_autoencoder")
class NormalisedAutoencoder(Reconstruction[NormalisedAutoencoderHyper, NormalisedNumbers]):
    """Reconstruction error of a normalised autoencoder for each jet: outliers, simple or not.

    A plain autoencoder rebuilds what is simple, also where it has never seen it. This one is
    shown what it rebuilds well, drawn from itself, and learns to rebuild nothing but what the
    events are like.
    """

    source: ClassVar[str] = (
        "normalised autoencoders: arXiv:2105.05735; on jets: arXiv:2206.14225; here on columns"
    )
    Hyper: ClassVar[type[NormalisedAutoencoderHyper]] = NormalisedAutoencoderHyper
    fast: ClassVar[Mapping[str, Any]] = {
        "nodes": (8,),
        "latent": 2,
        "first": {"epochs": 2, "batch": 250, "learning_rate": 1e-2},
        "training": {"epochs": 1, "batch": 500},
        "chains": {"latent_steps": 2, "steps": 2},
        "device": "cpu",
    }

    def _learn(
        self, x: NDArray[np.float32], *, weight: NDArray[np.float64] | None, seed: int
    ) -> NormalisedNumbers:
        with seeded(seed):
            energy = self._untrained(x.shape[1])
        train_normalised(energy, x, self.hyper, weight=weight, seed=seed)
        return energy

    def _errors(self, model: NormalisedNumbers, x: NDArray[np.float32]) -> NDArray[np.float32]:
        return in_rows(model, model.errors, x, device=self.hyper.device)

    def _model_arrays(self, model: NormalisedNumbers) -> dict[str, NDArray[Any]]:
        return weights_of(model)

    def _model_of(self, arrays: Mapping[str, NDArray[Any]]) -> NormalisedNumbers:
        return with_weights(self._untrained(arrays["encoder.0.weight"].shape[1]), arrays)

    def _untrained(self, features: int) -> NormalisedNumbers:
        hyper = self.hyper
        return NormalisedNumbers(
            features, nodes=hyper.nodes, latent=hyper.latent, reach=hyper.reach
        )
