"""The sideband fit of many spectra at once: what makes refitted pseudo-experiments affordable.

Poisson likelihood of log-linear functions integrated over bins, with a signal of free strength
where asked, maximised by Fisher scoring with step halving, compiled by numba. It holds no lock, so
batches may run in threads.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from .functions import MAX_LOG, Basis

__all__ = ["Fits", "Problem", "refit"]

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
    centre, precision : ndarray of shape (n_spectra, n_parameters)
        Gaussian constraint of the parameters (precision = 1/σ²; 0 leaves a parameter free).
    signal : ndarray of shape (n_spectra, n_bins), optional
        Events of a signal in each bin, fitted with a free strength, which is the last parameter
        (of ``start``, ``centre`` and ``precision`` too).
    """

    basis: Basis
    masked: Mask
    tested: Mask
    start: Array
    centre: Array
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
        problem.centre,
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


_MAX_STEP = 3.0  # largest move of a parameter in one step: e^3 in the spectrum


@njit(cache=True, nogil=True, error_model="numpy")
def _bin(theta, design, weights, slope):
    """Return the background in one bin, and its gradient in ``slope``."""
    content = 0.0
    slope[:] = 0.0
    for q in range(weights.size):
        log_f = 0.0
        for p in range(design.shape[1]):
            log_f += design[q, p] * theta[p]
        f = weights[q] * np.exp(min(max(log_f, -MAX_LOG), MAX_LOG))
        content += f
        for p in range(design.shape[1]):
            slope[p] += f * design[q, p]
    return max(content, 1e-300)


@njit(cache=True, nogil=True, error_model="numpy")
def _cholesky(matrix):
    """Factorise the lower triangle in place; False where it is not positive definite."""
    for i in range(matrix.shape[0]):
        for j in range(i + 1):
            value = matrix[i, j]
            for m in range(j):
                value -= matrix[i, m] * matrix[j, m]
            if i > j:
                matrix[i, j] = value / matrix[j, j]
            elif value > 1e-14 * matrix[i, i] and value > 0.0:
                matrix[i, i] = np.sqrt(value)
            else:
                return False
    return True


@njit(cache=True, nogil=True, error_model="numpy")
def _solve_lower(lower, vector, out):
    """Solve L out = vector; returns out·out, which is vector·(L Lᵀ)⁻¹·vector."""
    square = 0.0
    for i in range(vector.size):
        value = vector[i]
        for m in range(i):
            value -= lower[i, m] * out[m]
        out[i] = value / lower[i, i]
        square += out[i] * out[i]
    return square


@njit(cache=True, nogil=True, error_model="numpy")
def _solve_upper(lower, out):
    """Solve Lᵀ x = out in place."""
    for i in range(out.size - 1, -1, -1):
        for m in range(i + 1, out.size):
            out[i] -= lower[m, i] * out[m]
        out[i] /= lower[i, i]


@njit(cache=True, nogil=True, error_model="numpy")
def _refit(  # noqa: PLR0912, PLR0915, PLR0917  (one loop nest of bare arrays, for numba)
    counts,
    design,
    weights,
    signal,
    masked,
    tested,
    start,
    centre,
    precision,
    max_steps,
    tolerance,
    theta_out,
    expected_out,
    error_out,
    strength_error_out,
    deviance_out,
    converged_out,
):
    n_experiments, n_spectra, n_bins = counts.shape
    n_shape = design.shape[2]
    n_par = start.shape[1]
    theta, last, step = np.empty(n_par), np.empty(n_par), np.empty(n_par)
    slope, gradient, half = np.empty(n_par), np.empty(n_par), np.empty(n_par)
    info = np.empty((n_par, n_par))
    for e in range(n_experiments):
        for k in range(n_spectra):
            theta[:] = start[k]
            last_loss = np.inf
            solved = False
            for _ in range(max_steps):
                loss = 0.0
                gradient[:] = 0.0
                info[:] = 0.0
                for b in range(n_bins):
                    if masked[k, b]:
                        continue
                    mean = _bin(theta, design[b], weights[b], slope)
                    if n_par > n_shape:
                        slope[n_shape] = signal[k, b]
                        mean += theta[n_shape] * signal[k, b]
                        if mean <= 0.0:
                            loss = np.inf
                            break
                    n = counts[e, k, b]
                    loss += mean - n * np.log(mean)
                    for p in range(n_par):
                        gradient[p] += (n / mean - 1.0) * slope[p]
                        for r in range(p + 1):
                            info[p, r] += slope[p] * slope[r] / mean
                for p in range(n_par):
                    pull = theta[p] - centre[k, p]
                    loss += 0.5 * precision[k, p] * pull * pull
                    gradient[p] -= precision[k, p] * pull
                    info[p, p] += precision[k, p]
                if not loss <= last_loss + 1e-11 * (1.0 + abs(last_loss)):
                    for p in range(n_par):
                        step[p] *= 0.5
                        theta[p] = last[p] + step[p]
                    continue
                solved = _cholesky(info)
                if not solved:
                    break
                decrement = _solve_lower(info, gradient, step)
                _solve_upper(info, step)
                largest = np.max(np.abs(step[:n_shape]))
                if largest > _MAX_STEP:
                    step *= _MAX_STEP / largest
                last_loss = loss
                last[:] = theta
                theta += step
                if decrement < tolerance:
                    converged_out[e, k] = True
                    break
            # The information is that of the last accepted point, a step of less than the
            # tolerance away: close enough for the error.
            theta_out[e, k] = theta
            total = 0.0
            deviance = 0.0
            gradient[:] = 0.0
            for b in range(n_bins):
                if not (masked[k, b] or tested[k, b]):
                    continue
                mean = _bin(theta, design[b], weights[b], slope)
                if masked[k, b]:
                    total += mean
                    gradient += slope
                if n_par > n_shape:
                    mean = max(mean + theta[n_shape] * signal[k, b], 1e-300)
                if tested[k, b]:
                    n = counts[e, k, b]
                    deviance += 2.0 * (mean - n)
                    if n > 0:
                        deviance += 2.0 * n * np.log(n / mean)
            expected_out[e, k] = total
            deviance_out[e, k] = deviance
            error_out[e, k] = np.inf
            if solved:
                error_out[e, k] = np.sqrt(_solve_lower(info, gradient, half))
                if n_par > n_shape:
                    strength_error_out[e, k] = 1.0 / info[n_shape, n_shape]
