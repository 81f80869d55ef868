"""From counts to p-values to significances, one-sided, and exact far into the tail."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

__all__ = ["local_log_p", "local_p", "p_of_z", "z_of_log_p", "z_of_p"]

Array = NDArray[np.float64]

_LARGEST_P = 1.0 - 2.0**-53  # so that z of "nothing was seen" is -8.2, not minus infinity


def local_p(observed: ArrayLike, expected: ArrayLike, error: ArrayLike) -> Array:
    r"""Return the probability to observe at least so many events from background alone.

    The background, known as :math:`b \pm \sigma`, is as if measured in a side region with
    :math:`n_\mathrm{off} = b^2/\sigma^2` events and the ratio :math:`\tau = b/\sigma^2` of the
    exposures. The Poisson mean then has a Gamma distribution of shape
    :math:`n_\mathrm{off} + 1` and rate :math:`\tau`, and the p-value is

    .. math:: p = I_{1/(1+\tau)}(n, n_\mathrm{off} + 1),

    the binomial p-value of Cousins, Linnemann and Tucker (physics/0702156, §3.3 and eq. 14;
    ``RooStats::NumberCountingUtils``), which never under-covers in the on/off problem. For
    :math:`\sigma \to 0` it is the Poisson p-value.

    Parameters
    ----------
    observed : array_like
        Observed counts n.
    expected, error : array_like
        Expected background b and its error σ, in events.

    Returns
    -------
    ndarray
        p, in (0, 1]; 1 for n = 0. Below 1e-300 use `local_log_p`.
    """
    n, b, sigma = np.broadcast_arrays(*(np.asarray(x, float) for x in (observed, expected, error)))
    variance = sigma**2
    known = variance <= 1e-9 * b  # too few digits are left in τ: Poisson is the limit
    safe_n = np.maximum(n, 1.0)
    tau = np.divide(b, variance, out=np.ones_like(b), where=~known & (variance > 0))
    with np.errstate(invalid="ignore"):
        mixed = special.betainc(safe_n, b * tau + 1.0, 1.0 / (1.0 + tau))
    p = np.where(known, special.gammainc(safe_n, np.maximum(b, 0.0)), mixed)
    p = np.where(np.isfinite(sigma), p, 1.0)  # a background of unknown size explains anything
    return np.where(n <= 0, 1.0, p)


def local_log_p(observed: ArrayLike, expected: ArrayLike, error: ArrayLike) -> Array:
    """Return ln p of `local_p`, also where p itself is below the smallest number of a computer."""
    n, b, sigma = np.broadcast_arrays(*(np.asarray(x, float) for x in (observed, expected, error)))
    p = local_p(n, b, sigma)
    with np.errstate(divide="ignore"):
        log_p = np.log(p)
    tiny = p < 1e-290
    if tiny.any():
        log_p = np.array(log_p)
        log_p[tiny] = _log_tail(n[tiny], b[tiny], sigma[tiny])
    return log_p


def z_of_p(p: ArrayLike) -> Array:
    """Return the one-sided significance of a p-value; -8.2 for p = 1."""
    return -special.ndtri(np.minimum(np.asarray(p, dtype=float), _LARGEST_P))


def z_of_log_p(log_p: ArrayLike) -> Array:
    """Return the one-sided significance of a p-value given as its natural logarithm."""
    return -special.ndtri_exp(np.minimum(np.asarray(log_p, dtype=float), np.log(_LARGEST_P)))


def p_of_z(z: ArrayLike) -> Array:
    """Return the one-sided p-value of a significance."""
    return special.ndtr(-np.asarray(z, dtype=float))


def _log_tail(n: Array, b: Array, sigma: Array) -> Array:
    """Sum the tail P(N ≥ n) from its leading term on, in logarithms.

    N is negative binomial; each term follows from the one before by a ratio below one, since far
    in the tail n exceeds the mean.
    """
    variance = np.maximum(sigma**2, 1e-9 * np.maximum(b, 1e-300))
    tau = b / variance
    shape = b * tau + 1.0
    leading = (
        special.gammaln(n + shape)
        - special.gammaln(shape)
        - special.gammaln(n + 1.0)
        + shape * np.log(tau / (1.0 + tau))
        - n * np.log1p(tau)
    )
    total, term = np.ones_like(n), np.ones_like(n)
    for j in range(10_000):
        term = term * (n + j + shape) / ((n + j + 1.0) * (1.0 + tau))
        total += term
        if np.all(term < 1e-12 * total):
            break
    return leading + np.log(total)
