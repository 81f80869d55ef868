"""Convolutional autoencoders on images of jets: what they cannot rebuild is anomalous."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ....core import ConfigError, InputError
from ...blocks.images import Images
from ...method import Need, register_method
from ...networks.convolutions import ConvolutionalAutoencoder
from ...sample import Sample
from ...training.engine import seeded, train
from ...training.in_rows import in_rows
from ...training.training_hyper import TrainingHyper
from ...training.weights import weights_of, with_weights
from ..outliers.reconstruction import JetOutliers, ReconstructionHyper

__all__ = ["ImageAutoencoder", "ImageAutoencoderHyper"]

_VALIDATION = 10  # every so many-th event: the published 10 %


@dataclass(frozen=True)
class ImageAutoencoderHyper(ReconstructionHyper):
    """Hyperparameters; defaults are those of the public code of Tag N' Train (arXiv:2002.12376).

    Attributes
    ----------
    filters : tuple of three int
        Convolutions of the encoder, from the outer to the inner one.
    dense, latent : int
        Nodes of the dense layer and of the bottleneck.
    training : TrainingHyper
        How each is trained; every tenth event validates it.
    device : str
        ``auto`` (the GPU where there is one), ``cpu`` or ``cuda``.
    """

    filters: tuple[int, ...] = (32, 16, 4)
    dense: int = 16
    latent: int = 6
    training: TrainingHyper = field(
        default_factory=lambda: TrainingHyper(epochs=30, batch=200, patience=5)
    )
    device: str = "auto"

    def __post_init__(self) -> None:
        super().__post_init__()
        self._refuse(
            filters=len(self.filters) == 3 and all(each >= 1 for each in self.filters),
            dense=self.dense >= 1,
            latent=self.latent >= 1,
        )


@register_method("image_autoencoder")
class ImageAutoencoder(JetOutliers[ImageAutoencoderHyper, Images, ConvolutionalAutoencoder]):
    """Reconstruction error of a convolutional autoencoder for the image of each jet: outliers.

    It learns from all events it is given, whatever their mass, and sees nothing but the images,
    made to add up to one.
    """

    needs: tuple[Need, ...] = ("images",)
    source: ClassVar[str] = (
        "Autoencoders of Tag N' Train, LHC Olympics 2020 (arXiv:2101.08320), section 4.3; "
        "arXiv:2002.12376; deep autoencoders on jet images: arXiv:1808.08992"
    )
    Hyper: ClassVar[type[ImageAutoencoderHyper]] = ImageAutoencoderHyper
    fast: ClassVar[Mapping[str, Any]] = {
        "filters": (4, 4, 2),
        "latent": 3,
        "training": {"epochs": 2, "batch": 100, "learning_rate": 5e-3},
        "device": "cpu",
    }

    def inputs_of(self, data: Sample) -> Sample:
        """Return the images alone; see :meth:`Method.inputs_of`."""
        nothing = np.empty((len(data), 0), np.float32)
        return replace(data, features=nothing, names=(), blocks=self._images(data))

    def _prepare(self, data: Sample) -> None:
        self._names, self._blocks = data.names, tuple(self._images(data))

    def _jets(self, data: Sample) -> dict[str, Images]:
        images = self._images(self._sorted(data))
        return {name: images[name] for name in self._blocks}

    def _images(self, data: Sample) -> dict[str, Images]:
        found = data.blocks_of("images", method=self.name)
        return {
            name: block.normalised() for name, block in found.items() if isinstance(block, Images)
        }

    def _learn(
        self, x: Images, *, weight: NDArray[np.float64] | None, seed: int
    ) -> ConvolutionalAutoencoder:
        with seeded(seed):
            model = self._untrained(*x.shape[1:])
        check = np.arange(len(x)) % _VALIDATION == 0
        train(
            model,
            ConvolutionalAutoencoder.errors,
            [x],
            train=~check,
            validation=check,
            hyper=self.hyper.training,
            seed=seed,
            device=self.hyper.device,
            weight=weight,
        )
        return model

    def _errors(self, model: ConvolutionalAutoencoder, x: Images) -> NDArray[np.float32]:
        if x.shape[1:] != (model.height, model.width):
            msg = (
                f"method {self.name!r} was fitted on images of {model.height} x {model.width} "
                f"pixels, and is to score {x.shape[1]} x {x.shape[2]}"
            )
            raise InputError(msg)
        return in_rows(model, model.errors, x, device=self.hyper.device)

    def _model_arrays(self, model: ConvolutionalAutoencoder) -> dict[str, NDArray[Any]]:
        size = {"size": np.array([model.height, model.width])}
        return size | weights_of(model)

    def _model_of(self, arrays: Mapping[str, NDArray[Any]]) -> ConvolutionalAutoencoder:
        height, width = arrays["size"].tolist()
        weights = {name: each for name, each in arrays.items() if name != "size"}
        return with_weights(self._untrained(height, width), weights)

    def _untrained(self, height: int, width: int) -> ConvolutionalAutoencoder:
        hyper = self.hyper
        if height % 4 or width % 4:
            msg = (
                f"method {self.name!r} halves images twice, and {height} x {width} pixels do not "
                "divide by 4; make images of another size"
            )
            raise ConfigError(msg)
        return ConvolutionalAutoencoder(
            height, width, filters=hyper.filters, dense=hyper.dense, latent=hyper.latent
        )
