r"""The fit of passing over failing: what fraction of a spectrum a selection keeps at each mass.

Of the N events of a bin, n pass. Given N, n is binomial, whatever the spectrum is:

.. math:: \mathrm{Poisson}(N \mid \mu)\,\mathrm{Binomial}(n \mid N, \epsilon),

so that the spectrum before selection and the efficiency are fitted one after the other, and their
errors are independent. The log-odds of passing are a polynomial of ln m,

.. math:: \ln\frac{\epsilon}{1 - \epsilon} = \sum_k \delta_k\,x_k(m),

logistic regression (McCullagh and Nelder, Generalized Linear Models, 1989, ch. 4): the likelihood is
concave, ε stays below 1, and for :math:`\epsilon \ll 1` it is :math:`\ln\epsilon` that is a
polynomial.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numba import njit
from numpy.typing import NDArray

from .functions import Basis, orthonormal
from .newton import newton_step
from .poisson import Constraint

__all__ = [
    "counted_spectrum",
    "efficiency",
    "fit_odds",
    "odds_columns",
    "odds_covariance",
    "selected_background",
]

Array = NDArray[np.float64]

_EMPTY = (
    1e-3  # events in a bin where none was counted: pseudo-experiments are thrown from a spectrum
)
_MAX_ODDS = 30.0  # of a logarithm: an efficiency of 1e-13


def odds_columns(edges: Array, order: int) -> Array:
    """Return the powers of ln m at the bin centers, made orthonormal over the bins.

    Parameters
    ----------
    edges : ndarray of shape (n_bins + 1,)
        Bin edges, GeV.
    order : int
        Degree of the polynomial.

    Returns
    -------
    ndarray of shape (n_bins, order + 1)
        The first column is 1; a coefficient of one changes the log-odds by one (rms).

    Examples
    --------
    >>> import numpy as np
    >>> columns = odds_columns(np.geomspace(1000, 4000, 9), 2)
    >>> bool(np.allclose(columns.T @ columns / 8, np.eye(3)))
    True
    """
    x = np.log(edges[1:] * edges[:-1]) / 2
    middle, half = (x[-1] + x[0]) / 2, max((x[-1] - x[0]) / 2, 1e-12)
    return np.ascontiguousarray(
        orthonormal(np.polynomial.legendre.legvander((x - middle) / half, order))[0]
    )


def efficiency(columns: Array, odds: Array) -> Array:
    """Return the efficiency in each bin, shape (…, n_bins), from coefficients (…, order + 1).

    Examples
    --------
    >>> import numpy as np
    >>> efficiency(np.array([[1.0, -1.0], [1.0, 1.0]]), np.array([0.0, 1.0])).round(3).tolist()
    [0.269, 0.731]
    """
    return 1.0 / (1.0 + np.exp(-np.clip(odds @ columns.T, -_MAX_ODDS, _MAX_ODDS)))


def odds_covariance(columns: Array, kept: Array, total: Array, precision: Array) -> Array:
    r"""Return the covariance of the log-odds' coefficients, the inverse of their Fisher information.

    .. math:: I_{pq} = \sum_i N_i\,\epsilon_i (1 - \epsilon_i)\,x_{ip} x_{iq} + \delta_{pq} / \sigma_p^2

    (McCullagh and Nelder 1989, §4.4).

    Parameters
    ----------
    columns : ndarray of shape (n_bins, n_coefficients)
        Those of the log-odds.
    kept : ndarray of shape (..., n_bins)
        Efficiency in each bin.
    total : ndarray of shape (n_bins,)
        Events before selection, zero in bins that are not fitted.
    precision : ndarray of shape (..., n_coefficients)
        1/σ² of the constraints.

    Returns
    -------
    ndarray of shape (..., n_coefficients, n_coefficients)

    Examples
    --------
    >>> import numpy as np
    >>> odds_covariance(np.ones((2, 1)), np.full(2, 0.5), np.array([8.0, 8.0]), np.zeros(1)).tolist()
    [[0.25]]
    """
    weights = total * kept * (1 - kept)
    information = np.einsum("...b,bp,bq->...pq", weights, columns, columns)
    return np.linalg.inv(information + precision[..., None] * np.eye(columns.shape[1]))


def counted_spectrum(name: str, edges: Array, counts: Array) -> Basis:
    """Return the spectrum before selection as it was counted, in place of a fitted function.

    Parameters
    ----------
    name : str
        What it is called where functions are named.
    edges : ndarray of shape (n_bins + 1,)
        Bin edges, GeV.
    counts : ndarray of shape (n_bins,)
        Events.

    Returns
    -------
    Basis
        Without parameters; an empty bin holds a thousandth of an event.

    Examples
    --------
    >>> import numpy as np
    >>> spectrum = counted_spectrum("shaping", np.array([1e3, 2e3, 3e3]), np.array([9.0, 4.0]))
    >>> spectrum.n_parameters, spectrum.expected(np.empty(0)).tolist()
    (0, [9.0, 4.0])
    """
    design = np.zeros((counts.size, 1, 0))
    return Basis(name, edges, design, np.maximum(counts, _EMPTY)[:, None], np.eye(0))


def selected_background(
    function: Basis, theta: Array, covariance: Array, kept: Array, precision: Array
) -> tuple[Basis, Constraint]:
    r"""Return the background of a selected spectrum as one log-linear function.

    It is the fit before selection times the efficiency, with the freedom of both,

    .. math:: \ln b(m) = \ln\hat b(m) + \ln\hat\epsilon(m) + \sum_k \delta_k x_k(m)
              + \sum_j u_j (L^T c(m))_j,

    where c are the columns of the function, :math:`L L^T` is the covariance of its parameters, so
    that each u is 0 ± 1. A peak on a selected spectrum is fitted on it.

    Parameters
    ----------
    function : Basis
        The background function on the bins.
    theta, covariance : ndarray of shape (n_parameters,), (n_parameters, n_parameters)
        Its parameters before selection.
    kept : ndarray of shape (n_bins,)
        Efficiency in each bin.
    precision : ndarray of shape (order + 1,)
        1/σ² of the constraints of the δ.

    Returns
    -------
    Basis, Constraint
        With zero parameters it is the fit itself.

    Examples
    --------
    >>> import numpy as np
    >>> from overdensity.stats.spectra.functions import basis
    >>> before, theta = basis("dijet3", np.linspace(1000, 2000, 9)), np.array([1.0, -0.5, 0.0])
    >>> after, known = selected_background(
    ...     before, theta, 1e-4 * np.eye(3), np.full(8, 0.1), np.array([0.01, 4.0])
    ... )
    >>> bool(np.allclose(after.expected(np.zeros(5)), 0.1 * before.expected(theta)))
    True
    >>> known.precision.tolist()
    [0.01, 4.0, 1.0, 1.0, 1.0]
    """
    spread = np.linalg.cholesky(covariance + 1e-12 * np.diag(np.diag(covariance)))
    columns = odds_columns(function.edges, len(precision) - 1)
    n_nodes = function.weights.shape[1]
    of_odds = np.broadcast_to(columns[:, None], (len(columns), n_nodes, columns.shape[1]))
    design = np.ascontiguousarray(np.concatenate([of_odds, function.design @ spread], axis=2))
    n_par = design.shape[2]
    weights = function.weights * np.exp(function.design @ theta) * kept[:, None]
    selected = replace(function, design=design, weights=weights, transform=np.eye(n_par))
    return selected, Constraint(np.zeros(n_par), np.r_[precision, np.ones(len(theta))])


@njit(cache=True, nogil=True, error_model="numpy")
def fit_odds(  # noqa: PLR0917  (bare arrays, for numba)
    odds, passed, total, left_out, columns, center, precision, work, max_steps, tolerance
):
    """Move ``odds`` to the maximum of the likelihood; returns whether it got there, and is solved.

    ``work`` holds gradient, information and step; where solved, the information is left as its
    Cholesky factor.

    Examples
    --------
    >>> import numpy as np
    >>> odds, none, flat = np.zeros(1), np.zeros(2, bool), np.ones((2, 1))
    >>> work = np.empty(1), np.empty((1, 1)), np.empty(1)
    >>> passed, total = np.array([20.0, 30.0]), np.array([100.0, 100.0])
    >>> fit_odds(odds, passed, total, none, flat, np.zeros(1), np.zeros(1), work, 50, 1e-9)
    (True, True)
    >>> float(1 / (1 + np.exp(-odds[0])).round(6))
    0.25
    """
    gradient, info, step = work
    last_loss, solved = np.inf, False
    step[:] = 0.0
    for _ in range(max_steps):
        loss = _odds_loss(odds, passed, total, left_out, columns, center, precision, gradient, info)
        if loss > last_loss + 1e-11 * (1.0 + abs(last_loss)):
            step *= 0.5
            odds -= step
            continue
        decrement = newton_step(info, gradient, step, odds.size)
        solved = decrement >= 0.0
        if not solved or decrement < tolerance:
            if solved:
                odds += step
            return solved, solved
        last_loss = loss
        odds += step
    return False, solved


@njit(cache=True, nogil=True, error_model="numpy")
def _odds_loss(odds, passed, total, left_out, columns, center, precision, gradient, info):  # noqa: PLR0917
    """Return the negative log-likelihood, and write its gradient and information."""
    gradient[:] = 0.0
    info[:] = 0.0
    loss = 0.0
    for b in range(total.size):
        if left_out[b] or total[b] <= 0.0:
            continue
        log_odds = 0.0
        for p in range(odds.size):
            log_odds += columns[b, p] * odds[p]
        smaller = np.exp(-abs(log_odds))  # ln(1 + e^η) without overflow
        loss += total[b] * (max(log_odds, 0.0) + np.log1p(smaller)) - passed[b] * log_odds
        kept = (1.0 if log_odds >= 0.0 else smaller) / (1.0 + smaller)
        pull, weight = passed[b] - total[b] * kept, total[b] * kept * (1.0 - kept)
        for p in range(odds.size):
            gradient[p] += pull * columns[b, p]
            for r in range(p + 1):
                info[p, r] += weight * columns[b, p] * columns[b, r]
    for p in range(odds.size):
        difference = odds[p] - center[p]
        loss += 0.5 * precision[p] * difference * difference
        gradient[p] -= precision[p] * difference
        info[p, p] += precision[p]
    return loss
