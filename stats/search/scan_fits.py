r"""The background of all spectra of a scan, fitted at once in many pseudo-experiments.

Before selection, the sidebands of a window are fitted freely. After it, the expectation is

.. math:: b_s = \sum_{i \in \mathrm{SR}} \mu_i(\hat\theta)\,\epsilon_i(\hat\delta),

the fit before selection times the efficiency, which passing over failing tells in the same sidebands
(`overdensity.stats.spectra.pass_fit`). The two are independent, and their errors add in quadrature.

Where no function is to be believed, the spectrum before selection is counted in place of fitted:
:math:`b_s = \sum_i N_i\,\epsilon_i` with the events before selection (the shaping function), or
:math:`b_s = \sum_i (N_i - n_i)\,\epsilon_i / (1 - \epsilon_i)` with those that fail (the transfer
factor). A signal region then takes part with the events that are in it, whatever their spectrum.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numba import njit
from numpy.typing import NDArray

from ..spectra.fit_model import Background
from ..spectra.functions import Basis
from ..spectra.newton import bin_content, maximise, overwrite, solve_lower
from ..spectra.pass_fit import efficiency, fit_odds

__all__ = ["ScanFits", "ScanProblem", "fit_scan"]

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class ScanProblem:
    """What is fitted to the spectra of a scan, the same in every pseudo-experiment.

    Spectra are numbered window by window: the unselected one, then selections from loose to tight.

    Attributes
    ----------
    basis : Basis
        The background function on its bins, or the counted spectrum (`counted_spectrum`).
    columns : ndarray of shape (n_bins, n_coefficients)
        Those of the log-odds of passing (`odds_columns`).
    masked : ndarray of bool, shape (n_spectra, n_bins)
        Bins kept out of the fit: the signal region, in which the yield is predicted.
    tested : ndarray of bool, shape (n_spectra, n_bins)
        Bins over which the deviance is taken as the goodness of fit.
    start : ndarray of shape (n_windows, n_parameters)
        Where the fits before selection start.
    odds : ndarray of shape (n_windows, n_selections, n_coefficients)
        Where those of the efficiency start.
    center : ndarray of shape (n_selections, n_coefficients)
        Center of their Gaussian constraint.
    precision : ndarray of shape (n_selections, n_coefficients)
        1/σ² of it.
    background : {'function', 'shaping', 'transfer'}
        What the efficiencies multiply (`FitModel`).
    """

    basis: Basis
    columns: Array
    masked: Mask
    tested: Mask
    start: Array
    odds: Array
    center: Array
    precision: Array
    background: Background = "function"

    @property
    def shape(self) -> tuple[int, int]:
        """(n_windows, n_selections + 1)."""
        return len(self.start), 1 + self.odds.shape[1]

    @property
    def odds_widths(self) -> Array:
        """Constraints of the log-odds from the slope on, shape (n_selections, order)."""
        return self.precision[:, 1:] ** -0.5

    def hiding(self, bins: Mask) -> Self:
        """Return the same with more bins kept out of all fits and tests."""
        return replace(self, masked=self.masked | bins, tested=self.tested & ~bins)

    def of_windows(self, windows: Mask) -> Self:
        """Return the spectra of some windows, (n_windows,)."""
        spectra = np.repeat(windows, self.shape[1])
        return replace(
            self,
            masked=self.masked[spectra],
            tested=self.tested[spectra],
            start=self.start[windows],
            odds=self.odds[windows],
        )

    def only(self, window: int, selection: int) -> Self:
        """Return the two spectra of one selection: before it, and after it."""
        first = window * self.shape[1]
        spectra, levels = [first, first + selection], slice(selection - 1, selection)
        return replace(
            self,
            masked=self.masked[spectra],
            tested=self.tested[spectra],
            start=self.start[window : window + 1],
            odds=self.odds[window : window + 1, levels],
            center=self.center[levels],
            precision=self.precision[levels],
        )

    def expectation(self, theta: Array, odds: Array) -> Array:
        """Return the expectation of all spectra in all bins, shape (n_spectra, n_bins).

        Parameters
        ----------
        theta : ndarray of shape (n_windows, n_parameters)
            Parameters before selection.
        odds : ndarray of shape (n_windows, n_selections, n_coefficients)
            Log-odds of passing.
        """
        before = np.stack([self.basis.expected(each) for each in theta])[:, None]
        after = before * efficiency(self.columns, odds)
        return np.concatenate([before, after], axis=1).reshape(-1, before.shape[-1])

    def covariance(self, theta: Array, window: int) -> Array:
        """Return the covariance of the parameters before selection, of one window's sidebands."""
        return self.basis.covariance(theta, ~self.masked[window * self.shape[1]])


@dataclass(frozen=True, eq=False)
class ScanFits:
    """Fits of n_experiments times all spectra of a scan.

    Attributes
    ----------
    theta : ndarray of shape (n_experiments, n_windows, n_parameters)
        Parameters before selection.
    odds : ndarray of shape (n_experiments, n_windows, n_selections, n_coefficients)
        Log-odds of passing.
    expected, error : ndarray of shape (n_experiments, n_spectra)
        Events of background expected in the masked bins, and the error of the fits.
    deviance : ndarray of shape (n_experiments, n_spectra)
        Twice the log-likelihood ratio to the saturated model over the tested bins: Poisson, of
        each spectrum about its expectation.
    converged : ndarray of bool, shape (n_experiments, n_spectra)
        Whether the fit found the maximum; of a selection, both its fits.
    """

    theta: Array
    odds: Array
    expected: Array
    error: Array
    deviance: Array
    converged: Mask


def fit_scan(
    problem: ScanProblem, counts: NDArray, *, max_steps: int = 100, tolerance: float = 1e-9
) -> ScanFits:
    r"""Fit all spectra of every pseudo-experiment.

    The error of a selection's expectation is
    :math:`\sigma^2 = g_\theta^T I_\theta^{-1} g_\theta + g_\delta^T I_\delta^{-1} g_\delta` with the
    gradients g of the expectation and the Fisher informations I of the two fits. Counted spectra are no
    fits: given the events before selection there is the second term alone; failing events add their
    Poisson error, :math:`\sum_i R_i^2 \max(N_i - n_i, 1)` with the odds R. The unselected spectrum
    is then its own expectation, with no end to its error.

    Parameters
    ----------
    problem : ScanProblem
        What to fit.
    counts : ndarray of shape (n_experiments, n_spectra, n_bins)
        Event counts; none of a selection exceeds that before it.
    max_steps : int
        Evaluations of a likelihood allowed for a fit.
    tolerance : float
        Converged when the Newton decrement is below (`refit`).

    Returns
    -------
    ScanFits

    Examples
    --------
    >>> import numpy as np
    >>> from overdensity.stats.spectra.functions import basis
    >>> from overdensity.stats.spectra.pass_fit import odds_columns
    >>> edges, mask = np.linspace(1000, 2000, 9), np.tile(np.arange(8) == 3, (2, 1))
    >>> problem = ScanProblem(
    ...     basis("dijet3", edges), odds_columns(edges, 1), mask, ~mask, np.zeros((1, 3)),
    ...     np.zeros((1, 1, 2)), np.zeros((1, 2)), np.zeros((1, 2)),
    ... )
    >>> before = np.array([900.0, 700, 520, 410, 320, 240, 190, 150])
    >>> fits = fit_scan(problem, np.stack([before, before / 10])[None])
    >>> fits.expected.round(1).tolist(), fits.converged.all().item()
    ([[407.2, 40.7]], True)
    """
    counts = np.ascontiguousarray(counts, dtype=np.float64)
    n, n_spectra = counts.shape[:2]
    fits = ScanFits(
        np.empty((n, *problem.start.shape)),
        np.empty((n, *problem.odds.shape)),
        np.empty((n, n_spectra)),
        np.empty((n, n_spectra)),
        np.empty((n, n_spectra)),
        np.zeros((n, n_spectra), dtype=np.bool_),
    )
    before, after = (problem.basis.design, problem.basis.weights), problem.columns
    _fit_scan(
        counts,
        before,
        (after, problem.center, problem.precision),
        (problem.masked, problem.tested),
        (problem.start, problem.odds),
        (problem.background != "function", problem.background == "transfer"),
        max_steps,
        tolerance,
        (fits.theta, fits.odds, fits.expected, fits.error, fits.deviance, fits.converged),
    )
    return fits


@njit(cache=True, nogil=True, error_model="numpy")
def _fit_scan(counts, before, after, bins, start, counted, max_steps, tolerance, out):  # noqa: PLR0917
    """Fit experiment by experiment and window by window, first before selection."""
    (design, weights), (columns, center, precision) = before, after
    (masked, tested), (theta_start, odds_start) = bins, start
    theta_out, odds_out, expected_out, error_out, deviance_out, converged_out = out
    n_windows, n_par = theta_start.shape
    n_levels, n_bins, n_odds = odds_start.shape[1] + 1, counts.shape[2], columns.shape[1]
    theta, free = np.empty(n_par), np.zeros(n_par)
    info, step, odds_step = np.empty((n_par, n_par)), np.empty(n_par), np.empty(n_odds)
    work = np.empty(n_par), np.empty(n_par), info, step, np.empty(n_par)
    odds, odds_info = np.empty(n_odds), np.empty((n_odds, n_odds))
    odds_work = np.empty(n_odds), odds_info, odds_step
    gradient, odds_gradient = np.empty(n_par), np.empty(n_odds)
    content, slopes = np.empty(n_bins), np.empty((n_bins, n_par))
    kept, none = np.ones(n_bins), np.empty(0)
    for e in range(counts.shape[0]):
        for w in range(n_windows):
            k = w * n_levels
            overwrite(theta, theta_start[w])
            good = solved = True
            if counted[0]:
                overwrite(content, counts[e, k])
            else:
                good, solved = maximise(
                    theta, counts[e, k], none, masked[k], (design, weights, free, free), work,
                    max_steps, tolerance,
                )  # fmt: skip
                for b in range(n_bins):
                    content[b] = bin_content(theta, design[b], weights[b], slopes[b])
            overwrite(theta_out[e, w], theta)
            kept[:] = 1.0
            expected_out[e, k], deviance_out[e, k] = _predict(
                counts[e, k], masked[k], tested[k], content, slopes, kept, gradient
            )
            converged_out[e, k], error_out[e, k] = good, np.inf
            if solved and not counted[0]:
                error_out[e, k] = np.sqrt(solve_lower(info, gradient, step))
            for s in range(1, n_levels):
                j = k + s
                overwrite(odds, odds_start[w, s - 1])
                found, known = fit_odds(
                    odds, counts[e, j], counts[e, k], masked[j], columns, center[s - 1],
                    precision[s - 1], odds_work, max_steps, tolerance,
                )  # fmt: skip
                overwrite(odds_out[e, w, s - 1], odds)
                _keep(odds, columns, content, masked[j], kept, odds_gradient)
                expected_out[e, j], deviance_out[e, j] = _predict(
                    counts[e, j], masked[j], tested[j], content, slopes, kept, gradient
                )
                converged_out[e, j], error_out[e, j] = good and found, np.inf
                variance = solve_lower(info, gradient, step)
                if counted[1]:
                    expected_out[e, j], variance = _failing(
                        counts[e, k] - counts[e, j], masked[j], kept, columns, odds_gradient
                    )
                if solved and known:
                    error_out[e, j] = np.sqrt(
                        variance + solve_lower(odds_info, odds_gradient, odds_step)
                    )


@njit(cache=True, nogil=True, error_model="numpy")
def _keep(odds, columns, content, masked, kept, gradient):  # noqa: PLR0917
    """Write the efficiency in each bin, and the gradient of the masked events with the log-odds."""
    gradient[:] = 0.0
    for b in range(content.size):
        log_odds = 0.0
        for p in range(odds.size):
            log_odds += columns[b, p] * odds[p]
        kept[b] = 1.0 / (1.0 + np.exp(-min(max(log_odds, -30.0), 30.0)))
        if masked[b]:
            gradient += content[b] * kept[b] * (1.0 - kept[b]) * columns[b]


@njit(cache=True, nogil=True, error_model="numpy")
def _failing(failing, masked, kept, columns, gradient):
    """Return what failing events say of those that pass, its Poisson variance, and its gradient."""
    total, variance = 0.0, 0.0
    gradient[:] = 0.0
    for b in range(failing.size):
        if masked[b]:
            ratio = kept[b] / (1.0 - kept[b])
            total += ratio * failing[b]
            variance += ratio * ratio * max(failing[b], 1.0)
            gradient += ratio * failing[b] * columns[b]
    return total, variance


@njit(cache=True, nogil=True, error_model="numpy")
def _predict(counts, masked, tested, content, slopes, kept, gradient):  # noqa: PLR0917
    """Return the expectation in the masked bins, its gradient, and the deviance of the tested."""
    total, deviance = 0.0, 0.0
    gradient[:] = 0.0
    for b in range(counts.size):
        mean = max(content[b] * kept[b], 1e-300)
        if masked[b]:
            total += mean
            gradient += kept[b] * slopes[b]
        if tested[b]:
            deviance += 2.0 * (mean - counts[b])
            if counts[b] > 0.0:
                deviance += 2.0 * counts[b] * np.log(counts[b] / mean)
    return total, deviance
