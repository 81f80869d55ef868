"""One mass spectrum and its smooth fit, with a signal if asked: Poisson likelihood, by Minuit."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
from iminuit import Minuit
from numpy.typing import ArrayLike, NDArray

from ...core import FitError, InputError, Record
from .batch_fit import Problem, refit
from .binning import checked_edges
from .functions import Basis, basis, n_parameters
from .poisson import Constraint, checked_counts, deviance, likelihood, seed_theta
from .predictions import check_filled, checked_mask, prediction

__all__ = ["SpectrumFit", "fit"]

Array = NDArray[np.float64]

_TOYS = 1000


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
        ln p0, p1, p2, … of the published form; of a selected spectrum, those before selection.
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
    efficiency : tuple of float
        Of a selected spectrum: the efficiency in each bin, by which the fit before selection was
        multiplied; empty else.

    Examples
    --------
    >>> import numpy as np
    >>> from overdensity.stats import log_edges
    >>> edges = log_edges(2632, 6000, 16)
    >>> counts = np.round(5000 * 0.7 ** np.arange(16))
    >>> from overdensity.stats import fit
    >>> fit(edges, counts, function='dijet3').ndf
    13
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
    efficiency: tuple[float, ...] = ()


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
        Background function (`background_functions`).
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

    Examples
    --------
    >>> import numpy as np
    >>> from overdensity.stats import log_edges
    >>> edges = log_edges(2632, 6000, 16)
    >>> counts = np.round(5000 * 0.7 ** np.arange(16))
    >>> inside = (edges[:-1] > 3200) & (edges[1:] < 3900)
    >>> found = fit(edges, counts, masked=inside, function='dijet3')
    >>> bool(abs(found.total - found.observed) < 3 * found.total_error), found.ndf
    (True, 10)
    """
    counts = checked_counts(counts, checked_edges(edges))
    mask = checked_mask(masked, counts.size)
    template = None if signal is None else _checked_signal(signal, mask)
    n_par = n_parameters(function)
    n_free = n_par + (template is not None)
    if constraint is None:
        check_filled(counts, mask, function, n_free)
    free = Constraint(np.zeros(n_par), np.zeros(n_par)) if constraint is None else constraint
    model = basis(function, edges)
    best = _minimise(model, counts, mask, free, template)
    theta, covariance = best.theta[:n_par], best.covariance[:n_par, :n_par]

    expected, jacobian = model.expected(theta), model.jacobian(theta)
    bin_covariance = jacobian @ covariance @ jacobian.T
    mean = expected if template is None else expected + best.theta[-1] * template
    mean = np.maximum(mean, 1e-300)
    chi2 = float(deviance(counts, mean)[~mask].sum())
    problem = _problem(model, mask, best.theta, free, template)
    result = SpectrumFit(
        function=function,
        counts=tuple(counts.astype(int).tolist()),
        parameters=tuple(model.physical(theta).tolist()),
        **prediction(model.edges, mask, expected, bin_covariance),
        observed=int(counts[mask].sum()),
        chi2=chi2,
        ndf=int((~mask).sum()) - n_free,
        p_value=_goodness(problem, mean, chi2, seed),
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
        np.r_[constraint.center, unbound][None],
        np.r_[constraint.precision, unbound][None],
        None if signal is None else signal[None],
    )


def _goodness(problem: Problem, mean: Array, chi2: float, seed: int) -> float:
    """Return how often pseudo-experiments, refitted, have a larger deviance."""
    thrown = np.random.default_rng(seed).poisson(mean, (_TOYS, 1, mean.size))
    start = problem.start.copy()
    if problem.signal is not None:
        start[0, -1] = max(start[0, -1], 0.0)  # so that all expectations are positive
    toys = refit(replace(problem, start=start), thrown)
    return (1 + int((toys.deviance[:, 0] >= chi2).sum())) / (1 + _TOYS)


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
