"""Compiled loops of the bump hunt: intervals and rectangles, with and without a refit.

Regions are boxes (x_start, x_stop, y_start, y_stop) of bins; an interval is a box of a spectrum
with one column. Nothing holds a lock, so batches may run in threads.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from ..spectra.newton import (
    bin_content,
    evaluate,
    maximise,
    newton_step,
    overwrite,
    solve_lower,
)

__all__ = ["scan_reference", "scan_refitted"]

_KNOWN = 1e-9  # variance per event below which the background is as good as known
_TRUSTED = 1.0  # decrement of a step, in standard deviations squared, that is taken as it is ...
_MARGIN = 3.0  # ... where the p-value is farther from the smallest than this, as a logarithm
_TOLERANCE = 1e-6  # decrement of a complete fit


@njit(cache=True, nogil=True, error_model="numpy")
def _rising(r, n):
    """Return ln Γ(n + r) - ln Γ(r), without the difference of large numbers."""
    if r < 1e3:
        return math.lgamma(n + r) - math.lgamma(r)
    return (
        (r - 0.5) * math.log1p(n / r)
        + n * (math.log(n + r) - 1.0)
        + (1.0 / (n + r) - 1.0 / r) / 12.0
    )


@njit(cache=True, nogil=True, error_model="numpy")
def _leading(n, b, variance, more):
    """Return ln P(N = n), and shape and rate of the background's Gamma; 0 where it is known.

    ``more`` is what the shape has on top of the events of the side region.
    """
    if variance <= _KNOWN * b:
        return n * math.log(b) - b - math.lgamma(n + 1.0), 0.0, 0.0
    rate = b / variance
    shape = b * rate + more
    leading = (
        _rising(shape, n)
        - math.lgamma(n + 1.0)
        - shape * math.log1p(1.0 / rate)
        - n * math.log1p(rate)
    )
    return leading, shape, rate


@njit(cache=True, nogil=True, error_model="numpy")
def _log_excess(n, b, variance, smallest):
    """Return ln P(N ≥ n) for n > b as `local_log_p`; 0 once it cannot be below ``smallest``."""
    leading, shape, rate = _leading(n, b, variance, 1.0)
    if leading >= smallest:
        return 0.0
    total, term, k = 1.0, 1.0, n
    while term > 1e-15 * total:
        if rate == 0.0:
            term *= b / (k + 1.0)
        else:
            term *= (k + shape) / ((k + 1.0) * (1.0 + rate))
        total += term
        k += 1.0
    return min(leading + math.log(total), 0.0)


@njit(cache=True, nogil=True, error_model="numpy")
def _log_deficit(n, b, variance, smallest):
    """Return ln P(N ≤ n) for n < b; 0 once it cannot be below ``smallest``.

    The binomial p-value of the on/off problem from the other side: its Gamma has the shape
    n_off, not n_off + 1, which again never under-covers.
    """
    leading, shape, rate = _leading(n, b, variance, 0.0)
    if leading >= smallest:
        return 0.0
    total, term, k = 1.0, 1.0, n
    while k > 0.0:
        ratio = k / b if rate == 0.0 else k * (1.0 + rate) / (k - 1.0 + shape)
        term *= ratio
        total += term
        k -= 1.0
        if ratio < 1.0 and term < 1e-15 * total:
            break
    return min(leading + math.log(total), 0.0)


@njit(cache=True, nogil=True, error_model="numpy")
def _log_p(n, b, variance, sign, smallest):
    """Return ln p of an excess (sign 1) or deficit (-1); 0 where there is none."""
    if not (b > 0.0 and variance < np.inf) or sign * (n - b) <= 0.0:
        return 0.0
    if sign > 0:
        return _log_excess(n, b, variance, smallest)
    return _log_deficit(n, b, variance, smallest)


@njit(cache=True, nogil=True, error_model="numpy")
def _cumulate(values, out):
    """Write the two-dimensional prefix sums, shape (n_x + 1, n_y + 1)."""
    for x in range(values.shape[0]):
        row = 0.0
        for y in range(values.shape[1]):
            row += values[x, y]
            out[x + 1, y + 1] = out[x, y + 1] + row


@njit(cache=True, nogil=True, error_model="numpy")
def scan_reference(counts, reference, boxes, sign, normalised):
    """Find the least probable box of each spectrum, the background being given.

    Parameters
    ----------
    counts : ndarray of shape (n, n_x, n_y)
        Events.
    reference : ndarray of shape (n_x, n_y)
        Background.
    boxes : ndarray of int, shape (n_boxes, 4)
        Regions.
    sign : int
        1 for excesses, -1 for deficits.
    normalised : bool
        Scale the background of a box so that it fits the events outside.

    Returns
    -------
    log_p, best : ndarray of shape (n,)
        Smallest ln p and its box.

    Examples
    --------
    >>> import numpy as np
    >>> counts, reference = np.array([[[10.0], [25.0], [9.0]]]), np.full((3, 1), 10.0)
    >>> boxes = np.array([[0, 1, 0, 1], [1, 2, 0, 1], [2, 3, 0, 1]])
    >>> log_p, best = scan_reference(counts, reference, boxes, 1, False)
    >>> log_p.round(2).tolist(), best.tolist()
    ([-9.97], [1])
    """
    n, n_x, n_y = counts.shape
    seen, known = np.zeros((n_x + 1, n_y + 1)), np.zeros((n_x + 1, n_y + 1))
    log_p, best = np.zeros(n), np.zeros(n, dtype=np.int64)
    _cumulate(reference, known)
    expected = np.empty(boxes.shape[0])
    for k in range(boxes.shape[0]):
        x0, x1, y0, y1 = boxes[k]
        expected[k] = known[x1, y1] - known[x0, y1] - known[x1, y0] + known[x0, y0]
    for e in range(n):
        _cumulate(counts[e], seen)
        for k in range(boxes.shape[0]):
            x0, x1, y0, y1 = boxes[k]
            observed = seen[x1, y1] - seen[x0, y1] - seen[x1, y0] + seen[x0, y0]
            b = expected[k]
            if normalised:
                b *= (seen[n_x, n_y] - observed) / (known[n_x, n_y] - b)
            value = _log_p(observed, b, 0.0, sign, log_p[e])
            if value < log_p[e]:
                log_p[e], best[e] = value, k
    return log_p, best


@njit(cache=True, nogil=True, error_model="numpy")
def _fit_outside(  # noqa: PLR0917  (bare arrays, for numba)
    box, n_y, counts, theta, spectrum, model, work, one_step, max_steps
):
    """Fit all bins outside a box, and return observed, expected and its variance inside.

    The fit starts from that of all bins by one Newton step: the gradient and the information of
    the bins of the box are taken away. A decrement above ``one_step`` makes it go on, evaluating
    all bins outside, until it is below `_TOLERANCE`. The variance is infinite where it fails.
    """
    design, weights, _, _ = model
    mean, slopes, full_gradient, full_info = spectrum
    newton, moved, left_out, none = work
    slope, gradient, info, step, _ = newton
    x0, x1, y0, y1 = box
    n_par = theta.size
    overwrite(gradient, full_gradient)
    for p in range(n_par):
        overwrite(info[p], full_info[p])
    seen = 0.0
    for x in range(x0, x1):
        for i in range(x * n_y + y0, x * n_y + y1):
            seen += counts[i]
            pull = counts[i] / mean[i] - 1.0
            for p in range(n_par):
                gradient[p] -= pull * slopes[i, p]
                for r in range(p + 1):
                    info[p, r] -= slopes[i, p] * slopes[i, r] / mean[i]
    decrement = newton_step(info, gradient, step, n_par)
    if decrement < 0.0:
        return seen, 0.0, np.inf
    overwrite(moved, theta + step)
    if decrement > one_step:
        for x in range(x0, x1):
            left_out[x * n_y + y0 : x * n_y + y1] = True
        converged, _ = maximise(moved, counts, none, left_out, model, newton, max_steps, _TOLERANCE)
        for x in range(x0, x1):
            left_out[x * n_y + y0 : x * n_y + y1] = False
        if not converged:
            return seen, 0.0, np.inf
    total = 0.0
    gradient[:] = 0.0
    for x in range(x0, x1):
        for i in range(x * n_y + y0, x * n_y + y1):
            total += bin_content(moved, design[i], weights[i], slope)
            gradient += slope
    return seen, total, solve_lower(info, gradient, step)


@njit(cache=True, nogil=True, error_model="numpy")
def scan_refitted(counts, theta, model, boxes, n_y, sign, max_steps):  # noqa: PLR0917
    """Find the least probable box of each spectrum, the background fitted outside of each box.

    All boxes are first fitted by one Newton step from the fit of all bins. Those whose p-value
    comes within a factor e³ of the smallest, or that moved the fit by more than a standard
    deviation, are fitted until they converge, so that the smallest is that of a complete fit.

    Parameters
    ----------
    counts : ndarray of shape (n, n_bins)
        Events, y fastest.
    theta : ndarray of shape (n, n_parameters)
        The fits of all bins.
    model : tuple of ndarray
        Design and weights of a `Basis`, center and precision of the Gaussian constraint.
    boxes : ndarray of int, shape (n_boxes, 4)
        Regions.
    n_y, sign, max_steps : int
        Columns; 1 for excesses, -1 for deficits; steps allowed for a fit.

    Returns
    -------
    log_p, best : ndarray of shape (n,)
        Smallest ln p and its box.
    observed, expected, variance : ndarray of shape (n,)
        Of that box.

    Examples
    --------
    >>> import numpy as np
    >>> from overdensity.stats.spectra.functions import basis
    >>> from overdensity.stats.spectra.batch_fit import Problem, refit
    >>> model, counts = (
    ...     basis("dijet3", np.linspace(1000, 2000, 9)),
    ...     np.array([90.0, 70, 52, 41, 55, 24, 19, 15]),
    ... )
    >>> free, none = np.zeros((1, 3)), np.zeros((1, 8), bool)
    >>> theta = refit(Problem(model, none, ~none, free, free, free), counts[None, None]).theta[
    ...     :, 0
    ... ]
    >>> arrays, boxes = (
    ...     (model.design, model.weights, free[0], free[0]),
    ...     np.array([[2, 3, 0, 1], [4, 5, 0, 1]]),
    ... )
    >>> log_p, best, *_ = scan_refitted(counts[None], theta, arrays, boxes, 1, 1, 100)
    >>> best.tolist()
    [1]
    """
    design, weights, _, _ = model
    n, n_bins = counts.shape
    n_boxes, n_par = boxes.shape[0], theta.shape[1]
    log_p, best, quick = np.zeros(n), np.zeros(n, dtype=np.int64), np.empty(n_boxes)
    observed, expected, variance = np.zeros(n), np.zeros(n), np.full(n, np.inf)
    mean, slopes = np.empty(n_bins), np.empty((n_bins, n_par))
    full_gradient, full_info = np.empty(n_par), np.empty((n_par, n_par))
    left_out = np.zeros(n_bins, dtype=np.bool_)
    slope, gradient, step, last = np.empty(n_par), np.empty(n_par), np.empty(n_par), np.empty(n_par)
    newton = slope, gradient, np.empty((n_par, n_par)), step, last
    none = np.empty(0)
    work = newton, np.empty(n_par), left_out, none
    spectrum = mean, slopes, full_gradient, full_info
    for e in range(n):
        evaluate(theta[e], counts[e], none, left_out, model, slope, full_gradient, full_info)
        for i in range(n_bins):
            mean[i] = bin_content(theta[e], design[i], weights[i], slopes[i])
        smallest = 0.0
        for k in range(n_boxes):
            seen, b, v = _fit_outside(
                boxes[k], n_y, counts[e], theta[e], spectrum, model, work, _TRUSTED, max_steps
            )
            quick[k] = _log_p(seen, b, v, sign, smallest + _MARGIN)
            smallest = min(smallest, quick[k])
        for k in range(n_boxes):
            if quick[k] < min(smallest + _MARGIN, 0.0):
                seen, b, v = _fit_outside(
                    boxes[k], n_y, counts[e], theta[e], spectrum, model, work, _TOLERANCE, max_steps
                )
                value = _log_p(seen, b, v, sign, log_p[e])
                if value < log_p[e]:
                    log_p[e], best[e] = value, k
                    observed[e], expected[e], variance[e] = seen, b, v
    return log_p, best, observed, expected, variance
