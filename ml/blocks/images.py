"""Images of jets: half-precision pixels on disk, single-precision ones where they are read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...core import InputError
from .block import Block, BlockKind, Store
from .mapped import forget, gathered, new_array

__all__ = ["Images", "ImagesReader", "Pixels"]

_ROWS = 8192  # images in single precision at a time


@dataclass(frozen=True, eq=False)
class Pixels(Store):
    """Images as they are stored.

    Attributes
    ----------
    values : ndarray of float16, shape (n_images, height, width)
        Pixels, for instance fractions of pT.
    """

    values: NDArray[np.float16]

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.values)


@dataclass(frozen=True, eq=False)
class Images(Block[Pixels]):
    """One image of each event; see :class:`Block`.

    It is a column for :func:`~overdensity.ml.training.engine.train`.

    Examples
    --------
    >>> jets = Images.from_array([[[3.0, 0.0], [0.0, 1.0]]])
    >>> jets.normalised()[:1]
    array([[[0.75, 0.  ],
            [0.  , 0.25]]], dtype=float32)
    """

    kind: ClassVar[BlockKind] = "images"
    summary_names: ClassVar[tuple[str, ...]] = (
        "ln sum",
        "ln brightest",
        "ln lit pixels",
        "ln radius²",
        "ln radius",
    )
    dtype: ClassVar[np.dtype[np.float32]] = np.dtype(np.float32)

    @classmethod
    def from_array(cls, images: ArrayLike) -> Self:
        """Return the block of an array of images, shape (n_events, height, width).

        Raises
        ------
        InputError
            If the shape is another, or a pixel is not finite in half precision.
        """
        values = np.asarray(images)
        if values.ndim != 3:
            msg = f"images need an array of shape (n_events, height, width), found {values.shape}"
            raise InputError(msg)
        reader = ImagesReader(*values.shape)
        for start in range(0, len(values), _ROWS):
            reader.add(values[start : start + _ROWS])
        return cls(reader.block().stores, np.arange(len(values)))

    @property
    def shape(self) -> tuple[int, int, int]:
        """The number of events, the height and the width."""
        return (len(self), *self.stores[0].values.shape[1:])

    def __getitem__(self, which: Any) -> NDArray[np.float32]:
        """Return the images of some events, shape (n, height, width)."""
        n = len(np.atleast_1d(self.rows[which]))
        images = np.empty((n, *self.shape[1:]), np.float32)
        for store, rows, events in self._pieces(which):
            images[events] = gathered(store.values, rows)
        if self.per_jet:
            total = images.sum(axis=(1, 2), keepdims=True)
            images = np.divide(images, total, out=images, where=total > 0)
        return images

    def refuse_unlike(self, other: Block[Any]) -> None:
        """Raise an InputError for constituents, other sizes, or if only one is normalised."""
        if not isinstance(other, Images):
            msg = f"images and {other.kind} cannot be joined"
            raise InputError(msg)
        if (self.shape[1:], self.per_jet) != (other.shape[1:], other.per_jet):
            msg = (
                f"images of {_size(self)} and {_size(other)} cannot be joined; make both of one "
                "size, and normalise both or none"
            )
            raise InputError(msg)

    def summaries(self) -> NDArray[np.float64]:
        """Return logarithms of the sum of an image, its brightest pixel, lit pixels and moments."""
        height, width = self.shape[1:]
        y, x = np.mgrid[:height, :width]
        radius2 = (y - (height - 1) / 2) ** 2 + (x - (width - 1) / 2) ** 2
        found = [np.empty((0, 5))]
        for start in range(0, len(self), _ROWS):
            images = self[start : start + _ROWS].astype(np.float64)
            found.append(
                np.stack(
                    [
                        images.sum(axis=(1, 2)),
                        images.max(axis=(1, 2)),
                        np.count_nonzero(images, axis=(1, 2)),
                        (images * radius2).sum(axis=(1, 2)),
                        (images * np.sqrt(radius2)).sum(axis=(1, 2)),
                    ],
                    axis=1,
                )
            )
        return np.log(np.concatenate(found).clip(min=0) + 1e-6)


class ImagesReader:
    """Images that come batch by batch.

    Parameters
    ----------
    images, height, width : int
        How many, and of which size.
    """

    def __init__(self, images: int, height: int, width: int) -> None:
        self._values = new_array((images, height, width), np.float16)
        self._images = 0

    def add(self, values: NDArray[Any]) -> None:
        """Take the next images, shape (n, height, width).

        Raises
        ------
        InputError
            If a pixel is not finite in half precision.
        """
        with np.errstate(over="ignore"):
            half = values.astype(np.float16)
        bad = int(np.count_nonzero(~np.isfinite(half)))
        if bad:
            msg = (
                f"{bad} pixels of images are NaN, infinite or above {np.finfo(np.float16).max}; "
                "remove these events or repair the column"
            )
            raise InputError(msg)
        self._values[self._images : self._images + len(half)] = half
        self._images += len(half)
        forget(self._values)

    def block(self) -> Images:
        """Return the block of all images."""
        return Images((Pixels(self._values),), np.arange(len(self._values)))


def _size(images: Images) -> str:
    height, width = images.shape[1:]
    return f"{height} x {width} pixels{', normalised,' if images.per_jet else ''}"
