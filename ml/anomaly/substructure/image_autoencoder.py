"""Convolutional autoencoders on images of jets: what they cannot rebuild is anomalous."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from torch import Tensor

from ...method import register_method
from ...networks.images.convolutions import ConvolutionalAutoencoder
from ...training.training_hyper import TrainingHyper
from .jet_images import ImageNetworkHyper, ImageNetworks

__all__ = ["ImageAutoencoder", "ImageAutoencoderHyper"]


@dataclass(frozen=True)
class ImageAutoencoderHyper(ImageNetworkHyper):
    """Hyperparameters; defaults are those of the public code of Tag N' Train (arXiv:2002.12376).

    Attributes
    ----------
    filters : tuple of three int
        Convolutions of the encoder, from the outer to the inner one.
    dense, latent : int
        Nodes of the dense layer and of the bottleneck.
    """

    filters: tuple[int, ...] = (32, 16, 4)
    dense: int = 16
    latent: int = 6
    training: TrainingHyper = field(
        default_factory=lambda: TrainingHyper(epochs=30, batch=200, patience=5)
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        self._refuse(
            filters=len(self.filters) == 3 and all(each >= 1 for each in self.filters),
            dense=self.dense >= 1,
            latent=self.latent >= 1,
        )


@register_method("image_autoencoder")
class ImageAutoencoder(ImageNetworks[ImageAutoencoderHyper, ConvolutionalAutoencoder]):
    """Reconstruction error of a convolutional autoencoder for the image of each jet: outliers.

    It learns from all events it is given, whatever their mass, and sees nothing but the images,
    made to add up to one.
    """

    source: ClassVar[str] = (
        "Autoencoders of Tag N' Train, LHC Olympics 2020 (arXiv:2101.08320), section 4.3; "
        "arXiv:2002.12376; deep autoencoders on jet images: arXiv:1808.08992"
    )
    Hyper: ClassVar[type[ImageAutoencoderHyper]] = ImageAutoencoderHyper
    fast: ClassVar[Mapping[str, Any]] = {
        "filters": (4, 4, 2),
        "latent": 3,
        "training": {"epochs": 2, "batch": 100, "learning_rate": 1e-2},
        "device": "cpu",
    }

    def _untrained(self, height: int, width: int) -> ConvolutionalAutoencoder:
        hyper = self.hyper
        self._refuse_undivided(height, width, 2, "make images of another size")
        return ConvolutionalAutoencoder(
            height, width, filters=hyper.filters, dense=hyper.dense, latent=hyper.latent
        )

    def _losses(self, network: ConvolutionalAutoencoder, images: Tensor) -> Tensor:
        return network.errors(images)
