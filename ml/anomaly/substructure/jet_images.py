"""Bases of the outlier detectors that read the image of each jet."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from ....core import ConfigError, InputError
from ...blocks.images import Images
from ...method import Need
from ...networks.images.convolutions import IMAGES_AT_A_TIME
from ...sample import Sample
from ...training.engine import seeded, train
from ...training.in_rows import in_rows
from ...training.training_hyper import TrainingHyper
from ...training.weights import weights_of, with_weights
from ..outliers.reconstruction import JetOutliers, ReconstructionHyper

__all__ = ["ImageNetworkHyper", "ImageNetworks", "JetImages"]

_VALIDATION = 10  # every so many-th event: the published 10 %

AnyHyperT = TypeVar("AnyHyperT", bound=ReconstructionHyper)
ModelT = TypeVar("ModelT")


class JetImages(JetOutliers[AnyHyperT, Images, ModelT], Generic[AnyHyperT, ModelT]):
    """A model of the image of each jet, made to add up to one; it sees nothing else.

    Masses of the jets order them where they are among the features, and are read for nothing else.
    """

    needs: tuple[Need, ...] = ("images",)

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

    def _refuse_undivided(self, height: int, width: int, halvings: int, remedy: str) -> None:
        """Raise a ConfigError if images cannot be halved so many times."""
        by = 2**halvings
        if height % by or width % by:
            msg = (
                f"method {self.name!r} halves images, and {height} x {width} pixels do not divide by {by}; "
                f"{remedy}"
            )
            raise ConfigError(msg)

    def _refuse_other_size(self, x: Images, height: int, width: int) -> None:
        """Raise an InputError unless images have the size that the method was fitted on."""
        if x.shape[1:] != (height, width):
            msg = (
                f"method {self.name!r} was fitted on images of {height} x {width} "
                f"pixels, and is to score {x.shape[1]} x {x.shape[2]}"
            )
            raise InputError(msg)


@dataclass(frozen=True)
class ImageNetworkHyper(ReconstructionHyper):
    """Hyperparameters that all such networks have.

    Attributes
    ----------
    training : TrainingHyper
        How each is trained; every tenth event validates it.
    device : str
        ``auto`` (the GPU where there is one), ``cpu``, ``cuda`` or ``mps``.
    """

    training: TrainingHyper = field(default_factory=TrainingHyper)
    device: str = "auto"


HyperT = TypeVar("HyperT", bound=ImageNetworkHyper)
NetworkT = TypeVar("NetworkT", bound=nn.Module)


class ImageNetworks(JetImages[HyperT, NetworkT], Generic[HyperT, NetworkT]):
    """A network of the image of each jet: a subclass brings it, its loss and its score.

    The network has attributes ``height`` and ``width``, in pixels.
    """

    @abstractmethod
    def _untrained(self, height: int, width: int) -> NetworkT:
        """Return a network with its initial weights, for images of a size."""

    @abstractmethod
    def _losses(self, network: NetworkT, images: Tensor) -> Tensor:
        """Return the loss of each image in training."""

    def _scores(self, network: NetworkT, x: Images) -> NDArray[np.float32]:
        """Return how anomalous each image is; its loss, if a subclass does not say otherwise."""
        return self._made(network, lambda some: self._losses(network, some), x)

    def _made(
        self,
        network: NetworkT,
        made: Callable[[Tensor], Tensor],
        x: Images | NDArray[np.float32],
        shape: tuple[int, ...] = (),
    ) -> NDArray[np.float32]:
        """Return what is made of each image, of a shape."""
        rows, device = IMAGES_AT_A_TIME, self._device
        return in_rows(network, made, x, device=device, rows=rows, shape=shape)

    @property
    def _device(self) -> str:
        return self.hyper.device

    def _learn(self, x: Images, *, weight: NDArray[np.float64] | None, seed: int) -> NetworkT:
        with seeded(seed):
            network = self._untrained(*x.shape[1:])
        check = np.arange(len(x)) % _VALIDATION == 0
        train(
            network,
            self._losses,
            [x],
            train=~check,
            validation=check,
            hyper=self.hyper.training,
            seed=seed,
            device=self._device,
            weight=weight,
            part=IMAGES_AT_A_TIME,
        )
        return network

    def _errors(self, model: NetworkT, x: Images) -> NDArray[np.float32]:
        self._refuse_other_size(x, *_size_of(model))
        return self._scores(model, x)

    def _model_arrays(self, model: NetworkT) -> dict[str, NDArray[Any]]:
        return {"size": np.array(_size_of(model))} | weights_of(model)

    def _model_of(self, arrays: Mapping[str, NDArray[Any]]) -> NetworkT:
        height, width = arrays["size"].tolist()
        weights = {name: each for name, each in arrays.items() if name != "size"}
        return with_weights(self._untrained(height, width), weights)


def _size_of(network: Any) -> tuple[int, int]:
    return network.height, network.width
