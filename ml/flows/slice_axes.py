"""Axes along which events differ most from a Gaussian, by transport distance."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

__all__ = ["fit_axes"]

_TOLERANCE = 1e-6  # the search ends with steps below
_SMALLEST_RATE = 1e-8


def fit_axes(
    z: NDArray[np.float64], n_slices: int, rng: np.random.Generator, *, steps: int
) -> NDArray[np.float64]:
    """Return orthogonal axes along which events differ most from a Gaussian.

    The sum over axes and bins of the squared 2-Wasserstein distance to a unit Gaussian, which in
    one dimension is the mean square between sorted events and Gaussian quantiles, is climbed on
    the Stiefel manifold: along the gradient's tangent by Cayley's transform, which keeps the axes
    orthonormal, with a step that backtracks (arXiv:2007.00674, algorithm 1).

    Parameters
    ----------
    z : ndarray of float64, shape (n_bins, n_events_per_bin, n_features)
        Events of each bin.
    n_slices : int
        The number of axes.
    rng : numpy.random.Generator
        Draws the first axes.
    steps : int
        The largest number of gradient steps; with none the axes are random.

    Returns
    -------
    ndarray of float64, shape (n_features, n_slices)
    """
    d, n = z.shape[2], z.shape[1]
    q, r = np.linalg.qr(rng.normal(size=(d, n_slices)))
    # uniform on the manifold (math-ph/0609050)
    axes = np.asarray(q * np.sign(np.diag(r)), np.float64)
    quantile = ndtri((np.arange(n) + 0.5) / n).astype(np.float32)
    events = np.ascontiguousarray(z.transpose(0, 2, 1), dtype=np.float32)
    rate, one = 0.1, np.eye(d)

    def slices(axes: NDArray[np.float64]) -> NDArray[np.float32]:
        return axes.T.astype(np.float32) @ events

    def distance(axes: NDArray[np.float64]) -> float:
        return float(np.square(np.sort(slices(axes)) - quantile).mean(dtype=np.float64))

    reached = distance(axes)
    for _ in range(steps):
        u = slices(axes)
        target = np.empty_like(u)
        np.put_along_axis(target, np.argsort(u), quantile, axis=2)
        gradient = np.tensordot(events, u - target, axes=((0, 2), (0, 2))) * (2.0 / u.size)
        turn = gradient @ axes.T - axes @ gradient.T
        gain = float(np.sum(gradient * (turn @ axes)))
        if gain <= 0:
            break
        while True:
            half = 0.5 * rate * turn
            moved = np.linalg.solve(one - half, (one + half) @ axes).astype(np.float64)
            new = distance(moved)
            if new >= reached + 0.5 * rate * gain or rate < _SMALLEST_RATE:
                break
            rate *= 0.5
        if new <= reached:
            break
        small = np.abs(moved - axes).max() < _TOLERANCE
        axes, reached = moved, new
        if small:
            break
        rate *= 1.5 / 0.5
    return axes
