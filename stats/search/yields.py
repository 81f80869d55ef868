"""Number of signal events before any selection, with its uncertainty.

Without a simulated signal there are two ways: a fit of the unselected spectrum, which assumes
nothing of the selection, and one that takes all selections together under a binormal model of how
a score tells signal from background. With a simulated signal the efficiencies are known.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr, ndtri

from ...core import FitError, InputError, Record
from ..spectra.batch_fit import Problem, refit
from ..spectra.binning import checked_edges
from ..spectra.fit_model import FitModel
from ..spectra.functions import basis
from ..spectra.pass_fit import selected_background
from ..spectra.poisson import seed_theta

__all__ = [
    "JointYield",
    "NumberOfEvents",
    "binormal_yield",
    "combined_yield",
    "gaussian_template",
    "nested_shells",
    "sample_template",
    "spectrum_yields",
]

Array = NDArray[np.float64]

_SEPARATIONS = np.linspace(0.0, 6.0, 601)  # in standard deviations, where the joint fit looks
_ROUNDS = 5


@dataclass(frozen=True)
class NumberOfEvents(Record):
    """A fitted number of signal events.

    Attributes
    ----------
    efficiency : float
        Background efficiency of the selection; 1 is none.
    value, error : float
        Events, negative for a deficit, and their error.
    """

    efficiency: float
    value: float
    error: float


@dataclass(frozen=True)
class JointYield(Record):
    """Number of signal events before selection from all selections together.

    Attributes
    ----------
    value, error : float
        Events and their error.
    separation, separation_error : float or None
        How far signal lies above background in normal scores (`binormal_yield`); None where the
        efficiencies were known.
    chi2, ndf : float, int
        How well the selections agree.
    """

    value: float
    error: float
    separation: float | None
    separation_error: float | None
    chi2: float
    ndf: int


def gaussian_template(edges: ArrayLike, mass: float, width: float) -> Array:
    """Return the fraction of a Gaussian peak in each bin, shape (n_bins,); both in GeV."""
    if not (mass > 0 and width > 0):
        msg = f"a peak needs a positive mass and width, not {mass:g} and {width:g} GeV"
        raise InputError(msg)
    return np.diff(ndtr((checked_edges(edges) - mass) / width))


def sample_template(edges: ArrayLike, mass: ArrayLike, weight: ArrayLike) -> Array:
    """Return the share of a simulated signal in each bin, of all simulated events.

    Parameters
    ----------
    edges : array_like of shape (n_bins + 1,)
        Bin edges, GeV.
    mass : array_like of shape (n_events,)
        All simulated events, those outside the edges too.
    weight : array_like of shape (n_events,)
        Probability of each to be selected.

    Returns
    -------
    ndarray of shape (n_bins,)
        A fit's strength of this template is a number of events before selection.
    """
    counts, _ = np.histogram(np.asarray(mass), checked_edges(edges), weights=np.asarray(weight))
    return counts / np.size(mass)


def nested_shells(counts: ArrayLike) -> Array:
    """Return the spectra of events between a selection and the next tighter one.

    Parameters
    ----------
    counts : array_like of shape (n_levels, n_bins)
        Nested spectra, from loose to tight.

    Returns
    -------
    ndarray of shape (n_levels, n_bins)
        No event is in two of them.
    """
    counts = np.asarray(counts, dtype=float)
    return counts - np.vstack([counts[1:], np.zeros((1, counts.shape[1]))])


def spectrum_yields(
    edges: ArrayLike,
    counts: ArrayLike,
    fractions: Sequence[float],
    templates: ArrayLike,
    *,
    model: FitModel | None = None,
) -> tuple[Array, Array]:
    r"""Fit a smooth background and a signal of known shape to several spectra.

    The unselected spectrum is fitted freely; the others as a fraction of its background times a
    smooth efficiency (`selected_background`).

    Parameters
    ----------
    edges : array_like of shape (n_bins + 1,)
        Bin edges, GeV.
    counts : array_like of shape (n_spectra, n_bins)
        The spectra; the first is the unselected one.
    fractions : sequence of float
        Fraction of the background in each spectrum; the first is 1.
    templates : array_like of shape (n_bins,) or (n_spectra, n_bins)
        Signal in each bin at strength 1.
    model : FitModel, optional
        Background function, and how a selection may bend it; by default ``FitModel()``.

    Returns
    -------
    strength, error : ndarray of shape (n_spectra,)
        Fitted strengths, negative for a deficit, and their errors from the information matrix.

    Raises
    ------
    FitError
        If a fit does not converge.
    """
    counts = np.asarray(counts, dtype=float)
    model = model or FitModel()
    function = basis(model.function, edges)
    n, n_par = len(counts), function.n_parameters
    signal = np.broadcast_to(np.asarray(templates, dtype=float), counts.shape)
    none = np.zeros((1, counts.shape[1]), dtype=bool)
    free = np.zeros((1, n_par + 1))
    first = np.append(seed_theta(function, counts[0]), 0.0)[None]
    whole = refit(
        Problem(function, none, ~none, first, free, free, signal[:1].copy()), counts[None, :1]
    )
    theta = whole.theta[0, 0, :n_par]
    covariance, everywhere = function.covariance(theta, ~none[0]), np.ones(counts.shape[1])
    shape, known = selected_background(
        function, theta, covariance, everywhere, model.odds_precision()
    )
    center = np.zeros((n - 1, shape.n_parameters + 1))
    center[:, 0] = np.log(np.asarray(fractions[1:], dtype=float))
    fits = refit(
        Problem(
            shape,
            np.tile(none, (n - 1, 1)),
            np.tile(~none, (n - 1, 1)),
            center,
            center,
            np.tile(np.r_[known.precision, 0.0], (n - 1, 1)),
            np.ascontiguousarray(signal[1:]),
        ),
        counts[None, 1:],
    )
    converged = np.r_[whole.converged[0], fits.converged[0]]
    bad = np.flatnonzero(~converged)
    if bad.size:
        msg = (
            f"the fit of background and signal to {counts[bad[0]].sum():.0f} events (background "
            f"fraction {fractions[bad[0]]:g}) does not converge; try fewer parameters"
        )
        raise FitError(msg)
    strength = np.r_[whole.theta[0, :, -1], fits.theta[0, :, -1]]
    return strength, np.r_[whole.strength_error[0], fits.strength_error[0]]


def combined_yield(strength: ArrayLike, error: ArrayLike, shares: ArrayLike) -> JointYield:
    r"""Combine independent numbers of events, of which each is a known share of the whole.

    Minimises :math:`\sum_j (s_j - N a_j)^2 / \sigma_j^2`, where :math:`\sigma_j^2` is that of the
    fit, moved from the Poisson variance of the signal that was fitted to that of the signal
    expected, :math:`\sigma_j^2 + N a_j - s_j`: a shell that happens to have little signal would
    else weigh too much.

    Parameters
    ----------
    strength, error : array_like of shape (n_shells,)
        Fitted number of events in each shell between selections, and its error.
    shares : array_like of shape (n_shells,)
        Efficiency a of the signal in each shell.

    Returns
    -------
    JointYield

    Raises
    ------
    FitError
        If no shell has a share of the signal.
    """
    s, sigma, a = (np.asarray(x, dtype=float) for x in (strength, error, shares))
    if not np.any(a > 0):
        msg = "no selection keeps any of the simulated signal: the number of events is unknown"
        raise FitError(msg)
    n, variance = _solved(s, sigma, a)
    chi2 = float(((s - n * a) ** 2 / variance).sum())
    return JointYield(
        value=n,
        error=float(1 / np.sqrt((a**2 / variance).sum())),
        separation=None,
        separation_error=None,
        chi2=chi2,
        ndf=s.size - 1,
    )


def binormal_yield(
    strength: ArrayLike, error: ArrayLike, efficiencies: Sequence[float]
) -> JointYield:
    r"""Combine the selections under a binormal model of the score.

    A score has a ROC curve :math:`\epsilon_S = \Phi(\Phi^{-1}(\epsilon_B) + d)` if some increasing
    function of it is a unit Gaussian for background and one at d for signal. Signal is then shared
    among the shells between selections as :math:`a_j(d)`, and number N and separation d follow
    from :math:`\chi^2(N, d) = \sum_j (s_j - N a_j(d))^2 / \sigma_j^2`, with the errors of
    `combined_yield`.

    Parameters
    ----------
    strength, error : array_like of shape (n_shells,)
        Fitted number of events in each shell (`nested_shells`), and its error.
    efficiencies : sequence of float
        Background efficiencies of the selections: 1 first, then decreasing.

    Returns
    -------
    JointYield

    Raises
    ------
    InputError
        If there is no selection.
    FitError
        If the selections do not determine the separation.
    """
    s, sigma = np.asarray(strength, dtype=float), np.asarray(error, dtype=float)
    cuts = np.asarray(efficiencies, dtype=float)
    if cuts.size < 2 or cuts[0] != 1 or np.any(np.diff(cuts) >= 0) or s.shape != cuts.shape:
        msg = f"selections must start with 1 and decrease, one number of events each: {cuts}"
        raise InputError(msg)
    losses = np.array([_loss(s, sigma, _shares(cuts, d)) for d in _SEPARATIONS])
    best = int(losses.argmin())
    d = float(_SEPARATIONS[best])
    a = _shares(cuts, d)
    n, variance = _solved(s, sigma, a)
    step = 1e-3
    slope = n * (_shares(cuts, d + step) - _shares(cuts, d - step)) / (2 * step)
    jacobian = np.stack([a, slope], axis=1) / np.sqrt(variance)[:, None]
    information = jacobian.T @ jacobian
    if n <= 0 or best in (0, _SEPARATIONS.size - 1) or np.linalg.cond(information) > 1e12:
        msg = "the selections do not tell how well the score separates signal from background"
        raise FitError(msg)
    covariance = np.linalg.inv(information)
    return JointYield(
        value=n,
        error=float(np.sqrt(covariance[0, 0])),
        separation=d,
        separation_error=float(np.sqrt(covariance[1, 1])),
        chi2=float(((s - n * a) ** 2 / variance).sum()),
        ndf=s.size - 2,
    )


def _shares(cuts: Array, separation: float) -> Array:
    """Return the fraction of the signal in each shell of the binormal model."""
    passed = np.r_[1.0, ndtr(ndtri(cuts[1:]) + separation), 0.0]
    return passed[:-1] - passed[1:]


def _solved(s: Array, sigma: Array, a: Array) -> tuple[float, Array]:
    """Return the number of events for known shares, and the variances expected with it."""
    variance, n = sigma**2, 0.0
    for _ in range(_ROUNDS):
        n = float((a * s / variance).sum() / (a**2 / variance).sum())
        variance = np.maximum(sigma**2 + max(n, 0.0) * a - s, 0.25 * sigma**2)
    return n, variance


def _loss(s: Array, sigma: Array, a: Array) -> float:
    """Return minus twice the logarithm of the Gaussian likelihood at known shares."""
    n, variance = _solved(s, sigma, a)
    return float(((s - n * a) ** 2 / variance + np.log(variance)).sum())
