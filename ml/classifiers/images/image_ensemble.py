"""Ensembles of networks on images, and what kinds of classifiers on images share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray

from ....core import InputError
from ...blocks.images import Images
from ...networks.images.convolutions import IMAGES_AT_A_TIME, ConvolutionalClassifier
from ..kinds import Inputs
from ..module_ensemble import ModuleEnsemble, fit_modules, restored_modules

__all__ = ["ImageEnsemble", "fit_images", "images_of", "normalised_images"]

_LOOKED_AT = 20_000  # events that decide the standardisation


def images_of(x: Inputs, kind: str) -> tuple[str, ...]:
    """Return the names of the columns of images.

    Raises
    ------
    InputError
        If images differ in size; it names the kind of classifier.
    """
    found = {name: block for name, block in x.blocks.items() if isinstance(block, Images)}
    if len({block.shape[1:] for block in found.values()}) > 1:
        sizes = ", ".join(f"{name} {b.shape[1]} x {b.shape[2]}" for name, b in found.items())
        msg = (
            f"the classifier {kind!r} reads images of one size, and finds {sizes}; name fewer of "
            "them under features"
        )
        raise InputError(msg)
    return tuple(found)


def normalised_images(x: Inputs, names: tuple[str, ...]) -> list[Images]:
    """Return the images of these columns, each made to add up to one.

    Raises
    ------
    InputError
        If the events lack one.
    """
    missing = [name for name in names if name not in x.blocks]
    if missing:
        msg = f"the classifier was trained on {', '.join(missing)}, which these events lack"
        raise InputError(msg)
    blocks = (x.blocks[name] for name in names)
    return [block.normalised() for block in blocks if isinstance(block, Images)]


@dataclass(frozen=True, eq=False)
class ImageEnsemble(ModuleEnsemble):
    """The mean probability of networks on images.

    Attributes
    ----------
    networks : tuple of ConvolutionalClassifier
        On the CPU.
    images : tuple of str
        Columns of images that they read.
    hyper : CnnHyper
        Shape of the networks.
    """

    images: tuple[str, ...]
    hyper: Any

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return all that was learnt; :meth:`from_arrays` takes it back."""
        network = self.networks[0]
        size = np.array([network.height, network.width])
        return {"images": np.array(self.images), "size": size} | super().arrays()

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]], *, hyper: Any) -> Self:
        """Take over what :meth:`arrays` returned; the shapes are those of the hyperparameters."""
        images, size = tuple(map(str, arrays["images"])), tuple(arrays["size"].tolist())
        networks = restored_modules(arrays, lambda: _untrained(len(images), size, hyper))
        return cls(networks, images, hyper)

    def _columns(self, x: Inputs) -> list[Images]:
        return normalised_images(x, self.images)

    def _device(self) -> str:
        return self.hyper.device

    def _rows(self) -> int:
        return IMAGES_AT_A_TIME


def fit_images(
    x: Inputs,
    y: NDArray[np.bool_],
    weight: NDArray[np.float64],
    inner: NDArray[np.int64],
    *,
    hyper: Any,
    members: int,
    seed: int,
) -> dict[int, ImageEnsemble]:
    """Train convolutional networks on images, some for each inner fold, which stops them.

    Parameters
    ----------
    x : Inputs
        Images of one size; other columns are not read.
    y, weight, inner, members, seed
        As of :func:`~overdensity.ml.classifiers.module_ensemble.fit_modules`.
    hyper : CnnHyper
        Shape and training.

    Returns
    -------
    dict of int to ImageEnsemble
        The networks that each inner fold has stopped.
    """
    names = images_of(x, "cnn")
    columns = normalised_images(x, names)
    every = max(1, len(x) // _LOOKED_AT)
    some = torch.from_numpy(np.stack([column[::every] for column in columns], axis=1))

    def make() -> ConvolutionalClassifier:
        network = _untrained(len(names), columns[0].shape[1:], hyper)
        network.mean.copy_(some.mean(dim=0))
        network.spread.copy_(some.std(dim=0))
        return network

    part = IMAGES_AT_A_TIME
    fitted = fit_modules(
        make, columns, y, weight, inner, hyper=hyper, members=members, seed=seed, part=part
    )
    return {fold: ImageEnsemble(networks, names, hyper) for fold, networks in fitted.items()}


def _untrained(images: int, size: tuple[int, ...], hyper: Any) -> ConvolutionalClassifier:
    return ConvolutionalClassifier(images, *size, filters=hyper.filters, dense=hyper.dense)
