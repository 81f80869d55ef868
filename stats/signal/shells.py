r"""One fit of the shells between the selections: a background, its efficiencies, and signals.

The shells share no event. In bin i and shell j

.. math:: \lambda_{ji} = \mu_i(\theta) \prod_{k \le j} \epsilon_k(m_i) \,(1 - \epsilon_{j+1}(m_i))
    + \sum_c n_c\,T_{cji},

where μ is the background before selection, and :math:`\epsilon_k` the fraction of it that passes
selection k of those that pass the looser one, with log-odds that are a polynomial of ln m as in the
search: passing over failing, in one Poisson likelihood with signals of any sign. It is maximised by
Fisher scoring with step halving.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, logit

from ...core import FitError
from ..spectra.functions import Basis, basis
from ..spectra.pass_fit import odds_columns
from ..spectra.poisson import deviance, seed_theta

__all__ = ["FittedSignal", "fit_shells"]

Array = NDArray[np.float64]
Templates = Callable[[Array], Array]

_ORDER = 4  # of the log-odds in ln m, where no search has measured how far they bend
_MEAN, _WIDE = 10.0, 1.0  # widths of the constraints of their mean and of the other terms
_ROUNDS, _HALVINGS = 200, 40
_TOLERANCE = 1e-5
_STEP = 1e-4  # of the numerical derivatives by the place of a peak


@dataclass(frozen=True)
class FittedSignal:
    """The signals of a fit.

    Attributes
    ----------
    number, error : float
        Strength of the first of them, and its error.
    place : ndarray of shape (n_place,)
        Where the peak is.
    place_covariance : ndarray of shape (n_place, n_place)
        Its covariance; 0 for what lies on a limit.
    chi2, ndf : float, int
        Deviance of the fit, and its degrees of freedom.
    """

    number: float
    error: float
    place: Array
    place_covariance: Array
    chi2: float
    ndf: int


def fit_shells(
    edges: ArrayLike,
    shells: ArrayLike,
    templates: Templates | Array,
    *,
    place: ArrayLike = (),
    limits: ArrayLike = (),
    function: str = "dijet5",
    odds_widths: ArrayLike | None = None,
) -> FittedSignal:
    """Fit background, efficiencies and signals to all shells.

    Parameters
    ----------
    edges : array_like of shape (n_bins + 1,)
        Bin edges, GeV.
    shells : array_like of shape (n_shells, n_bins)
        Events that pass exactly so many selections, from none on.
    templates : callable or ndarray of shape (n_signals, n_shells, n_bins)
        Signals, each at strength 1, or what returns them at a place.
    place : array_like of shape (n_place,)
        Where the fit starts; held until background and signals have been fitted once.
    limits : array_like of shape (n_place, 2)
        Between which values the place floats.
    function : str
        Background function.
    odds_widths : array_like of shape (n_shells - 1, order), optional
        Constraints of the log-odds of each selection, from the slope on, among all events
        (`HuntResult.odds_widths`); by default those of a quartic, far wider than what calibrated
        scores leave. Those of a selection among the events of a looser one add in quadrature.

    Returns
    -------
    FittedSignal

    Raises
    ------
    FitError
        If the fit does not converge.

    Examples
    --------
    >>> import numpy as np
    >>> shells = np.array([[900.0, 700, 520, 410, 320, 240, 190, 150], [90, 70, 52, 71, 32, 24, 19, 15]])
    >>> peak = np.zeros((1, 2, 8))
    >>> peak[0, 1, 3] = 1.0  # one bin of those that pass
    >>> found = fit_shells(np.linspace(1000, 2000, 9), shells, peak, function="dijet3")
    >>> round(found.number), round(found.error)
    (30, 10)
    """
    model = _Shells.of(edges, shells, function, odds_widths)
    at, between = np.asarray(place, dtype=float), np.reshape(limits, (-1, 2)).astype(float)
    start = model.start()
    signals_at = templates if callable(templates) else lambda _: templates
    problem = _Likelihood(model, signals_at, start, between)
    parameters = np.r_[start, np.zeros(len(signals_at(at))), at]
    parameters, covariance = problem.maximum(parameters, floating=False)
    if at.size:
        parameters, covariance = problem.maximum(parameters, floating=True)
    mean = model.expected(parameters, signals_at, at.size)
    signals = slice(start.size, parameters.size - at.size)
    return FittedSignal(
        number=float(parameters[signals.start]),
        error=float(np.sqrt(covariance[signals.start, signals.start])),
        place=parameters[signals.stop :],
        place_covariance=covariance[signals.stop :, signals.stop :],
        chi2=float(deviance(model.counts, mean).sum()),
        ndf=model.counts.size - parameters.size,
    )


@dataclass(frozen=True, eq=False)
class _Shells:
    """Spectra of events that pass exactly so many selections, and the model of their background.

    Attributes
    ----------
    function : Basis
        The background before selection.
    counts : ndarray of shape (n_shells, n_bins)
        Events.
    columns : ndarray of shape (n_bins, order + 1)
        Those of the log-odds (`odds_columns`).
    precision : ndarray of shape (n_shells - 1, order + 1)
        1/σ² of their constraints.
    """

    function: Basis
    counts: Array
    columns: Array
    precision: Array

    @classmethod
    def of(
        cls, edges: ArrayLike, shells: ArrayLike, function: str, odds_widths: ArrayLike | None
    ) -> _Shells:
        """Prepare the fit."""
        model, counts = basis(function, edges), np.asarray(shells, dtype=float)
        n = len(counts) - 1
        if odds_widths is None:
            widths = np.full((n, _ORDER), _WIDE)
        else:
            known = np.asarray(odds_widths, dtype=float).reshape(n, -1)
            widths = np.hypot(known, np.vstack([np.zeros_like(known[:1]), known[:-1]]))
        precision = np.hstack([np.full((n, 1), _MEAN), widths]) ** -2.0
        return cls(model, counts, odds_columns(model.edges, widths.shape[1]), precision)

    def start(self) -> Array:
        """Return parameters of the background to begin with: constant efficiencies."""
        n_pass = self.counts.sum(axis=1)[::-1].cumsum()[::-1]
        odds = np.zeros((len(n_pass) - 1, self.columns.shape[1]))
        odds[:, 0] = logit((n_pass[1:] + 0.5) / (n_pass[:-1] + 1.0))
        return np.r_[seed_theta(self.function, self.counts.sum(axis=0)), odds.ravel()]

    def passing(self, odds: Array) -> tuple[Array, Array]:
        """Return what passes of those that pass the looser selection, and the share of each shell."""
        kept = expit(odds.reshape(-1, self.columns.shape[1]) @ self.columns.T)
        all_ = np.ones((1, kept.shape[1]))
        return kept, np.cumprod(np.vstack([all_, kept]), axis=0) * np.vstack([1 - kept, all_])

    def expected(self, parameters: Array, templates: Templates, n_place: int) -> Array:
        """Return expected events, shape (n_shells, n_bins); numbers of signal and place come last."""
        theta, odds, numbers, place = self._split(parameters, n_place)
        _, share = self.passing(odds)
        return self.function.expected(theta) * share + np.tensordot(numbers, templates(place), 1)

    def slopes(self, parameters: Array, templates: Templates, n_place: int) -> Array:
        """Return the derivatives of `expected` by the parameters, (n_shells, n_bins, n)."""
        theta, odds, numbers, place = self._split(parameters, n_place)
        passing, share = self.passing(odds)
        mean = self.function.expected(theta) * share
        slopes = np.zeros((*mean.shape, parameters.size))
        slopes[..., : theta.size] = self.function.jacobian(theta) * share[..., None]
        width = self.columns.shape[1]
        for k, kept in enumerate(passing):
            at = slice(theta.size + k * width, theta.size + (k + 1) * width)
            slopes[k, :, at] = -(mean[k] * kept)[:, None] * self.columns
            slopes[k + 1 :, :, at] = (mean[k + 1 :] * (1 - kept))[..., None] * self.columns
        n_known = theta.size + odds.size
        slopes[..., n_known : n_known + numbers.size] = np.moveaxis(templates(place), 0, -1)
        for k, step in enumerate(_STEP * np.eye(n_place)):
            difference = (templates(place + step) - templates(place - step)) / (2 * _STEP)
            slopes[..., n_known + numbers.size + k] = np.tensordot(numbers, difference, 1)
        return slopes

    def _split(self, parameters: Array, n_place: int) -> list[Array]:
        """Return those of the spectrum, of the log-odds, the numbers of signal, and the place."""
        n_par = self.function.n_parameters
        n_known = n_par + (len(self.counts) - 1) * self.columns.shape[1]
        return np.split(parameters, [n_par, n_known, parameters.size - n_place])


@dataclass(frozen=True, eq=False)
class _Likelihood:
    """The likelihood of shells with signal, and the limits of the place of a peak.

    Attributes
    ----------
    model : _Shells
        Counts and background.
    templates : callable
        Signals at a place, shape (n_signals, n_shells, n_bins).
    center : ndarray of shape (n_background,)
        Of the constraint of the log-odds.
    limits : ndarray of shape (n_place, 2)
        Of the place.
    """

    model: _Shells
    templates: Templates
    center: Array
    limits: Array

    def pull(self, parameters: Array) -> tuple[Array, Array]:
        """Return the distance of the parameters from their constraints, and 1/σ² of these."""
        n_par, n_known = self.model.function.n_parameters, self.center.size
        distance, precision = np.zeros((2, parameters.size))
        distance[:n_known] = parameters[:n_known] - self.center
        precision[n_par:n_known] = self.model.precision.ravel()
        return distance, precision

    def loss(self, parameters: Array) -> float:
        """Return the negative logarithm of the likelihood; infinite where an expectation is not positive."""
        mean = self.model.expected(parameters, self.templates, len(self.limits))
        if mean.min() <= 0:
            return np.inf
        distance, precision = self.pull(parameters)
        poisson = (mean - self.model.counts * np.log(mean)).sum()
        return float(poisson + (precision * distance**2).sum() / 2)

    def maximum(self, parameters: Array, *, floating: bool) -> tuple[Array, Array]:
        """Return parameters at the maximum and their covariance, by Fisher scoring with step halving.

        A place on its limit is held.
        """
        end = parameters.size - len(self.limits)
        low, high = np.full((2, parameters.size), [[-np.inf], [np.inf]])
        low[end:], high[end:] = self.limits.T
        now = self.loss(parameters)
        for _ in range(_ROUNDS):
            gradient, information = self.slope(parameters)
            held = np.where(gradient < 0, parameters <= low, parameters >= high)
            held[end:] |= not floating
            free = np.flatnonzero(~held)
            covariance = np.zeros_like(information)
            covariance[np.ix_(free, free)] = np.linalg.pinv(
                information[np.ix_(free, free)], hermitian=True
            )
            step = covariance @ gradient
            if gradient @ step < _TOLERANCE:
                return parameters, covariance
            for _ in range(_HALVINGS):
                tried = np.clip(parameters + step, low, high)
                then = self.loss(tried)
                if then < now:
                    break
                step /= 2
            else:
                break
            parameters, now = tried, then
        counts = self.model.counts
        msg = (
            f"the fit of background and signal to {counts.sum():.0f} events in {len(counts)} "
            "spectra does not converge; try a function with fewer parameters"
        )
        raise FitError(msg)

    def slope(self, parameters: Array) -> tuple[Array, Array]:
        """Return the gradient of the likelihood, and the Fisher information.

        The limits of a place tell as much of it as a uniform distribution between them.
        """
        given = parameters, self.templates, len(self.limits)
        mean = self.model.expected(*given).ravel()
        flat = self.model.slopes(*given).reshape(-1, parameters.size)
        distance, precision = self.pull(parameters)
        gradient = flat.T @ (self.model.counts.ravel() / mean - 1) - precision * distance
        information = flat.T @ (flat / mean[:, None]) + np.diag(precision)
        place = np.arange(parameters.size - len(self.limits), parameters.size)
        information[place, place] += 12 / (self.limits[:, 1] - self.limits[:, 0]) ** 2
        return gradient, information
