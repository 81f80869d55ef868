"""Poisson likelihood of one spectrum: counts, constraint, gradient, deviance and a first guess."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...core import InputError
from .binning import checked_edges
from .functions import Basis

__all__ = ["Constraint", "checked_counts", "deviance", "likelihood", "seed_theta"]

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Constraint:
    """Gaussian constraint of the parameters: center and 1/σ², each of shape (n_parameters,).

    Examples
    --------
    >>> import numpy as np
    >>> Constraint(np.zeros(3), np.full(3, 4.0)).precision.tolist()
    [4.0, 4.0, 4.0]
    """

    center: Array
    precision: Array


def checked_counts(counts: ArrayLike, edges: ArrayLike) -> Array:
    """Return counts as an array, or say what is wrong with them.

    Examples
    --------
    >>> checked_counts([3, 4], [1000, 2000, 3000]).tolist()
    [3.0, 4.0]
    """
    values, n_bins = np.asarray(counts, dtype=float), checked_edges(edges).size - 1
    if values.shape != (n_bins,):
        msg = f"counts have shape {values.shape}, but there are {n_bins} bins"
        raise InputError(msg)
    bad = np.flatnonzero(~np.isfinite(values) | (values < 0))
    if bad.size:
        msg = (
            f"bin {bad[0]} holds {values[bad[0]]:g} events; counts must be finite and not negative"
        )
        raise InputError(msg)
    return values


def likelihood(
    model: Basis,
    counts: Array,
    mask: NDArray[np.bool_],
    constraint: Constraint,
    signal: Array | None = None,
) -> tuple[Callable[..., float], Callable[..., Array]]:
    """Return the negative log-likelihood and its gradient, as functions of the parameters.

    With a signal, its strength is the last parameter, which no constraint binds.

    Examples
    --------
    >>> import numpy as np
    >>> from overdensity.stats.spectra.functions import basis
    >>> model = basis("dijet3", np.linspace(1000, 2000, 9))
    >>> counts, none = np.full(8, 50.0), np.zeros(8, bool)
    >>> loss, gradient = likelihood(model, counts, none, Constraint(np.zeros(3), np.zeros(3)))
    >>> theta = seed_theta(model, counts)
    >>> bool(loss(theta) < loss(theta + 0.1)), gradient(theta).shape
    (True, (3,))
    """
    used, n_par = ~mask, model.n_parameters

    def mean_of(values: Array) -> Array:
        mean = model.expected(values[:n_par])
        return np.maximum(mean if signal is None else mean + values[-1] * signal, 1e-300)[used]

    def loss(values: Array) -> float:
        mean, pull = mean_of(values), values[:n_par] - constraint.center
        return float(
            (mean - counts[used] * np.log(mean)).sum() + (constraint.precision * pull**2).sum() / 2
        )

    def gradient(values: Array) -> Array:
        residual = 1 - counts[used] / mean_of(values)
        slope = residual @ model.jacobian(values[:n_par])[used]
        slope += constraint.precision * (values[:n_par] - constraint.center)
        return slope if signal is None else np.r_[slope, residual @ signal[used]]

    return loss, gradient


def seed_theta(model: Basis, counts: Array) -> Array:
    """Return a first guess of the parameters: least squares to the logarithm of the spectrum.

    Examples
    --------
    >>> import numpy as np
    >>> from overdensity.stats.spectra.functions import basis
    >>> model = basis("dijet3", np.linspace(1000, 2000, 9))
    >>> model.expected(seed_theta(model, np.full(8, 50.0))).round().tolist()
    [51.0, 51.0, 51.0, 51.0, 51.0, 51.0, 51.0, 51.0]
    """
    weight = np.sqrt(counts + 0.5)
    center = model.design[:, model.design.shape[1] // 2]
    log_density = np.log((counts + 0.5) / np.diff(model.edges))
    theta, *_ = np.linalg.lstsq(center * weight[:, None], log_density * weight, rcond=None)
    return theta.astype(np.float64)


def deviance(counts: Array, expected: Array) -> Array:
    """Return twice the log-likelihood ratio of each bin to the saturated model."""
    ratio = np.where(counts > 0, counts, 1) / np.where(counts > 0, expected, 1)
    return 2 * (expected - counts + counts * np.log(ratio))
