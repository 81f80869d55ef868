"""Distances of images: how far, and how much of the pT, must be moved to make one of the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...core import extra_for

__all__ = ["Lit", "lit_pixels", "transport_distances", "transport_matrix"]


class Lit(NamedTuple):
    """The pixels of an image that hold something.

    Attributes
    ----------
    places : ndarray of float64, shape (n_pixels, 2)
        Row and column, in units of half the width of the image.
    shares : ndarray of float64, shape (n_pixels,)
        Add up to one.
    """

    places: NDArray[np.float64]
    shares: NDArray[np.float64]


def lit_pixels(images: NDArray[np.floating[Any]], most: int) -> list[Lit]:
    """Return the brightest pixels of images; where nothing is lit, all lies in the middle.

    Parameters
    ----------
    images : ndarray, shape (n_images, height, width)
        No pixel is negative.
    most : int
        How many of an image at most; what the others hold is left out.

    Examples
    --------
    >>> (image,) = lit_pixels(np.array([[[3.0, 0.0], [0.0, 1.0]]]), most=8)
    >>> image.places.tolist(), image.shares.tolist()
    ([[0.0, 0.0], [1.0, 1.0]], [0.75, 0.25])
    """
    height, width = images.shape[1:]
    found = []
    for flat in images.reshape(len(images), -1).astype(np.float64):
        lit = np.flatnonzero(flat)
        if len(lit) > most:
            lit = np.sort(lit[np.argsort(-flat[lit], kind="stable")[:most]])
        if not len(lit):
            found.append(Lit(np.array([[height - 1, width - 1]]) / width, np.ones(1)))
            continue
        places = np.stack(np.divmod(lit, width), axis=1) * (2 / width)
        found.append(Lit(places, flat[lit] / flat[lit].sum()))
    return found


def transport_distances(
    images: Sequence[Lit], others: Sequence[Lit], *, power: float
) -> NDArray[np.float64]:
    r"""Return the distance of each image from the other one of its pair, shape (n_images,).

    .. math:: d^{(p)} = \min_f \sum_{ij} f_{ij} \theta_{ij}^p,

    with flows :math:`f_{ij} \geq 0` that make of the first image the second, and angles in units of
    half the width (balanced optimal transport of normalized images: P. T. Komiske, E. M. Metodiev,
    J. Thaler, arXiv:1902.02346; K. Fraser et al., arXiv:2110.06948). POT solves it exactly.

    Parameters
    ----------
    images, others : sequence of Lit
        As many of each.
    power : float
        p.

    Examples
    --------
    >>> one, other = lit_pixels(np.array([[[3.0, 0, 0, 1.0]], [[4.0, 0, 0, 0]]]), most=8)
    >>> transport_distances([one], [other], power=1.0)  # a quarter moves by 3 of 2 pixels
    array([0.375])
    """
    with extra_for("the distance of images"):
        import ot  # noqa: PLC0415 - of an extra
    found = np.empty(len(images))
    for i, (one, other) in enumerate(zip(images, others, strict=True)):
        squares = np.square(one.places[:, None] - other.places).sum(axis=2)
        cost = squares ** (power / 2)
        found[i] = ot.emd2(one.shares, other.shares, cost, check_marginals=False)
    return found


def transport_matrix(
    images: Sequence[Lit], references: Sequence[Lit], *, power: float
) -> NDArray[np.float64]:
    """Return the distance of each image from each reference, shape (n_images, n_references).

    Of a sequence from itself the lower half is computed.

    Examples
    --------
    >>> lit = lit_pixels(np.eye(4)[:3, None], most=1)
    >>> transport_matrix(lit, lit, power=1.0)
    array([[0. , 0.5, 1. ],
           [0.5, 0. , 0.5],
           [1. , 0.5, 0. ]])
    """
    if images is not references:
        columns = [
            transport_distances(images, [each] * len(images), power=power) for each in references
        ]
        return np.stack(columns, axis=1)
    found = np.zeros((len(images), len(images)))
    for i, image in enumerate(images):
        found[i, :i] = transport_distances([image] * i, images[:i], power=power)
    return found + found.T
