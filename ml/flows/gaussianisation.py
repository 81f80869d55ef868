"""Conditional densities by sliced iterative Gaussianisation: the flow, its densities and samples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

import numba
import numpy as np
from numpy.typing import NDArray

from ...core import InputError

__all__ = ["SlicedFlow", "place", "push"]

_BLOCK = 2048  # events that pass a layer together: they and its knots fit into the cache
_LOG_2PI = float(np.log(2 * np.pi))


@dataclass(frozen=True, eq=False)
class SlicedFlow:
    """A bijection between features and a unit Gaussian that depends on the resonant mass.

    Features are standardised, with a mean and a width that depend on the mass. Then every layer
    moves events along its orthonormal axes W, each by a map psi of its own
    (arXiv:2101.08320, equation 3.7),

        x -> x - W W^T x + W psi(W^T x | m),

    where psi is a monotone rational-quadratic spline with linear tails. Splines are known at the
    centers of the mass bins; between them their knots are interpolated in m, so that features
    which shift with the mass shift, instead of fading into one another. Outside the centers the
    nearest holds.

    Attributes
    ----------
    centers : ndarray of float64, shape (n_bins,)
        Masses of the bins in GeV, increasing; at least two.
    mean, width : ndarray of float64, shape (n_bins, n_features)
        The standardisation.
    axes : ndarray of float64, shape (n_layers, n_features, n_slices)
        W of each layer.
    knots : ndarray of float32, shape (n_layers, n_slices, n_knots, n_bins, 3)
        Place, value and slope of the splines at their knots.
    """

    centers: NDArray[np.float64]
    mean: NDArray[np.float64]
    width: NDArray[np.float64]
    axes: NDArray[np.float64]
    knots: NDArray[np.float32]

    def latent(
        self, x: NDArray[np.floating], m: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return where events lie in the Gaussian space, and the log of the Jacobian.

        Parameters
        ----------
        x : ndarray, shape (n_events, n_features)
            Features.
        m : ndarray of float64, shape (n_events,)
            Resonant mass in GeV.

        Returns
        -------
        z : ndarray of float64, shape (n_events, n_features)
            Latent features.
        log_jacobian : ndarray of float64, shape (n_events,)
            log |det dz/dx|.
        """
        left, fraction = place(m, self.centers)
        mean, width = self._standard(left, fraction)
        z = (self._checked(x) - mean) / width
        log_jacobian = -np.log(width).sum(axis=1)
        push(z, log_jacobian, left, fraction, self.axes, self.knots)
        return z, log_jacobian

    def log_density(self, x: NDArray[np.floating], m: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return log p(x | m), shape (n_events,), normalised in the units of x."""
        z, log_jacobian = self.latent(x, m)
        return log_jacobian - 0.5 * (np.square(z).sum(axis=1) + z.shape[1] * _LOG_2PI)

    def inverse(self, z: NDArray[np.floating], m: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the features, shape (n_events, n_features), of latent ones at masses m in GeV."""
        left, fraction = place(m, self.centers)
        mean, width = self._standard(left, fraction)
        x = self._checked(z)
        _pull(x, left, fraction, self.axes, self.knots)
        return x * width + mean

    def sample(self, m: NDArray[np.float64], *, seed: int) -> NDArray[np.float32]:
        """Return one random event, shape (n_events, n_features), at each mass m in GeV."""
        z = np.random.default_rng(seed).normal(size=(len(m), self.mean.shape[1]))
        return self.inverse(z, m).astype(np.float32)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the arrays by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Take over what :meth:`arrays` returned."""
        return cls(**{field.name: arrays[field.name] for field in fields(cls)})

    def _checked(self, x: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return a copy in float64."""
        if x.ndim != 2 or x.shape[1] != self.mean.shape[1]:
            msg = (
                f"this flow was fitted on {self.mean.shape[1]} features, and is given an array "
                f"of shape {x.shape}"
            )
            raise InputError(msg)
        return np.array(x, dtype=np.float64, order="C")

    def _standard(
        self, left: NDArray[np.int64], fraction: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        t = fraction[:, None]
        mean = (1 - t) * self.mean[left] + t * self.mean[left + 1]
        width = (1 - t) * self.width[left] + t * self.width[left + 1]
        return mean, width


def place(
    m: NDArray[np.float64], centers: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return between which centers masses lie.

    Parameters
    ----------
    m : ndarray of float64, shape (n_events,)
        Masses in GeV.
    centers : ndarray of float64, shape (n_bins,)
        Increasing.

    Returns
    -------
    left : ndarray of int64, shape (n_events,)
        Index of the center below, at most n_bins - 2.
    fraction : ndarray of float64, shape (n_events,)
        0 at the center below and beyond the first, 1 at the center above and beyond the last.
    """
    left = np.clip(np.searchsorted(centers, m, side="right") - 1, 0, len(centers) - 2)
    step = centers[left + 1] - centers[left]
    return left, np.clip((m - centers[left]) / step, 0.0, 1.0)


@numba.njit(cache=True, nogil=True)
def push(  # noqa: PLR0917 - numba takes plain arrays
    z, log_jacobian, left, fraction, axes, knots
):
    """Move events through layers towards the Gaussian, in place.

    Parameters
    ----------
    z : ndarray of float64, shape (n_events, n_features)
        Standardised features; latent ones afterwards.
    log_jacobian : ndarray of float64, shape (n_events,)
        That of the layers is added.
    left, fraction
        From :func:`place`.
    axes, knots
        As in :class:`SlicedFlow`, of the layers to pass.
    """
    n, d = z.shape
    n_layers, n_slices = axes.shape[0], axes.shape[2]
    step = np.empty(n_slices)
    for first in range(0, n, _BLOCK):
        for layer in range(n_layers):
            for i in range(first, min(first + _BLOCK, n)):
                product = 1.0
                for k in range(n_slices):
                    u = 0.0
                    for j in range(d):
                        u += axes[layer, j, k] * z[i, j]
                    moved, slope = _spline(u, knots[layer, k], left[i], fraction[i])
                    step[k] = moved - u
                    product *= slope
                log_jacobian[i] += np.log(product)
                for j in range(d):
                    for k in range(n_slices):
                        z[i, j] += axes[layer, j, k] * step[k]


@numba.njit(cache=True, nogil=True)
def _pull(z, left, fraction, axes, knots):
    """Undo :func:`push`."""
    n, d = z.shape
    n_layers, n_slices = axes.shape[0], axes.shape[2]
    step = np.empty(n_slices)
    for first in range(0, n, _BLOCK):
        for layer in range(n_layers - 1, -1, -1):
            for i in range(first, min(first + _BLOCK, n)):
                for k in range(n_slices):
                    u = 0.0
                    for j in range(d):
                        u += axes[layer, j, k] * z[i, j]
                    step[k] = _inverse_spline(u, knots[layer, k], left[i], fraction[i]) - u
                for j in range(d):
                    for k in range(n_slices):
                        z[i, j] += axes[layer, j, k] * step[k]


@numba.njit(cache=True, nogil=True, inline="always")
def _at(knots, j, what, b, t):
    """Return the place (0), value (1) or slope (2) of knot j at the mass between two bins."""
    return (1.0 - t) * knots[j, b, what] + t * knots[j, b + 1, what]


@numba.njit(cache=True, nogil=True, inline="always")
def _interval(u, knots, what, b, t):
    """Return the knot below u; knots are ordered in their places and in their values."""
    low, high = 0, len(knots) - 1
    while high - low > 1:
        middle = (low + high) // 2
        if _at(knots, middle, what, b, t) <= u:
            low = middle
        else:
            high = middle
    return low


@numba.njit(cache=True, nogil=True)
def _spline(u, knots, b, t):
    """Return value and slope of a spline (Gregory and Delbourgo 1982, doi:10.1093/imanum/2.2.123)."""
    last = len(knots) - 1
    x0 = _at(knots, 0, 0, b, t)
    if u < x0:
        slope = _at(knots, 0, 2, b, t)
        return _at(knots, 0, 1, b, t) + slope * (u - x0), slope
    x1 = _at(knots, last, 0, b, t)
    if u >= x1:
        slope = _at(knots, last, 2, b, t)
        return _at(knots, last, 1, b, t) + slope * (u - x1), slope
    j = _interval(u, knots, 0, b, t)
    x0, x1 = _at(knots, j, 0, b, t), _at(knots, j + 1, 0, b, t)
    y0, y1 = _at(knots, j, 1, b, t), _at(knots, j + 1, 1, b, t)
    d0, d1 = _at(knots, j, 2, b, t), _at(knots, j + 1, 2, b, t)
    s = (y1 - y0) / (x1 - x0)
    xi = (u - x0) / (x1 - x0)
    both = xi * (1.0 - xi)
    denominator = s + (d0 + d1 - 2.0 * s) * both
    value = y0 + (y1 - y0) * (s * xi * xi + d0 * both) / denominator
    numerator = d1 * xi * xi + 2.0 * s * both + d0 * (1.0 - xi) * (1.0 - xi)
    return value, s * s * numerator / (denominator * denominator)


@numba.njit(cache=True, nogil=True)
def _inverse_spline(v, knots, b, t):
    """Return where a spline has the value v (arXiv:1906.04032, section 3.1)."""
    last = len(knots) - 1
    y0 = _at(knots, 0, 1, b, t)
    if v < y0:
        return _at(knots, 0, 0, b, t) + (v - y0) / _at(knots, 0, 2, b, t)
    y1 = _at(knots, last, 1, b, t)
    if v >= y1:
        return _at(knots, last, 0, b, t) + (v - y1) / _at(knots, last, 2, b, t)
    j = _interval(v, knots, 1, b, t)
    x0, x1 = _at(knots, j, 0, b, t), _at(knots, j + 1, 0, b, t)
    y0, y1 = _at(knots, j, 1, b, t), _at(knots, j + 1, 1, b, t)
    d0, d1 = _at(knots, j, 2, b, t), _at(knots, j + 1, 2, b, t)
    s = (y1 - y0) / (x1 - x0)
    bend = (v - y0) * (d0 + d1 - 2.0 * s)
    a = (y1 - y0) * (s - d0) + bend
    b_ = (y1 - y0) * d0 - bend
    c = -s * (v - y0)
    root = np.sqrt(max(b_ * b_ - 4.0 * a * c, 0.0))
    return x0 + (x1 - x0) * 2.0 * c / (-b_ - root)
