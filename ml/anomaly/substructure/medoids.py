"""Distances of jets from a few jets that stand for all: optimal transport and k-medoids."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from ....core import InputError, extra_for
from ...blocks.images import Images
from ...losses.transport import Lit, lit_pixels, transport_matrix
from ...method import register_method
from ..outliers.reconstruction import ReconstructionHyper
from .jet_images import JetImages

__all__ = ["Medoids", "MedoidsHyper"]

Metric = Literal["emd", "mse"]
Combined = Literal["min", "sum"]

_ROWS = 4096  # images at a time


@dataclass(frozen=True)
class MedoidsHyper(ReconstructionHyper):
    """Hyperparameters; defaults are the best of arXiv:2110.06948 for top jets.

    Attributes
    ----------
    medoids : int
        How many jets stand for all; 0 takes the mean image in their place.
    jets : int
        Among how many of the training jets they are found; all pairs of these are compared.
    metric : {"emd", "mse"}
        Optimal transport, or the squared difference of pixels.
    power : float
        Of the angle in optimal transport.
    together : {"min", "sum"}
        The distance from the nearest of them, or the sum of all.
    pixels : int
        The brightest pixels of an image that are transported.
    """

    medoids: int = 5
    jets: int = 1000
    metric: str = "emd"
    power: float = 1.0
    together: str = "min"
    pixels: int = 50

    def __post_init__(self) -> None:
        super().__post_init__()
        self._refuse(
            medoids=self.medoids >= 0,
            jets=self.jets > max(1, self.medoids),
            metric=self.metric in get_args(Metric),
            power=self.power > 0,
            together=self.together in get_args(Combined),
            pixels=self.pixels >= 1,
        )


@register_method("medoids")
class Medoids(JetImages[MedoidsHyper, NDArray[np.float32]]):
    """Distance of the image of each jet from the nearest of a few that stand for all: outliers.

    The few are medoids: jets of the data from which all others are nearest in sum. No network is
    trained.
    """

    requires: ClassVar[tuple[str, ...]] = ("ot", "kmedoids")
    source: ClassVar[str] = (
        "K. Fraser, S. Homiller, R. K. Mishra, B. Ostdiek, M. D. Schwartz, arXiv:2110.06948; "
        "FasterPAM: arXiv:1810.05691"
    )
    Hyper: ClassVar[type[MedoidsHyper]] = MedoidsHyper
    fast: ClassVar[Mapping[str, Any]] = {"medoids": 3, "jets": 100, "metric": "mse"}

    def _learn(
        self, x: Images, *, weight: NDArray[np.float64] | None, seed: int
    ) -> NDArray[np.float32]:
        """Return the images that stand for all."""
        hyper = self.hyper
        rng = np.random.default_rng(seed)
        likely = None if weight is None else weight.clip(min=0) / weight.clip(min=0).sum()
        drawn = np.sort(
            rng.choice(len(x), min(hyper.jets, len(x)), replace=weight is not None, p=likely)
        )
        images = x[drawn]
        if not hyper.medoids:
            return images.mean(axis=0, keepdims=True)
        if len(images) <= hyper.medoids:
            msg = (
                f"method {self.name!r}: {len(images)} jets have no {hyper.medoids} medoids; use more "
                "events or fewer medoids"
            )
            raise InputError(msg)
        with extra_for(f"method {self.name!r}"):
            import kmedoids  # noqa: PLC0415 - of an extra
        apart = self._apart(images, images)
        found = kmedoids.fasterpam(
            apart, hyper.medoids, init="build", random_state=seed % 2**32, n_cpu=1
        )
        return images[np.sort(found.medoids.astype(np.int64))]

    def _errors(self, model: NDArray[np.float32], x: Images) -> NDArray[np.float32]:
        self._refuse_other_size(x, *model.shape[1:])
        found = np.empty(len(x), np.float32)
        for start in range(0, len(x), _ROWS):
            apart = self._apart(x[start : start + _ROWS], model)
            least = self.hyper.together == "min"
            found[start : start + _ROWS] = apart.min(axis=1) if least else apart.sum(axis=1)
        return found

    def _apart(
        self, images: NDArray[np.float32], others: NDArray[np.float32]
    ) -> NDArray[np.float64]:
        """Return the distance of each image from each other one."""
        if self.hyper.metric == "mse":
            one, other = (
                each.reshape(len(each), -1).astype(np.float64) for each in (images, others)
            )
            squares = np.square(one).sum(axis=1)[:, None] + np.square(other).sum(axis=1)
            return (squares - 2 * one @ other.T).clip(min=0)
        lit: list[Lit] = lit_pixels(images, self.hyper.pixels)
        same = others is images
        others_lit = lit if same else lit_pixels(others, self._most(others))
        return transport_matrix(lit, others_lit, power=self.hyper.power)

    def _most(self, others: NDArray[np.float32]) -> int:
        """Return how many pixels of the references are kept: of a mean image that has all, all."""
        return self.hyper.pixels if self.hyper.medoids else others[0].size

    def _model_arrays(self, model: NDArray[np.float32]) -> dict[str, NDArray[Any]]:
        return {"images": model}

    def _model_of(self, arrays: Mapping[str, NDArray[Any]]) -> NDArray[np.float32]:
        return arrays["images"]
