"""One pyhf model fitted to many datasets at once, for limits and their pseudo-experiments."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .likelihood import LEAST, Likelihood

__all__ = ["ModelFits", "fit_many"]

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

_MOST_STEPS = 200  # evaluations of a fit
_TOLERANCE = 1e-8  # Newton decrement, twice the estimated distance to the minimum


@dataclass(frozen=True, eq=False)
class ModelFits:
    """Fits of n datasets.

    Attributes
    ----------
    theta : ndarray of shape (n, n_parameters)
        Parameters at the maximum.
    nll : ndarray of shape (n,)
        Minus the logarithm of the likelihood ratio to the saturated model.
    converged : ndarray of bool, shape (n,)
        Whether the estimated distance to the maximum came below tolerance.

    Examples
    --------
    >>> from overdensity.stats.limits.likelihood import likelihood
    >>> from overdensity.stats.workspaces.pieces import Channel, Sample, poisson_error, signal, workspace
    >>> background = Sample("background", (50.0,), (poisson_error("error", [5.0]),))
    >>> count = workspace([Channel("count", (52.0,), (signal([10.0]), background))])
    >>> model = likelihood(count)
    >>> fit_many(model, model.observed[None], model.auxiliary[None]).converged.tolist()
    [True]
    """

    theta: Array
    nll: Array
    converged: Mask


def fit_many(
    model: Likelihood,
    observed: Array,
    auxiliary: Array,
    *,
    strength: Array | float | None = None,
    start: Array | None = None,
) -> ModelFits:
    r"""Fit the model to every dataset.

    Minimises

    .. math:: \sum_i \lambda_i - n_i \ln \lambda_i
        + \sum_j \frac{(\theta_j - a_j)^2}{2 \sigma_j^2}
        + \sum_k \tau_k \theta_k - a_k \ln(\tau_k \theta_k)

    (HistFactory, CERN-OPEN-2012-016; constants apart)

    within bounds by projected Newton steps, damped as by Levenberg and Marquardt where the
    likelihood would not rise; derivatives of :math:`\lambda` are differences of pyhf's expectations.

    Parameters
    ----------
    model : Likelihood
        The model.
    observed : ndarray of shape (n, n_bins)
        Data.
    auxiliary : ndarray of shape (n, n_parameters)
        Auxiliary measurements.
    strength : float or ndarray of shape (n,), optional
        Signal strength to keep fixed; free if absent.
    start : ndarray of shape (n, n_parameters), optional
        Where to start.

    Returns
    -------
    ModelFits

    Examples
    --------
    >>> from overdensity.stats.limits.likelihood import likelihood
    >>> from overdensity.stats.workspaces.pieces import Channel, Sample, poisson_error, signal, workspace
    >>> background = Sample("background", (50.0,), (poisson_error("error", [5.0]),))
    >>> count = workspace([Channel("count", (52.0,), (signal([10.0]), background))])
    >>> model = likelihood(count)
    >>> fits = fit_many(model, model.observed[None], model.auxiliary[None])
    >>> fits.theta[:, model.poi].round(3).tolist()
    [0.2]
    """
    n = len(observed)
    theta = np.tile(model.start, (n, 1)) if start is None else start.copy()
    free = ~model.fixed
    if strength is not None:
        free = free & (np.arange(model.start.size) != model.poi)
        theta[:, model.poi] = strength
    theta[:, free] = np.clip(theta[:, free], model.low[free], model.high[free])
    nll = _nll(model, observed, auxiliary, theta)
    if not free.any():
        return ModelFits(theta, nll, np.ones(n, bool))
    converged, damping = np.zeros(n, bool), np.full(n, 1e-4)
    active = np.arange(n)
    for _ in range(_MOST_STEPS):
        if not active.size:
            break
        now, n_now, a_now = theta[active], observed[active], auxiliary[active]
        trial, decrement = _step(model, (n_now, a_now), now, free, damping[active])
        loss = _nll(model, n_now, a_now, trial)
        done = (decrement < _TOLERANCE) & (damping[active] < 1)
        gain = (nll[active] - loss) / (np.maximum(decrement, 1e-300) / 2)
        better = loss <= nll[active]
        theta[active[better]], nll[active[better]] = trial[better], loss[better]
        change = np.where(gain > 0.75, 1 / 8, np.where(gain > 0.25, 1.0, 8.0))
        damping[active] = damping[active] * np.where(better, change, 16.0)
        # Where rounding forbids every improvement, the decrement is too small to matter.
        stuck = damping[active] > 1e12
        converged[active[done]] = True
        active = active[~(done | stuck)]
        np.clip(damping, 1e-9, None, out=damping)
    return ModelFits(theta, nll, converged)


def _nll(model: Likelihood, observed: Array, auxiliary: Array, theta: Array) -> Array:
    """Return the negative log-likelihood of every dataset."""
    poisson = model.factor > 0
    rate = np.maximum(model.factor * theta, LEAST)[:, poisson]
    pull = theta - auxiliary
    return (
        _deviance(observed, model.expected(theta))
        + (model.precision * pull**2).sum(axis=1) / 2
        + _deviance(auxiliary[:, poisson], rate)
    )


def _deviance(counts: Array, mean: Array) -> Array:
    """Return minus the log-likelihood ratio to the saturated model, which keeps the digits."""
    ratio = np.where(counts > 0, mean / np.where(counts > 0, counts, 1.0), 1.0)
    return (mean - counts - counts * np.log(ratio)).sum(axis=1)


def _step(
    model: Likelihood, data: tuple[Array, Array], theta: Array, free: Mask, damping: Array
) -> tuple[Array, Array]:
    """Return where a damped, projected Newton step leads, and the Newton decrement."""
    observed, auxiliary = data
    n, n_par = theta.shape
    moving = np.flatnonzero(free)
    width = 1e-4 * np.maximum(1.0, np.abs(theta[:, moving]))
    shifted = np.repeat(theta[:, None, None, :], 2, axis=1)
    shifted = np.repeat(shifted, moving.size, axis=2)
    index = np.arange(moving.size)
    shifted[:, 0, index, moving] += width
    shifted[:, 1, index, moving] -= width
    every = np.concatenate([theta, shifted.reshape(-1, n_par)])
    values = model.expected(every)
    mean = values[:n]
    up, down = values[n:].reshape(n, 2, moving.size, -1).transpose(1, 0, 2, 3)
    slope = (up - down) / (2 * width[:, :, None])

    normal, factor = model.precision[moving], model.factor[moving]
    place, measured = theta[:, moving], auxiliary[:, moving]
    rate = np.maximum(factor * place, LEAST)
    poisson = factor > 0
    gradient = np.einsum("nb,npb->np", 1 - observed / mean, slope)
    gradient += normal * (place - measured)
    gradient += np.where(poisson, factor * (1 - measured / rate), 0.0)
    curvature = np.where(poisson, measured * factor**2 / rate**2, 0.0) + normal
    # What the product of slopes leaves out, where it is more than rounding and keeps the sign.
    bend = up - 2 * mean[:, None] + down
    bend[np.abs(bend) < 1e-14 * mean[:, None]] = 0.0
    bend = np.einsum("nb,npb->np", 1 - observed / mean, bend) / width**2
    curvature += np.maximum(bend, 0.0)
    hessian = np.einsum("npb,nb,nqb->npq", slope, observed / mean**2, slope)
    scale = np.einsum("npb,nb->np", slope**2, 1 / mean) + normal
    scale += np.where(poisson, factor**2 / rate, 0.0)

    low, high = model.low[moving], model.high[moving]
    edge = ((place <= low) & (gradient > 0)) | ((place >= high) & (gradient < 0))
    gradient[edge] = 0.0
    keep = ~edge
    hessian *= keep[:, :, None] & keep[:, None, :]
    # Without events a bin has no curvature: its share of the information keeps the step finite.
    diagonal = curvature + (damping[:, None] + 1e-12) * scale
    hessian[:, index, index] += np.where(keep, diagonal, 1.0) + 1e-300
    # Scaled to unit diagonal, since parameters differ by many orders of magnitude.
    unit = 1 / np.sqrt(hessian[:, index, index])
    scaled = hessian * unit[:, :, None] * unit[:, None, :]
    scaled[:, index, index] += 1e-13
    move = unit * np.linalg.solve(scaled, (unit * gradient)[:, :, None])[:, :, 0]
    trial = theta.copy()
    trial[:, moving] = np.clip(place - move, low, high)
    reached = trial[:, moving] - place
    decrement = np.abs((gradient * reached).sum(axis=1))
    return trial, decrement
