"""The bump hunt in two masses: the least probable of all rectangles, background fitted or given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Unpack

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...core import InputError
from ..spectra.binning import checked_edges
from ..spectra.functions import Basis, orthonormal, quadrature
from ..spectra.poisson import Constraint
from .engine import BumpHuntResult, HuntOptions, hunt_reference, hunt_refitted
from .regions import checked_reference, grid

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

    Examples
    --------
    >>> plane = plane_basis(([1000, 1500, 2000, 3000], [100, 200, 400, 800]), degree=1)
    >>> plane.n_parameters, plane.log_density(plane.transform[:, 0] * 0, [[1200, 300]]).tolist()
    (3, [0.0])
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

    Examples
    --------
    >>> plane_basis(([1000, 1500, 2000, 3000], [100, 200, 400, 800]), degree=1).design.shape
    (9, 4, 3)
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
    x, x_weights = quadrature(x_edges, n_nodes)
    y, y_weights = quadrature(y_edges, n_nodes)
    u, v = _scaled(x, x_edges), _scaled(y, y_edges)
    columns = _powers(u[:, None, :, None], v[None, :, None, :], degree)
    weights = x_weights[:, None, :, None] * y_weights[None, :, None, :]
    n_bins = (x_edges.size - 1) * (y_edges.size - 1)
    design, transform = orthonormal(columns.reshape(n_bins, -1, columns.shape[-1]))
    return PlaneBasis(
        name=f"plane{degree}",
        edges=x_edges,
        design=np.ascontiguousarray(design),
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
    constraint: Constraint | None = None,
    **options: Unpack[HuntOptions],
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
    constraint, **options
        As in `bump_hunt`.

    Returns
    -------
    BumpHuntResult

    Raises
    ------
    InputError, ConfigError, FitError
        As in `bump_hunt`, or if the degree cannot be used.

    Examples
    --------
    >>> import numpy as np
    >>> edges = np.linspace(1000, 2000, 6), np.linspace(100, 500, 6)
    >>> counts = np.full((5, 5), 20)
    >>> counts[2, 1] = 55
    >>> found = bump_hunt_2d(
    ...     edges, counts, degree=1, widths=((1, 2), (1, 2)), pseudo_experiments=250
    ... )
    >>> found.interval
    ((1400.0, 1600.0), (180.0, 260.0))
    """
    axes, plane = checked_plane(edges, counts)
    regions, model = grid(axes, widths, None), plane_basis(axes, degree=degree)
    return hunt_refitted(regions, plane, model, constraint=constraint, **options)


def bump_hunt_2d_given_reference(
    edges: tuple[ArrayLike, ArrayLike],
    counts: ArrayLike,
    reference: ArrayLike,
    *,
    widths: tuple[tuple[int, int], tuple[int, int]] = ((2, 7), (2, 7)),
    sidebands: int | None = None,
    **options: Unpack[HuntOptions],
) -> BumpHuntResult:
    """Hunt for a bump in two masses over a background known beforehand.

    Parameters
    ----------
    edges, counts, widths, **options
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
    InputError, ConfigError
        As in `bump_hunt_given_reference`.

    Examples
    --------
    >>> import numpy as np
    >>> edges = np.linspace(1000, 2000, 6), np.linspace(100, 500, 6)
    >>> counts = np.full((5, 5), 20)
    >>> counts[2, 1] = 55
    >>> found = bump_hunt_2d_given_reference(
    ...     edges,
    ...     counts,
    ...     np.full((5, 5), 20.0),
    ...     widths=((1, 2), (1, 2)),
    ...     pseudo_experiments=250,
    ... )
    >>> found.observed, found.expected
    (55, 20.0)
    """
    axes, plane = checked_plane(edges, counts)
    regions, known = grid(axes, widths, sidebands), checked_reference(plane, reference)
    return hunt_reference(regions, plane, known, sidebands=sidebands, **options)


def checked_plane(
    edges: tuple[ArrayLike, ArrayLike], counts: ArrayLike
) -> tuple[tuple[Array, Array], Array]:
    """Return edges and counts of two masses as arrays, or say what is wrong with them.

    Examples
    --------
    >>> axes, plane = checked_plane(([0, 1, 2], [0, 1, 2]), [[1, 2], [3, 4]])
    >>> plane.tolist()
    [[1.0, 2.0], [3.0, 4.0]]
    """
    x_edges, y_edges = (checked_edges(axis) for axis in edges)
    plane = np.ascontiguousarray(counts, dtype=float)
    if plane.shape != (x_edges.size - 1, y_edges.size - 1):
        msg = f"counts have shape {plane.shape}, the bins {x_edges.size - 1} × {y_edges.size - 1}"
        raise InputError(msg)
    if not np.all(np.isfinite(plane) & (plane >= 0)):
        msg = "counts must be finite and not negative in every bin of the plane"
        raise InputError(msg)
    return (x_edges, y_edges), plane


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
