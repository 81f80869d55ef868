"""Normalised autoencoders on images of jets: the reconstruction error as the energy of a density."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from ...blocks.images import Images
from ...blocks.mapped import forget, new_array
from ...method import register_method
from ...networks.images.convolutions import IMAGES_AT_A_TIME
from ...networks.images.normalised_images import NormalisedImages
from ...networks.normalised import ChainHyper
from ...training.engine import seeded
from ...training.in_rows import in_rows
from ...training.weights import weights_of, with_weights
from ..outliers.normalised_autoencoder import NormalisedHyper, train_normalised
from .jet_images import JetImages

__all__ = ["NormalisedImageAutoencoder", "NormalisedImageAutoencoderHyper"]

Output = Literal["sigmoid", "linear"]

_ROWS = 4096  # images that are smoothed at once


@dataclass(frozen=True)
class NormalisedImageAutoencoderHyper(NormalisedHyper):
    """Hyperparameters; defaults are those of arXiv:2206.14225 and its public code.

    Attributes
    ----------
    smoothing : float
        Standard deviation of the Gaussian by which images are smoothed, pixels.
    filters : int
        Of all convolutions.
    dense : int
        Nodes of the dense layer between image and sphere.
    output : {"sigmoid", "linear"}
        What the last layer ends in.
    chains : ChainHyper
        As of columns, with the published steps and noise of images: 50 and 0.0001; on the sphere 50 and 0.01,
        or for another task 0.1 and 0.05.
    """

    smoothing: float = 2.0
    filters: int = 8
    dense: int = 100
    output: str = "sigmoid"
    chains: ChainHyper = field(
        default_factory=lambda: ChainHyper(
            latent_step=50.0, latent_noise=0.01, step=50.0, noise=1e-4
        )
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        self._refuse(
            smoothing=self.smoothing > 0,
            filters=self.filters >= 1,
            dense=self.dense >= 1,
            output=self.output in get_args(Output),
        )


@register_method("normalised_image_autoencoder")
class NormalisedImageAutoencoder(JetImages[NormalisedImageAutoencoderHyper, NormalisedImages]):
    """Reconstruction error of a normalised autoencoder for the image of each jet: outliers, simple or not.

    Images add up to one and are smoothed, in units of what one lit pixel has at its peak then: a pixel is 1
    where all of a jet is in it.
    """

    source: ClassVar[str] = (
        "normalised autoencoders on jets: arXiv:2206.14225; normalised autoencoders: arXiv:2105.05735"
    )
    Hyper: ClassVar[type[NormalisedImageAutoencoderHyper]] = NormalisedImageAutoencoderHyper
    toy_is_too_small: ClassVar[bool] = True  # for the few steps of `fast`
    fast: ClassVar[Mapping[str, Any]] = {
        "smoothing": 1.0,
        "filters": 2,
        "dense": 8,
        "output": "linear",
        "first": {"epochs": 1, "batch": 300, "learning_rate": 2e-2},
        "normalise": False,
        "training": {"epochs": 1, "batch": 500},
        "chains": {"latent_steps": 1, "steps": 1},
        "device": "cpu",
    }

    def _learn(
        self, x: Images, *, weight: NDArray[np.float64] | None, seed: int
    ) -> NormalisedImages:
        smooth = new_array(x.shape, np.float32)
        for start in range(0, len(x), _ROWS):
            smooth[start : start + _ROWS] = self._smoothed(x[start : start + _ROWS])
            forget(smooth)
        with seeded(seed):
            energy = self._untrained(*x.shape[1:])
        train_normalised(energy, smooth, self.hyper, weight=weight, seed=seed)
        return energy

    def _errors(self, model: NormalisedImages, x: Images) -> NDArray[np.float32]:
        self._refuse_other_size(x, model.height, model.width)
        found = np.empty(len(x), np.float32)
        for start in range(0, len(x), _ROWS):
            some = self._smoothed(x[start : start + _ROWS])
            found[start : start + _ROWS] = in_rows(
                model, model.errors, some, device=self.hyper.device, part=IMAGES_AT_A_TIME
            )
        return found

    def _model_arrays(self, model: NormalisedImages) -> dict[str, NDArray[Any]]:
        return {"size": np.array([model.height, model.width])} | weights_of(model)

    def _model_of(self, arrays: Mapping[str, NDArray[Any]]) -> NormalisedImages:
        height, width = arrays["size"].tolist()
        weights = {name: each for name, each in arrays.items() if name != "size"}
        return with_weights(self._untrained(height, width), weights)

    def _smoothed(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return smoothed images, shape (n_images, height, width)."""
        sigma = self.hyper.smoothing
        smooth = gaussian_filter(images, (0, sigma, sigma), mode="constant")
        return np.minimum(2 * np.pi * sigma**2 * smooth, 1.0).astype(np.float32)

    def _untrained(self, height: int, width: int) -> NormalisedImages:
        hyper = self.hyper
        self._refuse_undivided(height, width, 1, "make images of another size")
        return NormalisedImages(
            height,
            width,
            filters=hyper.filters,
            dense=hyper.dense,
            latent=hyper.latent,
            output=hyper.output,
        )
