"""From counts to p-values to significances, one-sided, and exact far into the tail."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from .smeared import gaussian_log_p, gaussian_p, lognormal_log_p, lognormal_p

__all__ = [
    "LEAST_P",
    "asimov_z",
    "asymptotic_z",
    "binomial_z",
    "gamma_q0",
    "gaussian_log_p",
    "gaussian_p",
    "gaussian_q0",
    "local_log_p",
    "local_p",
    "lognormal_log_p",
    "lognormal_p",
    "p_of_z",
    "z_of_log_p",
    "z_of_p",
]

Array = NDArray[np.float64]

LEAST_P = 1e-300
"""No p-value is quoted below it: it has too few digits, or is zero."""

_KNOWN = 1e-9  # variance per event of the background below which it is as good as known
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

    Examples
    --------
    >>> round(float(local_p(3, 1.0, 0.0)), 4)  # 1 - e^-1 (1 + 1 + 1/2)
    0.0803
    >>> local_p([30, 30], 20.0, [0.0, 4.0]).round(4).tolist()
    [0.0218, 0.0855]
    """
    n, b, sigma = np.broadcast_arrays(*(np.asarray(x, float) for x in (observed, expected, error)))
    variance = sigma**2
    known = variance <= _KNOWN * b  # too few digits are left in τ: Poisson is the limit
    safe_n = np.maximum(n, 1.0)
    tau = np.divide(b, variance, out=np.ones_like(b), where=~known & (variance > 0))
    with np.errstate(invalid="ignore"):
        mixed = special.betainc(safe_n, b * tau + 1.0, 1.0 / (1.0 + tau))
    p = np.where(known, special.gammainc(safe_n, np.maximum(b, 0.0)), mixed)
    p = np.where(np.isfinite(sigma), p, 1.0)  # a background of unknown size explains anything
    return np.where(n <= 0, 1.0, p)


def local_log_p(observed: ArrayLike, expected: ArrayLike, error: ArrayLike) -> Array:
    """Return ln p of `local_p`, also where p itself is below the smallest number of a computer.

    Examples
    --------
    >>> round(float(local_log_p(500, 10.0, 1.0)), 1)
    -941.3
    """
    n, b, sigma = np.broadcast_arrays(*(np.asarray(x, float) for x in (observed, expected, error)))
    p = local_p(n, b, sigma)
    with np.errstate(divide="ignore"):
        log_p = np.log(p)
    tiny = p < 1e-290
    if tiny.any():
        log_p = np.array(log_p)
        log_p[tiny] = _log_tail(n[tiny], b[tiny], sigma[tiny])
    return log_p


def binomial_z(observed: ArrayLike, expected: ArrayLike, relative_error: ArrayLike) -> Array:
    """Return the significance of `local_p` for a relative background uncertainty.

    The same number as ``RooStats::NumberCountingUtils::BinomialObsZ(observed, expected,
    relative_error)``, and as ``BinomialExpZ(signal, expected, relative_error)`` for an observed
    signal + expected. LHCO §3.1 (arXiv:2101.08320) takes 15 %.

    Parameters
    ----------
    observed, expected : array_like
        Observed count and expected background.
    relative_error : array_like
        Error of the background divided by the background.

    Returns
    -------
    ndarray
        One-sided significance.

    Examples
    --------
    >>> round(float(binomial_z(150, 100, 0.1)), 2)
    3.11
    """
    b = np.asarray(expected, dtype=float)
    return z_of_log_p(local_log_p(observed, b, np.asarray(relative_error, dtype=float) * b))


def gamma_q0(observed: ArrayLike, expected: ArrayLike, error: ArrayLike) -> Array:
    r"""Return the profile-likelihood q0 of a count whose background was itself counted.

    With :math:`m = b^2/\sigma^2` events in a side region (as in `local_p`),

    .. math:: q_0 = 2\left[n \ln\frac{n}{b} - (n + m) \ln\frac{n + m}{b + m}\right]

    for n > b, else 0 (Cowan, Cranmer, Gross and Vitells, arXiv:1007.1727, eq. 12 and §5.1; Li and
    Ma, ApJ 272 (1983) 317, eq. 17). For σ → 0 it is
    :math:`2 [n \ln(n/b) - (n - b)]`.

    Parameters
    ----------
    observed : array_like
        Observed counts n.
    expected, error : array_like
        Background b and its error σ, in events.

    Returns
    -------
    ndarray
        q0; infinite for events over a background of zero.

    Examples
    --------
    >>> round(float(gamma_q0(40, 20, 4)), 3)
    7.648
    """
    n, b, sigma = np.broadcast_arrays(*(np.asarray(x, float) for x in (observed, expected, error)))
    known = sigma**2 <= _KNOWN * b
    excess = np.maximum(n - b, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        m = np.where(known, 0.0, b**2 / sigma**2)
        poisson = special.xlogy(n, n / b) - excess
        counted = special.xlogy(n, n / b) - (n + m) * np.log1p(excess / (b + m))
    q0 = 2 * np.where(known, poisson, np.where(b > 0, counted, 0.0))
    return np.where(excess > 0, np.maximum(q0, 0.0), 0.0)


def gaussian_q0(observed: ArrayLike, expected: ArrayLike, error: ArrayLike) -> Array:
    r"""Return the profile-likelihood q0 of a count with a Gaussian-constrained background.

    .. math:: q_0 = 2\left[n \ln\frac{n}{\hat{\hat b}} - (n - \hat{\hat b})
              + \frac{(\hat{\hat b} - b)^2}{2 \sigma^2}\right],\qquad
              \hat{\hat b} = \tfrac12\left[b - \sigma^2
              + \sqrt{(b - \sigma^2)^2 + 4 n \sigma^2}\right]

    for n > b, else 0: arXiv:1007.1727, eq. 12, with :math:`\hat{\hat b}` where the derivative of
    the likelihood without signal vanishes.

    Parameters
    ----------
    observed : array_like
        Observed counts n.
    expected, error : array_like
        Background b and its error σ, in events.

    Returns
    -------
    ndarray
        q0.

    Examples
    --------
    >>> round(float(gaussian_q0(40, 20, 4)), 3)
    8.489
    """
    n, b, sigma = np.broadcast_arrays(*(np.asarray(x, float) for x in (observed, expected, error)))
    variance = sigma**2
    excess = np.maximum(n - b, 0.0)
    # b̂̂ - b = σ² (n - b̂̂) / b̂̂ without the difference of large numbers
    root = np.sqrt((b - variance) ** 2 + 4 * n * variance)
    moved = 2 * variance * excess / np.maximum(root + b + variance, 1e-300)
    best = b + moved
    with np.errstate(divide="ignore", invalid="ignore"):
        pull = np.divide(moved**2, 2 * variance, out=np.zeros_like(b), where=variance > 0)
        q0 = 2 * (special.xlogy(n, n / best) - (n - best) + pull)
    return np.where(excess > 0, np.maximum(q0, 0.0), 0.0)


def asymptotic_z(q0: ArrayLike) -> Array:
    r"""Return the asymptotic one-sided significance :math:`\sqrt{q_0}` (arXiv:1007.1727, eq. 53).

    Examples
    --------
    >>> asymptotic_z(9.0).item()
    3.0
    """
    return np.sqrt(np.asarray(q0, dtype=float))


def asimov_z(signal: ArrayLike, expected: ArrayLike, error: ArrayLike) -> Array:
    r"""Return the median significance to expect of a signal: :math:`\sqrt{q_0}` for n = s + b.

    The Asimov data set of `gamma_q0` (arXiv:1007.1727, eq. 97 without, Cowan 2012, "Discovery
    sensitivity for a counting experiment with background uncertainty", eq. 20 with uncertainty).

    Parameters
    ----------
    signal, expected, error : array_like
        Signal s, background b and its error σ, in events.

    Examples
    --------
    >>> asimov_z(10, 100, [0.0, 10.0]).round(3).tolist()
    [0.984, 0.69]
    """
    b = np.asarray(expected, dtype=float)
    return asymptotic_z(gamma_q0(np.asarray(signal, dtype=float) + b, b, error))


def z_of_p(p: ArrayLike) -> Array:
    """Return the one-sided significance of a p-value; -8.2 for p = 1.

    Examples
    --------
    >>> z_of_p([0.1587, 2.87e-7]).round(2).tolist()
    [1.0, 5.0]
    """
    return -special.ndtri(np.minimum(np.asarray(p, dtype=float), _LARGEST_P))


def z_of_log_p(log_p: ArrayLike) -> Array:
    """Return the one-sided significance of a p-value given as its natural logarithm.

    Examples
    --------
    >>> round(float(z_of_log_p(-1000.0)), 2)
    44.62
    """
    return -special.ndtri_exp(np.minimum(np.asarray(log_p, dtype=float), np.log(_LARGEST_P)))


def p_of_z(z: ArrayLike) -> Array:
    """Return the one-sided p-value of a significance.

    Examples
    --------
    >>> round(float(p_of_z(5.0)), 9)
    2.87e-07
    """
    return special.ndtr(-np.asarray(z, dtype=float))


def _log_tail(n: Array, b: Array, sigma: Array) -> Array:
    """Sum the tail P(N ≥ n) from its leading term on, in logarithms.

    N is negative binomial; each term follows from the one before by a ratio below one, since far
    in the tail n exceeds the mean.
    """
    variance = np.maximum(sigma**2, _KNOWN * np.maximum(b, 1e-300))
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
