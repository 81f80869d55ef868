"""The scan of windows and selections on data: sideband fits and local p-values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...core import FitError, InputError
from ..p_values.local import local_p
from ..selection.levels import checked_efficiencies
from ..selection.patterns import Patterns
from ..spectra.batch_fit import Fits, Problem, refit
from ..spectra.binning import window_bins
from ..spectra.fit_model import FitModel
from ..spectra.functions import Basis, basis
from ..spectra.poisson import seed_theta

__all__ = ["Scan", "hide_window", "scan"]

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
    problem : Problem
        The sideband fits, started from the background-only ones.
    fits : Fits
        Their results on the data, shape (1, n_spectra).
    null : ndarray of shape (n_spectra, n_bins)
        Expectation of each spectrum under the background-only hypothesis: the same function fitted
        to all bins but the signal region, and its guard, with the smallest p-value. (A fit that
        absorbs a strong signal does not describe the background.)
    reference : Fits
        That fit of the unselected spectrum, shape (1, 1), for its goodness.
    spurious : ndarray of shape (n_spectra,)
        Standard deviation of the signal that the function fabricates in the signal region, as a
        fraction of the background there.
    observed, p_local : ndarray of shape (n_spectra,)
        Events in the signal region, and their local p-value.
    """

    windows: Array
    efficiencies: tuple[float, ...]
    counts: Array
    problem: Problem
    fits: Fits
    null: Array
    reference: Fits
    spurious: Array
    observed: Array
    p_local: Array

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
    hidden_among: ArrayLike | None = None,
) -> Scan:
    r"""Fit the sidebands of every window and selection, and compare with the signal regions.

    The fit of a spectrum uses all bins of the scan range but the window's signal region. The
    unselected spectrum is fitted freely. A selected one is the background-only fit of the
    unselected one, times a smooth efficiency, :math:`\ln\epsilon(m) = \sum_k \delta_k x_k(m)` on
    the same columns; Gaussian constraints of width ``freedom`` :math:`/2^{k-1}` for
    :math:`k \ge 1` (and 10 for the normalisation) are far wider than the data wherever there are
    events, and keep the fit finite where there are none.

    Parameters
    ----------
    patterns : Patterns
        The events.
    windows : array_like of shape (n_windows, 2)
        Low and high edge of each signal region, GeV; both must be bin edges.
    efficiencies : sequence of float
        The selections, decreasing.
    model : FitModel, optional
        Background function, guard and freedom; by default ``FitModel()``.
    spurious : array_like of shape (n_windows,), optional
        Spurious signal in each window, as a fraction of the background (`spurious_signal`); none
        by default. Its size in a selection is added in quadrature to the error of the fit.
    hidden_among : array_like of bool, shape (n_spectra,), optional
        Spectra of which the one with the smallest p-value hides its window from the background-only
        fits; by default the selected ones.

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
    function = basis(model.function, patterns.edges)
    spectra = patterns.spectra(len(steps)).astype(float)
    counts = spectra.reshape(-1, spectra.shape[-1])
    signal = window_bins(patterns.edges, windows)
    _check_statistics(function, spectra[0, 0], signal)

    n_spectra, n_par = len(counts), function.n_parameters
    reference = _fit_unmasked(function, spectra[0, 0])
    center = np.tile(reference.theta[0, 0], (n_spectra, 1))
    all_efficiencies = (1.0, *steps)
    center[:, 0] += np.tile(np.log(all_efficiencies), len(windows))
    precision = np.zeros((n_spectra, n_par))
    selected = np.tile(np.array(all_efficiencies) < 1, len(windows))
    precision[selected] = model.precision(n_par)

    masked = np.repeat(signal, len(all_efficiencies), axis=0)
    problem = Problem(function, masked, ~_grow(masked, model.guard), center, center, precision)
    fits = refit(problem, counts[None])
    observed = (counts * masked).sum(axis=1)
    fraction = np.repeat(_checked_spurious(spurious, len(windows)), len(all_efficiencies))
    expected = fits.expected[0]
    p_local = local_p(observed, expected, np.hypot(fits.error[0], fraction * expected))

    among = selected if hidden_among is None else np.asarray(hidden_among, dtype=bool)
    best = int(np.where(among, p_local, 1.0).argmin())
    hidden = np.tile(hide_window(problem, best), (n_spectra, 1))
    start = refit(replace(problem, masked=hidden), counts[None]).theta[0]
    return Scan(
        windows=windows,
        efficiencies=all_efficiencies,
        counts=counts,
        problem=replace(problem, start=start),
        fits=fits,
        null=np.stack([function.expected(theta) for theta in start]),
        reference=reference,
        spurious=fraction,
        observed=observed,
        p_local=p_local,
    )


def hide_window(problem: Problem, spectrum: int) -> NDArray[np.bool_]:
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
    """Fit the unselected spectrum in all bins; FitError where it does not converge."""
    none = np.zeros((1, counts.size), dtype=bool)
    free = np.zeros((1, model.n_parameters))
    start = seed_theta(model, counts)[None]
    fits = refit(Problem(model, none, ~none, start, free, free), counts[None, None])
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
