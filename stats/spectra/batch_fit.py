"""The sideband fit of many spectra at once: what makes refitted pseudo-experiments affordable.

Poisson likelihood of log-linear functions integrated over bins, with a signal of free strength
where asked, maximised by compiled Newton steps (`overdensity.stats.spectra.newton`). They hold no lock, so
batches may run in threads.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from .functions import Basis
from .newton import bin_content, maximise, overwrite, solve_lower
from .poisson import seed_theta

__all__ = ["Fits", "Problem", "fit_free", "refit"]

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Problem:
    """What is fitted to each of n_spectra spectra, the same in every pseudo-experiment.

    Attributes
    ----------
    basis : Basis
        The function on its bins.
    masked : ndarray of bool, shape (n_spectra, n_bins)
        Bins kept out of the fit: the signal region, in which the yield is predicted.
    tested : ndarray of bool, shape (n_spectra, n_bins)
        Bins over which the deviance is taken as the goodness of fit.
    start : ndarray of shape (n_spectra, n_parameters)
        Where the fits start; with a signal, where no bin has a negative expectation.
    center, precision : ndarray of shape (n_spectra, n_parameters)
        Gaussian constraint of the parameters (precision = 1/σ²; 0 leaves a parameter free).
    signal : ndarray of shape (n_spectra, n_bins), optional
        Events of a signal in each bin, fitted with a free strength, which is the last parameter
        (of ``start``, ``center`` and ``precision`` too).

    Examples
    --------
    >>> import numpy as np
    >>> from overdensity.stats.spectra.functions import basis
    >>> model = basis("dijet3", np.linspace(1000, 2000, 9))
    >>> free, mask = np.zeros((1, 3)), np.zeros((1, 8), bool)
    >>> Problem(model, mask, ~mask, free, free, free).signal is None
    True
    """

    basis: Basis
    masked: Mask
    tested: Mask
    start: Array
    center: Array
    precision: Array
    signal: Array | None = None


@dataclass(frozen=True, eq=False)
class Fits:
    """Fits of (n_experiments, n_spectra) spectra.

    Attributes
    ----------
    theta : ndarray of shape (n_experiments, n_spectra, n_parameters)
        Parameters at the maximum, the strength of a signal last.
    expected, error : ndarray of shape (n_experiments, n_spectra)
        Events of background expected in the masked bins, and the error propagated from the fit.
    strength_error : ndarray of shape (n_experiments, n_spectra)
        Error of the last parameter, NaN where no signal is fitted.
    deviance : ndarray of shape (n_experiments, n_spectra)
        Twice the log-likelihood ratio to the saturated model over the tested bins.
    converged : ndarray of bool, shape (n_experiments, n_spectra)
        Whether the estimated distance to the maximum came below tolerance.

    Examples
    --------
    >>> import numpy as np
    >>> from overdensity.stats.spectra.functions import basis
    >>> model = basis("dijet3", np.linspace(1000, 2000, 9))
    >>> free, mask = np.zeros((1, 3)), np.zeros((1, 8), bool)
    >>> counts = np.array([[[90.0, 70, 52, 41, 32, 24, 19, 15]]])
    >>> refit(Problem(model, mask, ~mask, free, free, free), counts).converged.tolist()
    [[True]]
    """

    theta: Array
    expected: Array
    error: Array
    strength_error: Array
    deviance: Array
    converged: Mask


def refit(
    problem: Problem, counts: NDArray, *, max_steps: int = 100, tolerance: float = 1e-9
) -> Fits:
    r"""Fit every spectrum of every pseudo-experiment.

    Maximises :math:`\sum_i n_i \ln\lambda_i(\theta) - \lambda_i(\theta)` over the bins that are
    not masked, less half the constraint term; the covariance is the inverse Fisher information
    :math:`\sum_i \partial\lambda_i \partial\lambda_i^T / \lambda_i` plus the precision. With a
    signal, :math:`\lambda_i = b_i(\theta) + \mu s_i > 0`, where :math:`\mu` may be negative.

    Parameters
    ----------
    problem : Problem
        What to fit to each spectrum.
    counts : ndarray of shape (n_experiments, n_spectra, n_bins)
        Event counts.
    max_steps : int
        Evaluations of the likelihood allowed for a fit.
    tolerance : float
        Converged when the Newton decrement, twice the estimated distance to the maximum in units
        of the log-likelihood, is below.

    Returns
    -------
    Fits

    Examples
    --------
    >>> import numpy as np
    >>> from overdensity.stats.spectra.functions import basis
    >>> model = basis("dijet3", np.linspace(1000, 2000, 9))
    >>> free, mask = np.zeros((1, 3)), (np.arange(8) == 3)[None]
    >>> counts = np.array([[[90.0, 70, 52, 41, 32, 24, 19, 15]]])
    >>> fits = refit(Problem(model, mask, ~mask, free, free, free), counts)
    >>> fits.expected.round(1).tolist()
    [[40.7]]
    """
    n, k, _ = counts.shape
    signal = np.zeros((k, 0)) if problem.signal is None else np.asarray(problem.signal, dtype=float)
    fits = Fits(
        np.empty((n, k, problem.start.shape[1])),
        np.empty((n, k)),
        np.empty((n, k)),
        np.full((n, k), np.nan),
        np.empty((n, k)),
        np.zeros((n, k), dtype=np.bool_),
    )
    _refit(
        np.ascontiguousarray(counts, dtype=np.float64),
        problem.basis.design,
        problem.basis.weights,
        np.ascontiguousarray(signal),
        problem.masked,
        problem.tested,
        problem.start,
        problem.center,
        problem.precision,
        max_steps,
        tolerance,
        fits.theta,
        fits.expected,
        fits.error,
        fits.strength_error,
        fits.deviance,
        fits.converged,
    )
    return fits


def fit_free(model: Basis, counts: Array, masked: Mask, *, tested: Mask | None = None) -> Fits:
    """Fit one spectrum outside several sets of bins, without constraints.

    Parameters
    ----------
    model : Basis
        The function on its bins.
    counts : ndarray of shape (n_bins,)
        Events. Where fits start is told by all of them; give none where they are not to be looked at.
    masked, tested : ndarray of bool, shape (n_sets, n_bins)
        Bins that are not fitted, and those in the deviance; by default, those that are fitted.

    Returns
    -------
    Fits
        One pseudo-experiment, with a fit for each set.

    Examples
    --------
    >>> import numpy as np
    >>> from overdensity.stats.spectra.functions import basis
    >>> counts = np.array([90.0, 70, 52, 41, 32, 24, 19, 15])
    >>> found = fit_free(basis("dijet3", np.linspace(1000, 2000, 9)), counts, np.eye(8) > 0)
    >>> found.expected.round(1).tolist()
    [[92.6, 68.5, 53.3, 40.7, 31.5, 24.6, 19.1, 14.6]]
    """
    free = np.zeros((len(masked), model.n_parameters))
    start = np.tile(seed_theta(model, counts), (len(masked), 1))
    problem = Problem(model, masked, ~masked if tested is None else tested, start, free, free)
    return refit(problem, np.broadcast_to(counts, (1, *masked.shape)))


@njit(cache=True, nogil=True, error_model="numpy")
def _refit(  # noqa: PLR0917  (bare arrays, for numba)
    counts, design, weights, signal, masked, tested, start, center, precision, max_steps,
    tolerance, theta_out, expected_out, error_out, strength_error_out, deviance_out, converged_out,
):  # fmt: skip
    n_shape, n_par = design.shape[2], start.shape[1]
    theta, step, last = np.empty(n_par), np.empty(n_par), np.empty(n_par)
    slope, gradient, info = np.empty(n_par), np.empty(n_par), np.empty((n_par, n_par))
    work = slope, gradient, info, step, last
    for e in range(counts.shape[0]):
        for k in range(counts.shape[1]):
            overwrite(theta, start[k])
            model = design, weights, center[k], precision[k]
            converged_out[e, k], solved = maximise(
                theta, counts[e, k], signal[k], masked[k], model, work, max_steps, tolerance
            )
            overwrite(theta_out[e, k], theta)
            expected_out[e, k], deviance_out[e, k] = _predict(
                theta, counts[e, k], signal[k], masked[k], tested[k], model, slope, gradient
            )
            error_out[e, k] = np.inf
            if solved:
                error_out[e, k] = np.sqrt(solve_lower(info, gradient, step))
                if n_par > n_shape:
                    strength_error_out[e, k] = 1.0 / info[n_shape, n_shape]


@njit(cache=True, nogil=True, error_model="numpy")
def _predict(theta, counts, signal, masked, tested, model, slope, gradient):  # noqa: PLR0917
    """Return the background in the masked bins, its gradient, and the deviance of the tested."""
    design, weights, _, _ = model
    n_shape, n_par = design.shape[2], theta.size
    total = 0.0
    deviance = 0.0
    gradient[:] = 0.0
    for b in range(counts.size):
        if not (masked[b] or tested[b]):
            continue
        mean = bin_content(theta, design[b], weights[b], slope)
        if masked[b]:
            total += mean
            gradient += slope
        if n_par > n_shape:
            mean = max(mean + theta[n_shape] * signal[b], 1e-300)
        if tested[b]:
            n = counts[b]
            deviance += 2.0 * (mean - n)
            if n > 0:
                deviance += 2.0 * n * np.log(n / mean)
    return total, deviance
