"""One mass spectrum and its smooth fit: binned Poisson likelihood, minimised by Minuit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from iminuit import Minuit
from numpy.typing import ArrayLike, NDArray

from ..core import FitError, InputError, Record
from .functions import Basis, basis, checked_edges, n_parameters
from .refit import Problem, refit

__all__ = ["Constraint", "SpectrumFit", "checked_counts", "fit", "likelihood", "seed_theta"]

Array = NDArray[np.float64]

_TOYS = 1000


@dataclass(frozen=True, eq=False)
class Constraint:
    """Gaussian constraint of the parameters: centre and 1/σ², each of shape (n_parameters,)."""

    centre: Array
    precision: Array


@dataclass(frozen=True)
class SpectrumFit(Record):
    """A spectrum with its smooth fit.

    Attributes
    ----------
    function : str
        Background function.
    edges : tuple of float
        Bin edges, GeV.
    counts : tuple of int
        Events in each bin.
    masked : tuple of bool
        Bins kept out of the fit.
    parameters : tuple of float
        ln p0, p1, p2, … of the published form.
    expected, expected_error : tuple of float
        Background in each bin, and its error from the covariance of the fit.
    covariance : tuple of tuple of float
        Covariance of ``expected``, all bins against all bins.
    observed : int
        Events in the masked bins.
    total, total_error : float
        Background in the masked bins, and its error.
    chi2, ndf : float, int
        Poisson deviance over the fitted bins, and their number less that of the parameters.
    p_value : float
        Goodness of fit: fraction of 1000 refitted pseudo-experiments with a larger deviance.
    """

    function: str
    edges: tuple[float, ...]
    counts: tuple[int, ...]
    masked: tuple[bool, ...]
    parameters: tuple[float, ...]
    expected: tuple[float, ...]
    expected_error: tuple[float, ...]
    covariance: tuple[tuple[float, ...], ...]
    observed: int
    total: float
    total_error: float
    chi2: float
    ndf: int
    p_value: float


def fit(
    edges: ArrayLike,
    counts: ArrayLike,
    *,
    masked: ArrayLike | None = None,
    function: str = "dijet5",
    constraint: Constraint | None = None,
    seed: int = 0,
) -> SpectrumFit:
    r"""Fit a smooth function to a spectrum.

    Minimises :math:`\sum_i \lambda_i - n_i \ln \lambda_i` over the bins not masked, with analytic
    gradient; the covariance is that of Hesse, propagated to the bins by the Jacobian.

    Parameters
    ----------
    edges : array_like of shape (n_bins + 1,)
        Bin edges, GeV.
    counts : array_like of shape (n_bins,)
        Events in each bin.
    masked : array_like of bool, shape (n_bins,), optional
        Bins kept out of the fit, in which the background is predicted.
    function : str
        Background function (`FUNCTIONS`).
    constraint : Constraint, optional
        Constraint of the parameters; without, they are free.
    seed : int
        Seed of the pseudo-experiments for the goodness of fit.

    Returns
    -------
    SpectrumFit

    Raises
    ------
    InputError
        If the counts are not numbers of events.
    FitError
        If too few bins have events, or the fit does not converge.
    """
    counts = checked_counts(counts, checked_edges(edges))
    mask = np.zeros(counts.size, bool) if masked is None else np.asarray(masked, dtype=bool)
    if mask.shape != counts.shape:
        msg = f"masked has shape {mask.shape}, the counts {counts.shape}: one per bin"
        raise InputError(msg)
    n_par = n_parameters(function)
    filled = int(((counts > 0) & ~mask).sum())
    if constraint is None and filled <= n_par:
        msg = (
            f"only {filled} of {int((~mask).sum())} fitted bins have events; {function} needs "
            f"more than {n_par}: widen the range, or choose a function with fewer parameters"
        )
        raise FitError(msg)
    free = Constraint(np.zeros(n_par), np.zeros(n_par)) if constraint is None else constraint
    model = basis(function, edges)
    theta, covariance = _minimise(model, counts, mask, free)

    expected, jacobian = model.expected(theta), model.jacobian(theta)
    bin_covariance = jacobian @ covariance @ jacobian.T
    problem = Problem(
        model, mask[None], ~mask[None], theta[None], free.centre[None], free.precision[None]
    )
    thrown = np.random.default_rng(seed).poisson(expected, (_TOYS, 1, counts.size))
    chi2 = float(_deviance(counts, expected)[~mask].sum())
    worse = int((refit(problem, thrown).deviance[:, 0] >= chi2).sum())
    return SpectrumFit(
        function=function,
        edges=tuple(model.edges.tolist()),
        counts=tuple(counts.astype(int).tolist()),
        masked=tuple(mask.tolist()),
        parameters=tuple(model.physical(theta).tolist()),
        expected=tuple(expected.tolist()),
        expected_error=tuple(np.sqrt(np.diag(bin_covariance)).tolist()),
        covariance=tuple(tuple(row) for row in bin_covariance.tolist()),
        observed=int(counts[mask].sum()),
        total=float(expected[mask].sum()),
        total_error=float(np.sqrt(bin_covariance[np.ix_(mask, mask)].sum())),
        chi2=chi2,
        ndf=int((~mask).sum()) - n_par,
        p_value=(1 + worse) / (1 + _TOYS),
    )


def likelihood(
    model: Basis, counts: Array, mask: NDArray[np.bool_], constraint: Constraint
) -> tuple[Callable[..., float], Callable[..., Array]]:
    """Return the negative log-likelihood and its gradient, as functions of the parameters."""
    used = ~mask

    def loss(theta: Array) -> float:
        mean = np.maximum(model.expected(theta)[used], 1e-300)
        pull = theta - constraint.centre
        return float(
            (mean - counts[used] * np.log(mean)).sum() + (constraint.precision * pull**2).sum() / 2
        )

    def gradient(theta: Array) -> Array:
        mean = np.maximum(model.expected(theta)[used], 1e-300)
        slope = (1 - counts[used] / mean) @ model.jacobian(theta)[used]
        return slope + constraint.precision * (theta - constraint.centre)

    return loss, gradient


def seed_theta(model: Basis, counts: Array) -> Array:
    """Return a first guess of the parameters: least squares to the logarithm of the spectrum."""
    weight = np.sqrt(counts + 0.5)
    centre = model.design[:, model.design.shape[1] // 2]
    log_density = np.log((counts + 0.5) / np.diff(model.edges))
    theta, *_ = np.linalg.lstsq(centre * weight[:, None], log_density * weight, rcond=None)
    return theta.astype(np.float64)


def checked_counts(counts: ArrayLike, edges: ArrayLike) -> Array:
    """Return counts as an array, or say what is wrong with them."""
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


def _minimise(
    model: Basis, counts: Array, mask: NDArray[np.bool_], constraint: Constraint
) -> tuple[Array, Array]:
    """Return the parameters at the minimum and their covariance."""
    loss, gradient = likelihood(model, counts, mask, constraint)
    guess = seed_theta(model, counts)[None]
    problem = Problem(
        model, mask[None], ~mask[None], guess, constraint.centre[None], constraint.precision[None]
    )
    start = refit(problem, counts[None, None])
    first = start.theta[0, 0] if start.converged[0, 0] else guess[0]
    minuit = Minuit(cast("Any", loss), first, grad=cast("Any", gradient))
    minuit.errordef = Minuit.LIKELIHOOD
    for strategy in (2, 1):  # the careful one now and then refuses a minimum that is flat
        minuit.strategy = strategy
        minuit.migrad()
        minuit.hesse()
        if minuit.valid:
            break
    if not minuit.valid or minuit.covariance is None:
        msg = (
            f"the {model.name} fit of {int(counts.sum())} events does not converge; "
            "use fewer parameters or a narrower range"
        )
        raise FitError(msg)
    return np.array(minuit.values), np.array(minuit.covariance)


def _deviance(counts: Array, expected: Array) -> Array:
    """Return twice the log-likelihood ratio of each bin to the saturated model."""
    ratio = np.where(counts > 0, counts, 1) / np.where(counts > 0, expected, 1)
    return 2 * (expected - counts + counts * np.log(ratio))
