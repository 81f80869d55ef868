"""Fitting sliced iterative Gaussianisation: axes by transport distance, maps by kernel densities."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

import numba
import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from ...core import InputError
from ..hyper_checks import refuse_unusable
from .gaussianisation import SlicedFlow, place, push
from .slice_axes import fit_axes

__all__ = ["SlicingHyper", "fit_maps", "fit_sliced", "knot_levels"]

_FINENESS = 4  # points of a kernel density's grid in a width of the kernel, if not too many
_REACH = 5.0  # widths of the kernel by which the grid exceeds the events
_NARROWEST = 1e-3  # a slice is never taken for narrower, in widths of a feature
_ROOT_2PI = float(np.sqrt(2 * np.pi))


@dataclass(frozen=True)
class SlicingHyper:
    """Hyperparameters of the Gaussianisation; defaults of its authors where they give one.

    Attributes
    ----------
    bin_width : float
        Width in GeV of the bins in the resonant mass.
    bin_events : int
        The fewest events of a bin; where they are rarer, bins are wider.
    layers : int
        The largest number of iterations.
    patience : int
        Iterations without gain of the validation likelihood before the end.
    slices : int
        Axes an iteration, at most one a feature; 0 means all of them up to 8 features, then 8.
    step, tail_step : float
        How far a map moves events, within the knots and beyond: psi becomes
        (1 - alpha) psi + alpha x, with alpha = 1 - step log10(events of the bin)
        (arXiv:2007.00674, equation 13). Larger steps need fewer layers and learn less of a signal.
    knots : int
        Knots of a spline; 0 means the square root of the events of a bin, from 50 to 200.
    bandwidth : float
        Width of the kernel in units of Scott's rule.
    axis_events, axis_steps : int
        Events, and largest number of gradient steps, to find the axes with.
    """

    bin_width: float = 125.0
    bin_events: int = 1000
    layers: int = 400
    patience: int = 5
    slices: int = 0
    step: float = 0.02
    tail_step: float = 0.001
    knots: int = 0
    bandwidth: float = 1.0
    axis_events: int = 10_000
    axis_steps: int = 20

    def __post_init__(self) -> None:
        refuse_unusable(
            "Gaussianisation",
            self,
            bin_width=self.bin_width > 0,
            bin_events=self.bin_events >= 20,
            layers=self.layers >= 1,
            patience=self.patience >= 1,
            slices=self.slices >= 0,
            step=0 < self.step <= 0.1,
            tail_step=0 < self.tail_step <= 0.1,
            knots=self.knots == 0 or self.knots >= 10,
            bandwidth=self.bandwidth > 0,
            axis_events=self.axis_events >= 100,
            axis_steps=self.axis_steps >= 0,
        )


def fit_sliced(
    x: NDArray[np.floating],
    m: NDArray[np.float64],
    validation: NDArray[np.bool_],
    *,
    hyper: SlicingHyper,
    seed: int,
    weight: NDArray[np.float64] | None = None,
) -> SlicedFlow:
    """Learn the density of features given the resonant mass.

    Each iteration finds the orthogonal axes along which the events differ most from a Gaussian,
    summed over the bins of the mass, and moves them towards it, bin by bin (B. Dai and U. Seljak,
    arXiv:2007.00674; conditional as in arXiv:2101.08320, section 3.5). No gradient ever passes
    through more than one layer.

    Parameters
    ----------
    x : ndarray, shape (n_events, n_features)
        Features.
    m : ndarray of float64, shape (n_events,)
        Resonant mass in GeV.
    validation : ndarray of bool, shape (n_events,)
        Events that only decide how many layers are kept.
    hyper : SlicingHyper
        Hyperparameters.
    seed : int
        Decides where the search for axes starts, and which events it uses.
    weight : ndarray of float64, shape (n_events,), optional
        Event weights, none negative.

    Returns
    -------
    SlicedFlow

    Raises
    ------
    InputError
        If there are too few events for two bins, none to validate, a weight is negative, or a
        feature is constant in a bin.
    """
    w = np.ones(len(m)) if weight is None else weight
    if (w < 0).any():
        msg = f"weight: {np.count_nonzero(w < 0)} of {len(w)} are negative; densities need none"
        raise InputError(msg)
    rng = np.random.default_rng(seed)
    train = np.flatnonzero(~validation)
    train = train[np.argsort(m[train], kind="stable")]
    mass, features, weights = m[train], np.asarray(x, np.float64)[train], w[train]
    edges = _bins(mass, hyper.bin_width, hyper.bin_events)
    if len(edges) < 3 or len(train) == len(m):
        msg = (
            f"Gaussianisation: {len(train)} events to learn from and {len(m) - len(train)} to "
            f"validate are too few for 2 bins of {hyper.bin_events} events and "
            f"{hyper.bin_width:g} GeV in the mass; use more events"
        )
        raise InputError(msg)
    flow = _without_layers(mass, features, weights, edges, n_slices=hyper.slices or 8)
    z, _ = flow.latent(features, mass)
    z_test, log_jacobian = flow.latent(x[validation], m[validation])
    at, at_test = place(mass, flow.centers), place(m[validation], flow.centers)
    unused = np.zeros(len(z))
    level = knot_levels(len(z) / len(flow.centers), hyper.knots)
    axes, maps, best, kept = [], [], -np.inf, 0
    for layer in range(hyper.layers):
        found = _axes_of_layer(layer, z, weights, edges, rng, hyper=hyper)
        knots = fit_maps(z @ found, edges, weights, level, hyper=hyper)
        axes.append(found)
        maps.append(knots)
        push(z, unused, *at, found[None], knots[None])
        push(z_test, log_jacobian, *at_test, found[None], knots[None])
        likelihood = np.average(
            log_jacobian - 0.5 * np.square(z_test).sum(axis=1), weights=w[validation]
        )
        if likelihood > best:
            best, kept = likelihood, layer + 1
        elif layer + 1 - kept >= hyper.patience:
            break
    return replace(flow, axes=np.stack(axes[:kept]), knots=np.stack(maps[:kept]))


def _without_layers(
    mass: NDArray[np.float64],
    features: NDArray[np.float64],
    weights: NDArray[np.float64],
    edges: NDArray[np.int64],
    *,
    n_slices: int,
) -> SlicedFlow:
    """Return the flow that only standardises, by mean and width of the features in each bin."""
    parts = [slice(a, b) for a, b in pairwise(edges)]
    centers = np.array([np.average(mass[part], weights=weights[part]) for part in parts])
    mean = np.array([np.average(features[p], axis=0, weights=weights[p]) for p in parts])
    squares = np.array([np.average(features[p] ** 2, axis=0, weights=weights[p]) for p in parts])
    width = np.sqrt(np.maximum(squares - mean**2, 0.0))
    narrow = np.argwhere(width <= _NARROWEST * width.mean(axis=0))
    if len(narrow):
        i, column = narrow[0]
        msg = (
            f"Gaussianisation: feature {column + 1} has the same value in all events around "
            f"{centers[i]:.0f} GeV and no density there; leave it out"
        )
        raise InputError(msg)
    d = features.shape[1]
    no_axes = np.empty((0, d, min(n_slices, d)))
    return SlicedFlow(centers, mean, width, no_axes, np.empty((0, 0, 0, 0, 3), np.float32))


def _axes_of_layer(
    layer: int,
    z: NDArray[np.float64],
    weights: NDArray[np.float64],
    edges: NDArray[np.int64],
    rng: np.random.Generator,
    *,
    hyper: SlicingHyper,
) -> NDArray[np.float64]:
    """Return the axes of a layer: first the features as they are, if all of them fit."""
    d = z.shape[1]
    n_slices = min(hyper.slices or 8, d)
    if layer == 0 and n_slices == d:
        return np.eye(d)  # most of what is not Gaussian is there
    parts = [slice(a, b) for a, b in pairwise(edges)]
    per_bin = max(hyper.axis_events // len(parts), 50)
    chosen = np.stack([_choose(rng, part, weights, per_bin) for part in parts])
    return fit_axes(z[chosen], n_slices, rng, steps=hyper.axis_steps)


def fit_maps(
    u: NDArray[np.float64],
    edges: NDArray[np.int64],
    weight: NDArray[np.float64],
    level: NDArray[np.float64],
    *,
    hyper: SlicingHyper,
) -> NDArray[np.float32]:
    """Return splines that make each slice more Gaussian, bin by bin.

    The density f of a slice is estimated with a Gaussian kernel of width h and the map is
    s Phi^-1(F(u)) with s^2 = 1 + h^2, so that the events and not their smoothed density become
    Gaussian; then it is drawn towards the identity. Knots lie at the same quantiles in all bins,
    a few more of them towards the ends.

    Parameters
    ----------
    u : ndarray of float64, shape (n_events, n_slices)
        Events along the axes, bin after bin.
    edges : ndarray of int64, shape (n_bins + 1,)
        Where the bins begin and end.
    weight : ndarray of float64, shape (n_events,)
        Event weights.
    level : ndarray of float64, shape (n_knots,)
        Quantiles at which knots lie, from :func:`knot_levels`.
    hyper : SlicingHyper
        Hyperparameters.

    Returns
    -------
    ndarray of float32, shape (n_slices, n_knots, n_bins, 3)
        As in :class:`~overdensity.ml.flows.gaussianisation.SlicedFlow`.
    """
    n_bins, n_slices = len(edges) - 1, u.shape[1]
    effective = np.array(
        [weight[a:b].sum() ** 2 / np.square(weight[a:b]).sum() for a, b in pairwise(edges)]
    )
    normal = ndtri(level)
    knots = np.empty((n_slices, len(level), n_bins, 3))
    for b, n in enumerate(effective):
        alpha, tail_alpha = (1 - s * np.log10(n) for s in (hyper.step, hyper.tail_step))
        w = weight[edges[b] : edges[b + 1]]
        for k in range(n_slices):
            v = u[edges[b] : edges[b + 1], k]
            h = hyper.bandwidth * n**-0.2 * _spread(v, w)
            grid, density, cumulative = _kernel_density(v, w, h)
            scale = np.sqrt(1 + h * h)
            x = np.interp(level, cumulative, grid)
            slope = scale * np.interp(x, grid, density) / (np.exp(-0.5 * normal**2) / _ROOT_2PI)
            slope = (1 - alpha) * slope + alpha
            for end in (0, -1):
                slope[end] = (1 - tail_alpha) * slope[end] + tail_alpha
            knots[k, :, b] = np.stack([x, (1 - alpha) * scale * normal + alpha * x, slope], axis=1)
    return knots.astype(np.float32)


def knot_levels(n: float, knots: int = 0) -> NDArray[np.float64]:
    """Return the quantiles at which knots lie: equal steps, and a few more towards the ends.

    Parameters
    ----------
    n : float
        Events of a bin.
    knots : int
        Their number; 0 means the square root of n, from 50 to 200.
    """
    n_knots = knots or int(np.clip(np.sqrt(n), 50, 200))
    ends = max(int(np.log10(n)) - 1, 0)
    first = 1 / (n_knots - 2 * ends + 1)
    outer = first * np.arange(1, ends + 1) / (ends + 1)
    return np.r_[outer, np.linspace(first, 1 - first, n_knots - 2 * ends), 1 - outer[::-1]]


def _spread(v: NDArray[np.float64], w: NDArray[np.float64]) -> float:
    mean = np.average(v, weights=w)
    return max(float(np.sqrt(np.average((v - mean) ** 2, weights=w))), _NARROWEST)


def _kernel_density(
    v: NDArray[np.float64], w: NDArray[np.float64], h: float
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return a grid, the kernel density on it, and its integral from the left."""
    low, high = v.min() - _REACH * h, v.max() + _REACH * h
    points = 2 ** int(np.clip(np.ceil(np.log2(_FINENESS * (high - low) / h)), 10, 18))
    step = (high - low) / (points - 1)
    counts = _shared_out(v, w, low, step, points)
    wave = 2 * np.pi * np.fft.rfftfreq(points)
    smooth = np.fft.irfft(np.fft.rfft(counts) * np.exp(-0.5 * (wave * h / step) ** 2), points)
    density = np.maximum(smooth, 0.0)
    cumulative = np.cumsum(density) - 0.5 * density
    density, cumulative = density / density.sum() / step, cumulative / density.sum()
    return low + step * np.arange(points), density, cumulative


@numba.njit(cache=True, nogil=True)
def _shared_out(v, w, low, step, n):
    """Histogram in which an event counts for both grid points beside it, by nearness."""
    counts = np.zeros(n)
    for i in range(len(v)):
        position = (v[i] - low) / step
        j = int(position)
        counts[j] += w[i] * (j + 1 - position)
        counts[j + 1] += w[i] * (position - j)
    return counts


def _bins(mass: NDArray[np.float64], width: float, events: int) -> NDArray[np.int64]:
    """Return where bins begin and end in sorted masses: none too narrow, none too empty."""
    edges = [0]
    while True:
        wide = int(np.searchsorted(mass, mass[edges[-1]] + width))
        after = max(wide, edges[-1] + events)
        if len(mass) - after < events:
            return np.array([*edges, len(mass)])
        edges.append(after)


def _choose(
    rng: np.random.Generator, part: slice, weight: NDArray[np.float64], n: int
) -> NDArray[np.int64]:
    """Return n events of a bin, with probabilities in proportion to their weights."""
    cumulative = np.cumsum(weight[part])
    drawn = rng.random(n) * cumulative[-1]
    return part.start + np.minimum(np.searchsorted(cumulative, drawn), len(cumulative) - 1)
