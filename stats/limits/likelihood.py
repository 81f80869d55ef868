"""A pyhf model read from its workspace, with expectations and pseudo-data of many datasets."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyhf
from numpy.typing import NDArray
from pyhf.exceptions import InvalidModel, InvalidSpecification

from ...core import InputError

__all__ = ["LEAST", "Likelihood", "likelihood"]

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

LEAST = 1e-10  # events; pyhf takes logarithms of expectations, which may not reach zero
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

    Examples
    --------
    >>> from overdensity.stats.workspaces.pieces import Channel, Sample, poisson_error, signal, workspace
    >>> background = Sample("background", (50.0,), (poisson_error("error", [5.0]),))
    >>> count = workspace([Channel("count", (52.0,), (signal([10.0]), background))])
    >>> likelihood(count).names
    ('mu', 'error')
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
        return np.maximum(out, LEAST)

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
            # `likelihood` has validated it already
            self._models[size] = _quietly(self.spec.model, batch_size=size, validate=False)
        return self._models[size]


def likelihood(workspace: dict[str, Any] | Likelihood) -> Likelihood:
    """Read a workspace; a likelihood is returned as it is.

    Parameters
    ----------
    workspace : dict or Likelihood
        A pyhf workspace with a parameter of interest.

    Returns
    -------
    Likelihood

    Raises
    ------
    InputError
        If pyhf refuses it, or there is no parameter of interest.

    Examples
    --------
    >>> from overdensity.stats.workspaces.pieces import Channel, Sample, poisson_error, signal, workspace
    >>> background = Sample("background", (50.0,), (poisson_error("error", [5.0]),))
    >>> count = workspace([Channel("count", (52.0,), (signal([10.0]), background))])
    >>> model = likelihood(count)
    >>> model.expected(model.start[None]).tolist()
    [[60.0]]
    """
    if isinstance(workspace, Likelihood):
        return workspace
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


def _quietly(function: Any, *arguments: Any, **options: Any) -> Any:
    """Call into pyhf, whose use of jsonschema warns of its deprecation."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return function(*arguments, **options)
