"""The bump hunt in two masses: the least probable of all rectangles, background fitted or given."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...core import InputError
from ..search.pseudo_experiments import Mapper
from ..spectra.functions import Basis, checked_edges
from ..spectra.spectrum import Constraint
from .engine import (
    BumpHuntResult,
    Direction,
    checked_reference,
    grid,
    hunt_reference,
    hunt_refitted,
)

__all__ = [
    "PlaneBasis",
    "bump_hunt_2d",
    "bump_hunt_2d_given_reference",
    "checked_plane",
    "plane_basis",
]

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class PlaneBasis(Basis):
    r"""A log-linear density of two masses, on bins numbered with the second axis fastest.

    ``edges`` are those of the first mass, ``y_edges`` those of the second; the published columns
    are :math:`u^j v^k` with :math:`j + k \le` ``degree`` and u, v the logarithms of the masses,
    mapped onto [-1, 1].
    """

    y_edges: Array
    degree: int

    def log_density(self, theta: Array, mass: ArrayLike) -> Array:
        """Return ln d²N/dx dy at masses of shape (…, 2), GeV."""
        mass = np.asarray(mass, dtype=float)
        u = _scaled(mass[..., 0], self.edges)
        v = _scaled(mass[..., 1], self.y_edges)
        return _powers(u, v, self.degree) @ self.transform @ theta


def plane_basis(
    edges: tuple[ArrayLike, ArrayLike], *, degree: int = 3, n_nodes: int = 2
) -> PlaneBasis:
    r"""Prepare the exponential of a polynomial in the logarithms of two masses.

    .. math:: \ln\frac{d^2N}{dx\,dy} = \sum_{j+k \le d} c_{jk} \ln^j x\, \ln^k y

    Degree 1 is a product of two power laws; products of ``dijet``-like functions need 2 or 3, as
    does a correlation of the masses.

    Parameters
    ----------
    edges : (array_like, array_like)
        Bin edges of both masses, GeV.
    degree : int
        Largest total power.
    n_nodes : int
        Gauss-Legendre nodes along each side of a bin.

    Returns
    -------
    PlaneBasis

    Raises
    ------
    InputError
        If the edges cannot be used, or are too few for the degree.
    """
    x_edges, y_edges = checked_edges(edges[0]), checked_edges(edges[1])
    if x_edges[0] <= 0 or y_edges[0] <= 0:
        msg = f"the masses start at {x_edges[0]:g} and {y_edges[0]:g} GeV, but must be above zero"
        raise InputError(msg)
    if degree < 1 or degree >= min(x_edges.size, y_edges.size) - 1:
        msg = (
            f"a polynomial of degree {degree} needs at least {degree + 1} bins in each mass, and "
            f"degree 1 or more; there are {x_edges.size - 1} and {y_edges.size - 1}"
        )
        raise InputError(msg)
    x, x_weights = _nodes(x_edges, n_nodes)
    y, y_weights = _nodes(y_edges, n_nodes)
    u, v = _scaled(x, x_edges), _scaled(y, y_edges)
    columns = _powers(u[:, None, :, None], v[None, :, None, :], degree)
    weights = x_weights[:, None, :, None] * y_weights[None, :, None, :]
    n_bins, n_par = (x_edges.size - 1) * (y_edges.size - 1), columns.shape[-1]
    columns = columns.reshape(n_bins, -1, n_par)
    _, upper = np.linalg.qr(
        columns.reshape(-1, n_par) / np.sqrt(columns.shape[0] * columns.shape[1])
    )
    transform = np.linalg.inv(upper) * np.sign(np.diag(upper))
    return PlaneBasis(
        name=f"plane{degree}",
        edges=x_edges,
        design=np.ascontiguousarray(columns @ transform),
        weights=np.ascontiguousarray(weights.reshape(n_bins, -1)),
        transform=transform,
        y_edges=y_edges,
        degree=degree,
    )


def bump_hunt_2d(
    edges: tuple[ArrayLike, ArrayLike],
    counts: ArrayLike,
    *,
    degree: int = 3,
    widths: tuple[tuple[int, int], tuple[int, int]] = ((2, 7), (2, 7)),
    looking_for: Direction = "excess",
    constraint: Constraint | None = None,
    pseudo_experiments: int = 10_000,
    seed: int = 0,
    mapper: Mapper | None = None,
) -> BumpHuntResult:
    """Hunt for a bump in two masses over a fitted background; every pseudo-experiment is refitted.

    As `bump_hunt`, with rectangles for intervals and `plane_basis` for the function.

    Parameters
    ----------
    edges : (array_like, array_like)
        Bin edges of both masses, GeV.
    counts : array_like of shape (n_x, n_y)
        Events in each bin.
    degree : int
        Of the polynomial in the logarithms of the masses.
    widths : ((int, int), (int, int))
        Narrowest and widest rectangle along each mass, in bins.
    looking_for, constraint, pseudo_experiments, seed, mapper
        As in `bump_hunt`.

    Returns
    -------
    BumpHuntResult

    Raises
    ------
    InputError
        If the spectrum, the degree or the widths cannot be used.
    ConfigError
        If the direction is unknown.
    FitError
        If the fit of the data does not converge.
    """
    axes, plane = checked_plane(edges, counts)
    return hunt_refitted(
        grid(axes, widths, None),
        plane,
        plane_basis(axes, degree=degree),
        looking_for=looking_for,
        constraint=constraint,
        pseudo_experiments=pseudo_experiments,
        seed=seed,
        mapper=mapper,
    )


def bump_hunt_2d_given_reference(
    edges: tuple[ArrayLike, ArrayLike],
    counts: ArrayLike,
    reference: ArrayLike,
    *,
    widths: tuple[tuple[int, int], tuple[int, int]] = ((2, 7), (2, 7)),
    looking_for: Direction = "excess",
    sidebands: int | None = None,
    pseudo_experiments: int = 10_000,
    seed: int = 0,
    mapper: Mapper | None = None,
) -> BumpHuntResult:
    """Hunt for a bump in two masses over a background known beforehand.

    Parameters
    ----------
    edges, counts, widths, looking_for, pseudo_experiments, seed, mapper
        As in `bump_hunt_2d`.
    reference : array_like of shape (n_x, n_y)
        Expected background in each bin, without error.
    sidebands : int, optional
        As in `bump_hunt_given_reference`, on all four sides.

    Returns
    -------
    BumpHuntResult

    Raises
    ------
    InputError
        If the spectrum, the reference or the widths cannot be used.
    ConfigError
        If the direction is unknown.
    """
    axes, plane = checked_plane(edges, counts)
    return hunt_reference(
        grid(axes, widths, sidebands),
        plane,
        checked_reference(plane, reference),
        looking_for=looking_for,
        sidebands=sidebands,
        pseudo_experiments=pseudo_experiments,
        seed=seed,
        mapper=mapper,
    )


def checked_plane(
    edges: tuple[ArrayLike, ArrayLike], counts: ArrayLike
) -> tuple[tuple[Array, Array], Array]:
    """Return edges and counts of two masses as arrays, or say what is wrong with them."""
    x_edges, y_edges = (checked_edges(axis) for axis in edges)
    plane = np.ascontiguousarray(counts, dtype=float)
    if plane.shape != (x_edges.size - 1, y_edges.size - 1):
        msg = f"counts have shape {plane.shape}, the bins {x_edges.size - 1} × {y_edges.size - 1}"
        raise InputError(msg)
    if not np.all(np.isfinite(plane) & (plane >= 0)):
        msg = "counts must be finite and not negative in every bin of the plane"
        raise InputError(msg)
    return (x_edges, y_edges), plane


def _nodes(edges: Array, n_nodes: int) -> tuple[Array, Array]:
    """Return Gauss-Legendre nodes and weights of each bin, shape (n_bins, n_nodes)."""
    unit_nodes, unit_weights = np.polynomial.legendre.leggauss(n_nodes)
    half = np.diff(edges)[:, None] / 2
    return edges[:-1, None] + half * (1 + unit_nodes), half * unit_weights


def _scaled(mass: Array, edges: Array) -> Array:
    """Return the logarithm of a mass, -1 at the lowest edge and 1 at the highest."""
    low, high = np.log(edges[0]), np.log(edges[-1])
    return (2 * np.log(mass) - low - high) / (high - low)


def _powers(u: Array, v: Array, degree: int) -> Array:
    """Return all products of powers up to a total degree, along a new last axis."""
    u, v = np.broadcast_arrays(u, v)
    products = [
        u**j * v ** (total - j) for total in range(degree + 1) for j in range(total, -1, -1)
    ]
    return np.stack(products, axis=-1)
