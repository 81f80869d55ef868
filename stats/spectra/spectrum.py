"""One mass spectrum and its smooth fit, with a signal if asked: Poisson likelihood, by Minuit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
from iminuit import Minuit
from numpy.typing import ArrayLike, NDArray

from ...core import FitError, InputError, Record
from .batch_fit import Problem, refit
from .functions import Basis, basis, checked_edges, n_parameters

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
    r"""A spectrum with its smooth fit.

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
    signal : tuple of float
        Signal template, events in each bin; empty where none was fitted. ``expected`` and all that
        follows from it is the background alone.
    strength, strength_error : float or None
        Fitted multiple of the template, negative for a deficit, and its error by Hesse; None
        without a template, and without an error where the strength is at the least that leaves
        every expectation positive.
    z : float or None
        Significance of the strength, :math:`\pm\sqrt{q_0}` with the sign of the strength (Cowan
        et al., arXiv:1007.1727, eq. 12 and 52).
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
    signal: tuple[float, ...] = ()
    strength: float | None = None
    strength_error: float | None = None
    z: float | None = None


def fit(
    edges: ArrayLike,
    counts: ArrayLike,
    *,
    masked: ArrayLike | None = None,
    signal: ArrayLike | None = None,
    function: str = "dijet5",
    constraint: Constraint | None = None,
    seed: int = 0,
) -> SpectrumFit:
    r"""Fit a smooth function to a spectrum, and the strength of a signal if one is given.

    Minimises :math:`\sum_i \lambda_i - n_i \ln \lambda_i` over the bins not masked, with analytic
    gradient; the covariance is that of Hesse, propagated to the bins by the Jacobian. A resonance
    is either masked, :math:`\lambda_i = b_i(\theta)` outside it, or fitted,
    :math:`\lambda_i = b_i(\theta) + \mu s_i`.

    Parameters
    ----------
    edges : array_like of shape (n_bins + 1,)
        Bin edges, GeV.
    counts : array_like of shape (n_bins,)
        Events in each bin.
    masked : array_like of bool, shape (n_bins,), optional
        Bins kept out of the fit, in which the background is predicted.
    signal : array_like of shape (n_bins,), optional
        Signal template: events in each bin at strength 1.
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
        If the counts are not numbers of events, or the signal is no template.
    FitError
        If too few bins have events, or the fit does not converge.
    """
    counts = checked_counts(counts, checked_edges(edges))
    mask = np.zeros(counts.size, bool) if masked is None else np.asarray(masked, dtype=bool)
    if mask.shape != counts.shape:
        msg = f"masked has shape {mask.shape}, the counts {counts.shape}: one per bin"
        raise InputError(msg)
    template = None if signal is None else _checked_signal(signal, mask)
    n_par = n_parameters(function)
    n_free = n_par + (template is not None)
    filled = int(((counts > 0) & ~mask).sum())
    if constraint is None and filled <= n_free:
        msg = (
            f"only {filled} of {int((~mask).sum())} fitted bins have events; {function} needs "
            f"more than {n_free}: widen the range, or choose a function with fewer parameters"
        )
        raise FitError(msg)
    free = Constraint(np.zeros(n_par), np.zeros(n_par)) if constraint is None else constraint
    model = basis(function, edges)
    best = _minimise(model, counts, mask, free, template)
    theta, covariance = best.theta[:n_par], best.covariance[:n_par, :n_par]

    expected, jacobian = model.expected(theta), model.jacobian(theta)
    bin_covariance = jacobian @ covariance @ jacobian.T
    mean = expected if template is None else expected + best.theta[-1] * template
    mean = np.maximum(mean, 1e-300)
    chi2 = float(_deviance(counts, mean)[~mask].sum())
    thrown = np.random.default_rng(seed).poisson(mean, (_TOYS, 1, counts.size))
    start = best.theta.copy()
    if template is not None:
        start[-1] = max(start[-1], 0.0)  # where a batched fit may start: all expectations positive
    toys = refit(_problem(model, mask, start, free, template), thrown)
    worse = int((toys.deviance[:, 0] >= chi2).sum())
    result = SpectrumFit(
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
        ndf=int((~mask).sum()) - n_free,
        p_value=(1 + worse) / (1 + _TOYS),
    )
    if template is None:
        return result
    strength = float(best.theta[-1])
    q0 = 2 * (_minimise(model, counts, mask, free).loss - best.loss)
    return replace(
        result,
        signal=tuple(template.tolist()),
        strength=strength,
        strength_error=None if best.at_limit else float(np.sqrt(best.covariance[-1, -1])),
        z=float(np.copysign(np.sqrt(max(q0, 0.0)), strength)),
    )


def likelihood(
    model: Basis,
    counts: Array,
    mask: NDArray[np.bool_],
    constraint: Constraint,
    signal: Array | None = None,
) -> tuple[Callable[..., float], Callable[..., Array]]:
    """Return the negative log-likelihood and its gradient, as functions of the parameters.

    With a signal, its strength is the last parameter, which no constraint binds.
    """
    used, n_par = ~mask, model.n_parameters

    def mean_of(values: Array) -> Array:
        mean = model.expected(values[:n_par])
        return np.maximum(mean if signal is None else mean + values[-1] * signal, 1e-300)[used]

    def loss(values: Array) -> float:
        mean, pull = mean_of(values), values[:n_par] - constraint.centre
        return float(
            (mean - counts[used] * np.log(mean)).sum() + (constraint.precision * pull**2).sum() / 2
        )

    def gradient(values: Array) -> Array:
        residual = 1 - counts[used] / mean_of(values)
        slope = residual @ model.jacobian(values[:n_par])[used]
        slope += constraint.precision * (values[:n_par] - constraint.centre)
        return slope if signal is None else np.r_[slope, residual @ signal[used]]

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


@dataclass(frozen=True, eq=False)
class _Minimum:
    """Parameters (the strength of a signal last), covariance, and negative log-likelihood."""

    theta: Array
    covariance: Array
    loss: float
    at_limit: bool


def _minimise(
    model: Basis,
    counts: Array,
    mask: NDArray[np.bool_],
    constraint: Constraint,
    signal: Array | None = None,
) -> _Minimum:
    """Find the minimum; FitError where Minuit does not trust it."""
    loss, gradient = likelihood(model, counts, mask, constraint, signal)
    guess = seed_theta(model, counts)
    alone = refit(_problem(model, mask, guess, constraint, None), counts[None, None])
    first = alone.theta[0, 0] if alone.converged[0, 0] else guess
    least = 0.0
    if signal is not None:
        inside = ~mask & (signal > 0)
        # Beyond, an expectation would be negative. The background moves little with the strength,
        # but where there are no events it may: hence not quite to zero.
        least = -0.99 * float((model.expected(first)[inside] / signal[inside]).min())
        first = np.r_[first, 0.0]
        start = refit(_problem(model, mask, first, constraint, signal), counts[None, None])
        if start.converged[0, 0] and start.theta[0, 0, -1] > least:
            first = start.theta[0, 0]
    minuit = Minuit(cast("Any", loss), first, grad=cast("Any", gradient))
    minuit.errordef = Minuit.LIKELIHOOD
    if signal is not None:
        minuit.limits[-1] = (least, None)
        minuit.errors[-1] = np.sqrt(counts[signal > 0].sum() + 1) / signal.sum()
    for strategy in (2, 1):  # the careful one now and then refuses a minimum that is flat
        minuit.strategy = strategy
        minuit.migrad()
        minuit.hesse()
        if minuit.valid:
            break
    if not minuit.valid or minuit.covariance is None or minuit.fval is None:
        msg = (
            f"the {model.name} fit of {int(counts.sum())} events does not converge; "
            "use fewer parameters or a narrower range"
        )
        raise FitError(msg)
    theta = np.array(minuit.values)
    at_limit = signal is not None and bool(theta[-1] < 0.999 * least)
    return _Minimum(theta, np.array(minuit.covariance), float(minuit.fval), at_limit)


def _problem(
    model: Basis,
    mask: NDArray[np.bool_],
    start: Array,
    constraint: Constraint,
    signal: Array | None,
) -> Problem:
    """Return the same fit for `refit`, of one spectrum."""
    unbound = np.zeros(0 if signal is None else 1)
    return Problem(
        model,
        mask[None],
        ~mask[None],
        start[None],
        np.r_[constraint.centre, unbound][None],
        np.r_[constraint.precision, unbound][None],
        None if signal is None else signal[None],
    )


def _checked_signal(signal: ArrayLike, mask: NDArray[np.bool_]) -> Array:
    """Return a signal template as an array, or say what is wrong with it."""
    template = np.asarray(signal, dtype=float)
    if template.shape != mask.shape:
        msg = f"the signal has shape {template.shape}, the counts {mask.shape}: one per bin"
        raise InputError(msg)
    bad = np.flatnonzero(~np.isfinite(template) | (template < 0))
    if bad.size:
        msg = (
            f"bin {bad[0]} of the signal holds {template[bad[0]]:g} events; "
            "a template must be finite and not negative"
        )
        raise InputError(msg)
    if not template[~mask].any():
        msg = "the signal has no events in the fitted bins: its strength cannot be known there"
        raise InputError(msg)
    return template


def _deviance(counts: Array, expected: Array) -> Array:
    """Return twice the log-likelihood ratio of each bin to the saturated model."""
    ratio = np.where(counts > 0, counts, 1) / np.where(counts > 0, expected, 1)
    return 2 * (expected - counts + counts * np.log(ratio))
