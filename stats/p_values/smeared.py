"""Poisson p-values with a Gaussian or log-normal background uncertainty, far into the tail."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

__all__ = ["gaussian_log_p", "gaussian_p", "lognormal_log_p", "lognormal_p"]

Array = NDArray[np.float64]

_KNOWN = 1e-9  # variance per event of the background below which it is as good as known
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(64)
_NEGLIGIBLE = 40.0  # an integrand a factor e^40 below its maximum adds nothing


def gaussian_p(observed: ArrayLike, expected: ArrayLike, error: ArrayLike) -> Array:
    """Return p of `gaussian_log_p`.

    Examples
    --------
    >>> round(float(gaussian_p(30, 20.0, 4.0)), 4)
    0.0644
    """
    return np.exp(gaussian_log_p(observed, expected, error))


def gaussian_log_p(observed: ArrayLike, expected: ArrayLike, error: ArrayLike) -> Array:
    r"""Return ln p of a Poisson count with a Gaussian background uncertainty.

    .. math:: p = \int_0^\infty P(N \ge n \mid b')\,
              \frac{\mathcal{N}(b';\, b, \sigma)}{\Phi(b/\sigma)}\, db',

    the hybrid p-value Z_N of Cousins, Linnemann and Tucker (physics/0702156, §4.1), with the
    Gaussian cut off at zero. It can under-cover far in the tail; `local_p` does not.

    Parameters
    ----------
    observed : array_like
        Observed counts n.
    expected, error : array_like
        Background b and its error σ, in events.

    Returns
    -------
    ndarray
        ln p, accurate to 1e-8 however small p is; 0 for n = 0.

    Examples
    --------
    >>> gaussian_log_p([30, 500], 20.0, 4.0).round(2).tolist()
    [-2.74, -604.55]
    """
    (n, b, sigma), log_p, shape = _without_error(observed, expected, error)
    smeared = (n > 0) & (sigma**2 > _KNOWN * b) & np.isfinite(sigma)
    above_zero = special.log_ndtr(b / np.where(smeared, sigma, 1.0))

    def smear_background(n: Array, b: Array, sigma: Array) -> Array:
        def log_f(u: Array) -> Array:
            return _log_normal(u) + _log_gammainc(n, np.maximum(b + sigma * u, 0.0))

        steepest = np.maximum((n - b) / sigma, 0.0)
        return _log_integral(log_f, np.maximum(-12.0, -b / sigma), steepest + 12.0)

    def smear_count(n: Array, b: Array, sigma: Array) -> Array:
        def log_f(t: Array) -> Array:
            return _log_gamma(t, n) + special.log_ndtr((b - np.exp(t)) / sigma)

        low = np.log(np.minimum(n / 4, sigma / 8)) - 90.0 / n - 1.0
        return _log_integral(log_f, low, _log_largest(n))

    for part, form in (
        (smeared & (sigma**2 <= n), smear_background),
        (smeared & (sigma**2 > n), smear_count),
    ):
        if part.any():
            log_p[part] = form(n[part], b[part], sigma[part]) - above_zero[part]
    log_p[(n <= 0) | ~np.isfinite(sigma)] = 0.0
    return np.minimum(log_p, 0.0).reshape(shape)


def lognormal_p(observed: ArrayLike, expected: ArrayLike, error: ArrayLike) -> Array:
    """Return p of `lognormal_log_p`.

    Examples
    --------
    >>> round(float(lognormal_p(30, 20.0, 4.0)), 4)
    0.0684
    """
    return np.exp(lognormal_log_p(observed, expected, error))


def lognormal_log_p(observed: ArrayLike, expected: ArrayLike, error: ArrayLike) -> Array:
    r"""Return ln p of a Poisson count with a log-normal background uncertainty.

    The background is :math:`b\,\kappa^\eta` with :math:`\kappa = 1 + \sigma/b` and :math:`\eta`
    standard normal: its median is b (ATLAS and CMS, ATL-PHYS-PUB-2011-11, §2.2; ``lnN`` of
    Combine).

    Parameters
    ----------
    observed, expected, error : array_like
        As in `gaussian_log_p`.

    Returns
    -------
    ndarray
        ln p, of the same accuracy.

    Examples
    --------
    >>> lognormal_log_p([30, 500], 20.0, 4.0).round(2).tolist()
    [-2.68, -150.11]
    """
    (n, b, sigma), log_p, shape = _without_error(observed, expected, error)
    smeared = (n > 0) & (b > 0) & (sigma**2 > _KNOWN * b) & np.isfinite(sigma)
    width = np.log1p(np.divide(sigma, b, out=np.zeros_like(b), where=smeared))

    def smear_background(n: Array, b: Array, width: Array) -> Array:
        def log_f(u: Array) -> Array:
            return _log_normal(u) + _log_gammainc(n, b * np.exp(width * u))

        steepest = np.maximum(np.log(n / b) / width, 0.0)
        return _log_integral(log_f, np.full_like(n, -12.0), steepest + 12.0)

    def smear_count(n: Array, b: Array, width: Array) -> Array:
        def log_f(t: Array) -> Array:
            return _log_gamma(t, n) + special.log_ndtr((np.log(b) - t) / width)

        low = np.log(np.minimum(n / 8, b)) - 2 * width - 60.0 / n
        return _log_integral(log_f, low, _log_largest(n))

    for part, form in (
        (smeared & (width**2 * n <= 1), smear_background),
        (smeared & (width**2 * n > 1), smear_count),
    ):
        if part.any():
            log_p[part] = form(n[part], b[part], width[part])
    log_p[(n <= 0) | ~np.isfinite(sigma)] = 0.0
    return np.minimum(log_p, 0.0).reshape(shape)


def _without_error(
    observed: ArrayLike, expected: ArrayLike, error: ArrayLike
) -> tuple[tuple[Array, Array, Array], Array, tuple[int, ...]]:
    """Return the numbers side by side, ln p of a background that is known, and the shape."""
    n, b, sigma = np.broadcast_arrays(*(np.asarray(x, float) for x in (observed, expected, error)))
    log_p = _log_gammainc(np.maximum(n.ravel(), 1.0), np.maximum(b.ravel(), 0.0))
    return (n.ravel(), b.ravel(), sigma.ravel()), log_p, n.shape


def _log_normal(u: Array) -> Array:
    """Return ln of the standard normal density."""
    return -0.5 * u**2 - 0.5 * np.log(2 * np.pi)


def _log_gamma(t: Array, n: Array) -> Array:
    """Return ln of the density of t = ln x, where x has a Gamma distribution of shape n."""
    return n * t - np.exp(t) - special.gammaln(n)


def _log_largest(n: Array) -> Array:
    """Return ln of an x beyond which a Gamma distribution of shape n has nothing."""
    return np.log(n + 12.0 * np.sqrt(n) + 60.0)


def _log_gammainc(n: Array, x: Array) -> Array:
    """Return ln P(N ≥ n | x) of a Poisson count; a series where it is too small for a number."""
    n, x = np.broadcast_arrays(n, x)
    with np.errstate(divide="ignore"):
        log_p = np.log(special.gammainc(n, x))
    tiny = (log_p < -660.0) & (x > 0)
    if tiny.any():
        few, mean = n[tiny], x[tiny]
        total, term = np.ones_like(mean), np.ones_like(mean)
        for k in range(1, 10_000):
            term = term * mean / (few + k)
            total += term
            if np.all(term < 1e-13 * total):
                break
        log_p[tiny] = few * np.log(mean) - mean - special.gammaln(few + 1.0) + np.log(total)
    return log_p


def _log_integral(log_f: Callable[[Array], Array], low: Array, high: Array) -> Array:
    """Return ln ∫ f for functions whose logarithm is concave, by Gauss-Legendre about the mode.

    A count smeared by a background is P(X < B), X of a Gamma and B of the background's
    distribution. The integral is over the narrower of the two, times the tail of the wider: then
    the integrand has one scale only, and is a smooth hill between the points where it becomes
    negligible.
    """
    left, right = low, high
    for _ in range(80):
        one, two = left + (right - left) / 3, right - (right - left) / 3
        rising = log_f(one) < log_f(two)
        left, right = np.where(rising, one, left), np.where(rising, right, two)
    mode = (left + right) / 2
    top = log_f(mode)
    edges = []
    for end in (low, high):
        inside, outside = mode, end
        for _ in range(40):
            middle = (inside + outside) / 2
            matters = log_f(middle) > top - _NEGLIGIBLE
            inside, outside = np.where(matters, middle, inside), np.where(matters, outside, middle)
        edges.append(outside)
    total = np.zeros_like(mode)
    for start, stop in ((edges[0], mode), (mode, edges[1])):
        half = (stop - start) / 2
        for node, weight in zip(_NODES, _WEIGHTS, strict=True):
            total += weight * half * np.exp(log_f(start + half * (1 + node)) - top)
    return top + np.log(total)
