"""The peak in a selected spectrum: mass, width and number of events, each with its error."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from iminuit import Minuit
from numpy.typing import ArrayLike, NDArray

from ...core import FitError, Record
from .batch_fit import Problem, refit
from .binning import gaussian_fractions
from .functions import Basis, basis
from .poisson import Constraint, checked_counts, seed_theta

__all__ = ["Resonance", "fit_resonance"]

Array = NDArray[np.float64]

_WIDTHS = (0.01, 0.2)  # of the mass: from what the detector resolves to a broad resonance
_SCAN = (0.015, 0.03, 0.05, 0.08, 0.12, 0.16)  # widths from which fits start


@dataclass(frozen=True)
class Resonance(Record):
    """A Gaussian peak on the smooth background.

    Attributes
    ----------
    mass, mass_error : float
        Position, GeV.
    width, width_error : float
        Standard deviation, GeV.
    n_signal, n_signal_error : float
        Events in the peak, after selection.
    z : float
        Significance √q0 of this fit, with mass and width floating, at n_signal ≥ 0 (Cowan et
        al., arXiv:1007.1727, eq. 12 and 52). A cross-check: it knows of no trials.
    valid : bool
        The fit converged and its errors are trustworthy; an error is None where there is none.

    Examples
    --------
    >>> import numpy as np
    >>> from overdensity.stats import log_edges
    >>> edges = log_edges(2632, 6000, 16)
    >>> counts = np.round(5000 * 0.7 ** np.arange(16))
    >>> counts[3:6] += [40, 120, 40]
    >>> peak = fit_resonance(edges, counts, 3100, 3500, function='dijet3')
    >>> peak.valid, peak.n_signal > 100
    (True, True)
    """

    mass: float
    mass_error: float | None
    width: float
    width_error: float | None
    n_signal: float
    n_signal_error: float | None
    z: float
    valid: bool


def fit_resonance(
    edges: ArrayLike,
    counts: ArrayLike,
    low: float,
    high: float,
    *,
    function: str = "dijet5",
    background: tuple[Basis, Constraint] | None = None,
) -> Resonance:
    r"""Fit a Gaussian on a smooth background to all bins of a spectrum.

    All parameters of the background float, as do the number of signal events (≥ 0), the mass
    (within the window and a third of its width, or the width of the peak where that is more, on
    either side) and the relative width (1-20 %). The likelihood has several maxima: masses and widths
    are scanned, fits start from the best mass of each width, and of their maxima the one that holds
    most probability is taken. The highest one may be a fluctuation on the flank of a broad peak.

    Parameters
    ----------
    edges : array_like of shape (n_bins + 1,)
        Bin edges, GeV.
    counts : array_like of shape (n_bins,)
        Events.
    low, high : float
        The signal region in which the excess was seen, GeV.
    function : str
        Background function.
    background : (Basis, Constraint), optional
        In place of the function: any other on these bins, with the constraint of its parameters
        (`overdensity.stats.spectra.pass_fit.selected_background`).

    Returns
    -------
    Resonance

    Raises
    ------
    FitError
        If there are no events.

    Examples
    --------
    >>> import numpy as np
    >>> from overdensity.stats import log_edges
    >>> edges = log_edges(2632, 6000, 16)
    >>> counts = np.round(5000 * 0.7 ** np.arange(16))
    >>> counts += np.round(
    ...     300 * np.exp(-((((edges[1:] + edges[:-1]) / 2 - 3500) / 140) ** 2) / 2)
    ... )
    >>> peak = fit_resonance(edges, counts, 3300, 3700, function='dijet3')
    >>> bool(abs(peak.mass - 3500) < 50), bool(peak.z > 5)
    (True, True)
    """
    model, constraint = background or (basis(function, edges), None)
    counts = checked_counts(counts, model.edges)
    if not counts.any():
        msg = f"no events between {model.edges[0]:g} and {model.edges[-1]:g} GeV: nothing to fit"
        raise FitError(msg)
    peak = _Peak(model, counts, constraint)
    inside = (model.edges[:-1] >= low * (1 - 1e-6)) & (model.edges[1:] <= high * (1 + 1e-6))
    theta_side, theta_all = peak.background(inside), peak.background(np.zeros_like(inside))
    best = peak.fit(peak.starts(theta_side, low, high), low, high)
    n_signal, mass, width = (float(value) for value in np.array(best.values)[-3:])
    valid = bool(best.valid and best.accurate)
    errors = np.array(best.errors)[-3:] if valid else [None] * 3
    q0 = 2 * (peak.loss(np.r_[theta_all, 0.0, mass, width]) - float(best.fval or 0.0))
    return Resonance(
        mass=mass,
        mass_error=_number(errors[1]),
        width=width * mass,
        width_error=_number(errors[2], mass),
        n_signal=n_signal,
        n_signal_error=_number(errors[0]),
        z=float(np.sqrt(max(q0, 0.0))),
        valid=valid,
    )


@dataclass(frozen=True, eq=False)
class _Peak:
    """A peak of any size, mass and width on a background, and what is known of the latter."""

    model: Basis
    counts: Array
    constraint: Constraint | None

    @property
    def prior(self) -> Constraint:
        """The constraint; one that leaves everything free where there is none."""
        none = np.zeros(self.model.n_parameters)
        return self.constraint or Constraint(none, none)

    def background(self, masked: NDArray[np.bool_]) -> Array:
        """Return the parameters of the background fitted to the bins not masked."""
        guess = seed_theta(self.model, np.where(masked, 0, self.counts))
        start = self.prior.center if self.constraint else guess
        problem = Problem(
            self.model,
            masked[None],
            ~masked[None],
            start[None],
            self.prior.center[None],
            self.prior.precision[None],
        )
        return refit(problem, self.counts[None, None]).theta[0, 0]

    def loss(self, parameters: Array) -> float:
        """Return the negative log-likelihood; events, mass and relative width come last."""
        theta, (n_signal, mass, width) = parameters[:-3], parameters[-3:]
        shape = gaussian_fractions(self.model.edges / mass, 1.0, width)
        mean = np.maximum(self.model.expected(theta) + n_signal * shape, 1e-300)
        pull = theta - self.prior.center
        poisson = (mean - self.counts * np.log(mean)).sum()
        return float(poisson + (self.prior.precision * pull**2).sum() / 2)

    def starts(self, theta: Array, low: float, high: float) -> list[Array]:
        """Scan masses and widths, all else fitted; return the best mass of each width."""
        places = [
            (mass, width)
            for width in _SCAN
            for mass in np.arange(*_reach(low, high, width), 0.7 * width * low)
        ]
        mass, width = np.array(places).T[..., None]
        shapes = gaussian_fractions(self.model.edges / mass, 1.0, width)
        n, start = len(places), np.append(theta, 0.0)
        none = np.zeros((n, self.counts.size), dtype=bool)
        problem = Problem(
            *(self.model, none, ~none),
            np.tile(start, (n, 1)),
            np.tile(np.append(self.prior.center, 0.0), (n, 1)),
            np.tile(np.append(self.prior.precision, 0.0), (n, 1)),
            signal=shapes,
        )
        fitted = refit(problem, np.tile(self.counts, (1, n, 1))).theta[0]
        found = np.c_[fitted, places]
        found[:, -3] = np.maximum(found[:, -3], 1.0)
        losses = np.array([self.loss(each) for each in found])
        of_width = [np.flatnonzero(found[:, -1] == each) for each in _SCAN]
        best = [rows[losses[rows].argmin()] for rows in of_width]
        return [found[k] for k in best]

    def fit(self, starts: Sequence[Array], low: float, high: float) -> Minuit:
        """Return the fit whose maximum holds most probability."""
        trials = []
        for start in starts:
            n_signal, mass, width = start[-3:]
            minuit = Minuit(cast("Any", self.loss), start)
            minuit.errordef = Minuit.LIKELIHOOD
            minuit.limits[-3:] = ((0, None), _reach(low, high, width), _WIDTHS)
            minuit.errors[-3:] = (np.sqrt(n_signal), 0.01 * mass, 0.005)
            minuit.migrad()
            minuit.hesse()
            trials.append(minuit)
        return max(trials, key=_log_evidence)


def _log_evidence(trial: Minuit) -> float:
    r"""Return how much probability a maximum holds, :math:`\ln L + \ln\sqrt{|V|/w^2}`.

    Laplace's approximation for a prior that is flat in everything but the relative width w, and in
    its logarithm there: of two maxima of equal height the broader one is the truth more often.
    """
    if trial.covariance is None or trial.fval is None:
        return -np.inf
    sign, log_volume = np.linalg.slogdet(np.array(trial.covariance))
    if sign <= 0 or not np.isfinite(log_volume):
        return -np.inf
    return float(-trial.fval + log_volume / 2 - np.log(trial.values[-1]))


def _reach(low: float, high: float, width: float) -> tuple[float, float]:
    """Return where a peak of some relative width may lie, GeV."""
    margin = max((high - low) / 3, width * (low + high) / 2)
    return low - margin, high + margin


def _number(value: float | None, scale: float = 1.0) -> float | None:
    """Return a scaled float, or None for none."""
    return None if value is None else float(value) * scale
