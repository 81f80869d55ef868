"""One pyhf model fitted to many datasets at once, for limits and their pseudo-experiments."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyhf
from numpy.typing import NDArray
from pyhf.exceptions import InvalidModel, InvalidSpecification

from ...core import InputError

__all__ = ["Likelihood", "ModelFits", "fit_many", "likelihood"]

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

_LEAST = 1e-10  # events; pyhf takes logarithms of expectations, which may not reach zero
_LARGEST = 1e12  # the signal strength has no upper bound of its own
_BATCHES = (64, 1024, 8192)  # a pyhf model is built for a fixed number of datasets
_NUMBERS = 4_000_000  # what one batch may hold: 32 MB


@dataclass(frozen=True, eq=False)
class Likelihood:
    """A pyhf model with its data, laid out for fits of many datasets.

    Constraints stand in the order of the parameters, not in that of pyhf's auxiliary data.

    Attributes
    ----------
    spec : pyhf.Workspace
        The workspace.
    poi : int
        Index of the signal strength.
    names : tuple of str
        Parameters; those of several components are repeated.
    start, low, high : ndarray of shape (n_parameters,)
        Initial values and bounds; the strength is bounded below by zero, and not above.
    fixed : ndarray of bool, shape (n_parameters,)
        Parameters that are constant.
    precision : ndarray of shape (n_parameters,)
        1/σ² of Gaussian constraints; 0 elsewhere.
    factor : ndarray of shape (n_parameters,)
        Exposure of Poisson constraints, in events; 0 elsewhere.
    observed : ndarray of shape (n_bins,)
        Data.
    auxiliary : ndarray of shape (n_parameters,)
        Measured values of the constrained parameters (events where Poisson).
    """

    spec: pyhf.Workspace
    poi: int
    names: tuple[str, ...]
    start: Array
    low: Array
    high: Array
    fixed: Mask
    precision: Array
    factor: Array
    observed: Array
    auxiliary: Array
    _models: dict[int, pyhf.Model] = field(default_factory=dict, repr=False)

    def expected(self, theta: Array) -> Array:
        """Return the events expected in every bin.

        Parameters
        ----------
        theta : ndarray of shape (n, n_parameters)
            Parameters.

        Returns
        -------
        ndarray of shape (n, n_bins)
            At least 1e-10.
        """
        n_bins = self.observed.size
        most = max(_BATCHES[0], _NUMBERS // (n_bins * self.start.size))
        out = np.empty((len(theta), n_bins))
        done = 0
        while done < len(theta):
            rest = len(theta) - done
            fitting = [size for size in _BATCHES if size <= most]
            size = next((size for size in fitting if size >= rest), fitting[-1])
            part = theta[done : done + size]
            padded = np.concatenate([part, np.repeat(part[-1:], size - len(part), axis=0)])
            values = self._model(size).expected_data(padded, include_auxdata=False)
            out[done : done + size] = np.asarray(values)[: len(part)]
            done += size
        return np.maximum(out, _LEAST)

    def throw(self, theta: Array, n: int, rng: np.random.Generator) -> tuple[Array, Array]:
        """Throw pseudo-data at one set of parameters, auxiliary measurements included.

        Parameters
        ----------
        theta : ndarray of shape (n_parameters,)
            Parameters.
        n : int
            Number of datasets.
        rng : numpy.random.Generator
            Source of randomness.

        Returns
        -------
        observed : ndarray of shape (n, n_bins)
        auxiliary : ndarray of shape (n, n_parameters)
        """
        observed = rng.poisson(self.expected(theta[None])[0], (n, self.observed.size))
        auxiliary = np.tile(self.auxiliary, (n, 1))
        normal, poisson = self.precision > 0, self.factor > 0
        width = 1 / np.sqrt(self.precision[normal])
        auxiliary[:, normal] = rng.normal(theta[normal], width, (n, int(normal.sum())))
        mean = self.factor[poisson] * theta[poisson]
        auxiliary[:, poisson] = rng.poisson(mean, (n, int(poisson.sum())))
        return observed.astype(float), auxiliary

    def asimov(self, theta: Array) -> tuple[Array, Array]:
        """Return the data that are expected at one set of parameters, in the form of `throw`."""
        auxiliary = np.where(self.factor > 0, self.factor * theta, theta)
        return self.expected(theta[None]), auxiliary[None]

    def _model(self, size: int) -> pyhf.Model:
        if size not in self._models:
            self._models[size] = _quietly(self.spec.model, batch_size=size)
        return self._models[size]


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
    """

    theta: Array
    nll: Array
    converged: Mask


def likelihood(workspace: dict[str, Any]) -> Likelihood:
    """Read a workspace.

    Parameters
    ----------
    workspace : dict
        A pyhf workspace with a parameter of interest.

    Returns
    -------
    Likelihood

    Raises
    ------
    InputError
        If pyhf refuses it, or there is no parameter of interest.
    """
    try:
        spec = _quietly(pyhf.Workspace, workspace)
        model = _quietly(spec.model)
        data = np.asarray(_quietly(spec.data, model), dtype=float)
    except (InvalidSpecification, InvalidModel) as error:
        msg = f"pyhf refuses this workspace: {error}"
        raise InputError(msg) from error
    config = model.config
    if config.poi_index is None:
        msg = "the workspace names no parameter of interest: give its measurement a poi, e.g. 'mu'"
        raise InputError(msg)
    size = config.npars
    fixed = np.array(config.suggested_fixed(), dtype=bool)
    start = np.array(config.suggested_init(), dtype=float)
    low, high = np.array(config.suggested_bounds(), dtype=float).T
    low[config.poi_index], high[config.poi_index] = 0.0, _LARGEST
    precision, factor, auxiliary = np.zeros(size), np.zeros(size), np.zeros(size)
    place = len(data) - len(config.auxdata)
    n_bins = place
    for name in config.auxdata_order:
        where, parameter = config.par_slice(name), config.param_set(name)
        count = parameter.n_parameters
        auxiliary[where] = data[place : place + count]
        if parameter.pdf_type == "poisson":
            factor[where] = parameter.factors
        else:
            precision[where] = 1 / np.square(getattr(parameter, "sigmas", np.ones(count)))
        place += count
    for constraint in (precision, factor):
        constraint[fixed] = 0.0
    return Likelihood(
        spec,
        config.poi_index,
        tuple(
            name for name in config.par_order for _ in range(config.param_set(name).n_parameters)
        ),
        start,
        low,
        high,
        fixed,
        precision,
        factor,
        data[:n_bins],
        auxiliary,
    )


def fit_many(
    model: Likelihood,
    observed: Array,
    auxiliary: Array,
    *,
    strength: Array | float | None = None,
    start: Array | None = None,
    max_steps: int = 200,
    tolerance: float = 1e-8,
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
    max_steps : int
        Evaluations allowed for a fit.
    tolerance : float
        Converged when the Newton decrement, twice the estimated distance to the minimum, is below.

    Returns
    -------
    ModelFits
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
    for _ in range(max_steps):
        if not active.size:
            break
        now, n_now, a_now = theta[active], observed[active], auxiliary[active]
        trial, decrement = _step(model, (n_now, a_now), now, free, damping[active])
        loss = _nll(model, n_now, a_now, trial)
        done = (decrement < tolerance) & (damping[active] < 1)
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
    rate = np.maximum(model.factor * theta, _LEAST)[:, poisson]
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
    rate = np.maximum(factor * place, _LEAST)
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


def _quietly(function: Any, *arguments: Any, **options: Any) -> Any:
    """Call into pyhf, whose use of jsonschema warns of its deprecation."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return function(*arguments, **options)
