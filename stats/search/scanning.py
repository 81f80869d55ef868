"""The scan of windows and selections on data: sideband fits and local p-values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import logit

from ...core import FitError, InputError
from ..p_values.local import local_log_p, local_p
from ..selection.levels import checked_efficiencies
from ..selection.patterns import Patterns
from ..spectra.batch_fit import Fits, fit_free
from ..spectra.binning import window_bins
from ..spectra.fit_model import FitModel
from ..spectra.functions import Basis, basis
from ..spectra.pass_fit import counted_spectrum, odds_columns
from .odds_prior import measured_precision
from .scan_fits import ScanFits, ScanProblem, fit_scan

__all__ = ["Scan", "hide_window", "hiding", "scan"]

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Scan:
    """Fits of every window and selection; spectra are numbered window by window.

    Attributes
    ----------
    windows : ndarray of shape (n_windows, 2)
        Low and high edge of each signal region, GeV.
    efficiencies : tuple of float
        1 for the unselected spectrum, then the selections from loose to tight.
    counts : ndarray of shape (n_spectra, n_bins)
        The data, n_spectra = n_windows × len(efficiencies).
    problem : ScanProblem
        The sideband fits, started from the background-only ones.
    fits : ScanFits
        Their results on the data, shape (1, n_spectra).
    null : ndarray of shape (n_spectra, n_bins)
        Expectation of each spectrum under the background-only hypothesis: the same model fitted
        to all bins but the signal region, and its guard, with the smallest p-value. (A fit that
        absorbs a strong signal does not describe the background.)
    hidden : int
        That window.
    null_converged : ndarray of bool, shape (n_spectra,)
        Whether these fits found their maximum.
    reference : Fits
        That fit of the unselected spectrum, shape (1, 1), for its goodness.
    spurious : ndarray of shape (n_spectra,)
        Standard deviation of the signal that the function fabricates in the signal region, as a
        fraction of the background there.
    observed, p_local, log_p : ndarray of shape (n_spectra,)
        Events in the signal region, their local p-value, and its logarithm, which tells strong signals
        whose p-values are 0 apart.
    """

    windows: Array
    efficiencies: tuple[float, ...]
    counts: Array
    problem: ScanProblem
    fits: ScanFits
    null: Array
    hidden: int
    null_converged: NDArray[np.bool_]
    reference: Fits
    spurious: Array
    observed: Array
    p_local: Array
    log_p: Array

    @property
    def shape(self) -> tuple[int, int]:
        """(n_windows, n_selections + 1)."""
        return len(self.windows), len(self.efficiencies)


def scan(
    patterns: Patterns,
    windows: ArrayLike,
    efficiencies: Sequence[float],
    *,
    model: FitModel | None = None,
    spurious: ArrayLike | None = None,
    searched: ArrayLike | None = None,
    odds_widths: ArrayLike | None = None,
) -> Scan:
    r"""Fit the sidebands of every window and selection, and compare with the signal regions.

    The fits of a window use all bins of the scan range but its signal region. The unselected
    spectrum is fitted freely; a selected one is expected to be that fit times the efficiency of the
    selection, which passing over failing tells in the same bins
    (`overdensity.stats.spectra.pass_fit`). With a ``background`` that is counted, the unselected
    spectrum is not compared with anything.

    Parameters
    ----------
    patterns : Patterns
        The events.
    windows : array_like of shape (n_windows, 2)
        Low and high edge of each signal region, GeV; both must be bin edges.
    efficiencies : sequence of float
        The selections, decreasing.
    model : FitModel, optional
        Background function, guard and order of the efficiency; by default ``FitModel()``.
    spurious : array_like of shape (n_windows,), optional
        Spurious signal in each window, as a fraction of the background (`spurious_signal`); none
        by default. Its size in a selection is added in quadrature to the error of the fit.
    searched : array_like of bool, shape (n_windows,), optional
        Windows whose selections mean something, so that they show how much the efficiency bends; by
        default all.
    odds_widths : array_like of shape (n_selections, order), optional
        Constraints of the efficiencies where another scan of all windows has measured them
        (`HuntResult.odds_widths`).

    Returns
    -------
    Scan

    Raises
    ------
    InputError
        If the windows do not lie on bin edges.
    FitError
        If there are too few events or bins to fit.
    """
    steps = checked_efficiencies(efficiencies)
    windows = np.asarray(windows, dtype=float).reshape(-1, 2)
    if len(windows) != patterns.n_windows:
        msg = f"{len(windows)} windows given, but the levels are of {patterns.n_windows}"
        raise InputError(msg)
    model = model or FitModel()
    counts = patterns.spectra(len(steps)).astype(float).reshape(-1, patterns.edges.size - 1)
    function = _before_selection(model, patterns.edges, counts[0])
    signal = window_bins(patterns.edges, windows)
    _check_statistics(function, counts[0], signal)

    reference = _fit_unmasked(function, counts[0])
    all_efficiencies = (1.0, *steps)
    masked = np.repeat(signal, len(all_efficiencies), axis=0)
    center = np.zeros((len(steps), model.efficiency_order + 1))
    center[:, 0] = logit(steps)
    problem = ScanProblem(
        basis=function,
        columns=odds_columns(function.edges, model.efficiency_order),
        masked=masked,
        tested=~_grow(masked, model.guard),
        start=np.tile(reference.theta[0], (len(windows), 1)),
        odds=np.tile(center, (len(windows), 1, 1)),
        center=center,
        precision=np.tile(model.odds_precision(), (len(steps), 1)),
        background=model.background,
    )
    if odds_widths is not None:
        problem.precision[:, 1:] = np.asarray(odds_widths, dtype=float) ** -2.0
    elif model.measures_bend:
        known = np.ones(len(windows), bool) if searched is None else np.asarray(searched, bool)
        problem = _with_measured_precision(problem, counts, patterns, steps, known)
    fits = fit_scan(problem, counts[None])
    observed, expected = (counts * masked).sum(axis=1), fits.expected[0]
    fraction = np.repeat(_checked_spurious(spurious, len(windows)), len(all_efficiencies))
    error = np.hypot(fits.error[0], fraction * expected)

    selected = np.tile(np.array(all_efficiencies) < 1, len(windows))
    log_p = local_log_p(observed, expected, error)
    best = int(np.where(selected, log_p, 0.0).argmin()) // len(all_efficiencies)
    return Scan(
        windows=windows,
        efficiencies=all_efficiencies,
        counts=counts,
        fits=fits,
        **_background_only(problem, counts, best),
        reference=reference,
        spurious=fraction,
        observed=observed,
        p_local=local_p(observed, expected, error),
        log_p=log_p,
    )


def _before_selection(model: FitModel, edges: Array, counts: Array) -> Basis:
    """Return what the unselected spectrum is described by: a function, or itself."""
    if model.background == "function":
        return basis(model.function, edges)
    return counted_spectrum(model.background, edges, counts)


def _with_measured_precision(
    problem: ScanProblem,
    counts: Array,
    patterns: Patterns,
    efficiencies: Sequence[float],
    known: NDArray[np.bool_],
) -> ScanProblem:
    """Return the problem with the constraints that the windows whose selections are known show."""
    of_known = counts[np.repeat(known, len(efficiencies) + 1)]
    events = replace(patterns, levels=patterns.levels[:, known])
    precision = measured_precision(
        problem.of_windows(known), of_known, np.array(efficiencies), events
    )
    return replace(problem, precision=precision)


def hiding(scan: Scan, window: int) -> Scan:
    """Return the scan with background-only fits that do not see another window.

    `scan` hides that of the most significant selection, whether it may be quoted or not.

    Parameters
    ----------
    scan : Scan
        The scan.
    window : int
        Index of the window, whose guard is hidden too.

    Returns
    -------
    Scan
    """
    if window == scan.hidden:
        return scan
    return replace(scan, **_background_only(scan.problem, scan.counts, window))


def _background_only(problem: ScanProblem, counts: Array, window: int) -> dict[str, Any]:
    """Fit all bins but the signal region of a window; return what a scan keeps of these fits."""
    hidden = np.tile(hide_window(problem, window * problem.shape[1]), (len(counts), 1))
    null = fit_scan(replace(problem, masked=hidden), counts[None])
    return {
        "hidden": window,
        "problem": replace(problem, start=null.theta[0], odds=null.odds[0]),
        "null": problem.expectation(null.theta[0], null.odds[0]),
        "null_converged": null.converged[0],
    }


def hide_window(problem: ScanProblem, spectrum: int) -> NDArray[np.bool_]:
    """Return the bins of one spectrum's signal region and its guard, shape (1, n_bins)."""
    return ~problem.tested[spectrum][None]


def _checked_spurious(spurious: ArrayLike | None, n_windows: int) -> Array:
    """Return the spurious fractions of the windows, zero without, or say what is wrong."""
    if spurious is None:
        return np.zeros(n_windows)
    fraction = np.asarray(spurious, dtype=float)
    if fraction.shape != (n_windows,) or not np.all(np.isfinite(fraction) & (fraction >= 0)):
        msg = (
            f"the spurious signal must be {n_windows} fractions of the background, one per window, "
            f"finite and not negative, got {fraction.tolist()}"
        )
        raise InputError(msg)
    return fraction


def _grow(masked: NDArray[np.bool_], guard: int) -> NDArray[np.bool_]:
    """Return the masked bins and their neighbours up to ``guard`` bins away."""
    grown = masked.copy()
    for _ in range(guard):
        grown[:, 1:] |= grown[:, :-1].copy()
        grown[:, :-1] |= grown[:, 1:].copy()
    return grown


def _fit_unmasked(model: Basis, counts: Array) -> Fits:
    """Fit the unselected spectrum in all bins; FitError where it does not converge.

    One that is not fitted is as it is, without a deviance.
    """
    if not model.n_parameters:
        zero = np.zeros((1, 1))
        return Fits(np.zeros((1, 1, 0)), zero, zero, zero, zero, np.ones((1, 1), dtype=bool))
    fits = fit_free(model, counts, np.zeros((1, counts.size), dtype=bool))
    if not fits.converged[0, 0]:
        msg = f"the {model.name} fit of the unselected spectrum does not converge; try fewer parameters"
        raise FitError(msg)
    return fits


def _check_statistics(model: Basis, counts: Array, signal: NDArray[np.bool_]) -> None:
    """Refuse an unselected spectrum that cannot fix the parameters in every window."""
    filled = ((counts > 0) & ~signal).sum(axis=1)
    if filled.min() <= model.n_parameters:
        low, high = model.edges[[0, -1]]
        msg = (
            f"{int(counts.sum())} events between {low:g} and {high:g} GeV fill only "
            f"{filled.min()} bins outside a signal region; {model.name} needs more than "
            f"{model.n_parameters}: widen the scan, or choose a function with fewer parameters"
        )
        raise FitError(msg)
