"""Variational autoencoders on images of jets, and distances of what they rebuild."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ...blocks.images import Images
from ...losses.transport import lit_pixels, transport_distances
from ...method import register_method
from ...networks.images.image_variational import ImageVariationalAutoencoder
from ...training.training_hyper import TrainingHyper
from .jet_images import ImageNetworkHyper, ImageNetworks

__all__ = ["ImageVae", "ImageVaeHyper"]

Score = Literal["loss", "mse", "mae", "emd"]

_ROWS = 4096  # rebuilt images at a time


@dataclass(frozen=True)
class ImageVaeHyper(ImageNetworkHyper):
    """Hyperparameters; of the published ones (arXiv:2110.06948) the loss and the number of blocks.

    Attributes
    ----------
    blocks : int
        How often an image is halved: 1, 2 or 3 in the paper.
    filters, latent : int
        Filters of all convolutions, and latent numbers.
    beta : float
        Weight of the Kullback–Leibler divergence; that of the squared error is 1 - beta.
    score : {"loss", "mse", "mae", "emd"}
        What an image is scored by: the loss, the squared or the absolute error, or the distance of optimal
        transport (the package POT) between the image and what is made of it.
    power : float
        Of the angle in that distance.
    pixels : int
        The brightest pixels of an image that are transported.
    """

    blocks: int = 3
    filters: int = 5
    latent: int = 64
    beta: float = 1e-3
    score: str = "loss"
    power: float = 1.0
    pixels: int = 50
    training: TrainingHyper = field(
        default_factory=lambda: TrainingHyper(epochs=100, batch=64, patience=5)
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        self._refuse(
            blocks=self.blocks >= 1,
            filters=self.filters >= 1,
            latent=self.latent >= 1,
            beta=0 <= self.beta < 1,
            score=self.score in get_args(Score),
            power=self.power > 0,
            pixels=self.pixels >= 1,
        )


@register_method("image_vae")
class ImageVae(ImageNetworks[ImageVaeHyper, ImageVariationalAutoencoder]):
    """Loss of a variational autoencoder for the image of each jet, or a distance: outliers.

    It learns from all events it is given, whatever their mass, and sees nothing but the images,
    made to add up to one. Errors are sums over pixels, in units of what a pixel holds on average.
    """

    source: ClassVar[str] = (
        "K. Fraser, S. Homiller, R. K. Mishra, B. Ostdiek, M. D. Schwartz, arXiv:2110.06948"
    )
    Hyper: ClassVar[type[ImageVaeHyper]] = ImageVaeHyper
    fast: ClassVar[Mapping[str, Any]] = {
        "blocks": 2,
        "filters": 2,
        "latent": 2,
        "score": "mae",
        "training": {"epochs": 1, "batch": 100, "learning_rate": 2e-2},
        "device": "cpu",
    }

    def _untrained(self, height: int, width: int) -> ImageVariationalAutoencoder:
        hyper = self.hyper
        self._refuse_undivided(height, width, hyper.blocks, "set fewer blocks")
        return ImageVariationalAutoencoder(
            height, width, blocks=hyper.blocks, filters=hyper.filters, latent=hyper.latent
        )

    def _losses(self, network: ImageVariationalAutoencoder, images: Tensor) -> Tensor:
        rebuilt, divergence = network(images)
        errors = (rebuilt - images).square().sum(dim=(1, 2)) * (network.height * network.width)
        return (1 - self.hyper.beta) * errors + self.hyper.beta * divergence

    def _scores(self, network: ImageVariationalAutoencoder, x: Images) -> NDArray[np.float32]:
        how = self.hyper.score
        if how == "loss":
            return super()._scores(network, x)
        found = np.empty(len(x), np.float32)
        for start in range(0, len(x), _ROWS):
            images = x[start : start + _ROWS]
            rebuilt = self._made(network, lambda some: network(some)[0], images, images.shape[1:])
            found[start : start + _ROWS] = self._distances(images, rebuilt)
        return found

    def _distances(
        self, images: NDArray[np.float32], rebuilt: NDArray[np.float32]
    ) -> NDArray[np.floating[Any]]:
        """Return how far what was rebuilt is from each image."""
        if self.hyper.score == "mse":
            return np.square(rebuilt - images).sum(axis=(1, 2))
        if self.hyper.score == "mae":
            return np.abs(rebuilt - images).sum(axis=(1, 2))
        one, other = (lit_pixels(each, self.hyper.pixels) for each in (images, rebuilt))
        return transport_distances(one, other, power=self.hyper.power)
