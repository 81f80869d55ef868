"""The peak in a selected spectrum: mass, width and number of events, each with its error."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from iminuit import Minuit
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr

from ...core import FitError, Record
from .batch_fit import Problem, refit
from .functions import basis
from .spectrum import Constraint, checked_counts, seed_theta

__all__ = ["Resonance", "fit_resonance"]

Array = NDArray[np.float64]

_WIDTHS = (0.01, 0.08)  # of the mass: a narrow resonance, as the detector resolves it
_START_WIDTH = 0.04


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
    constraint: Constraint | None = None,
) -> Resonance:
    r"""Fit a Gaussian on a smooth background to all bins of a spectrum.

    All parameters of the background float, as do the number of signal events (≥ 0), the mass
    (within the window and a third of its width on either side) and the relative width (1-8 %).

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
    constraint : Constraint, optional
        Constraint of its parameters.

    Returns
    -------
    Resonance

    Raises
    ------
    FitError
        If there are no events.
    """
    model = basis(function, edges)
    counts = checked_counts(counts, model.edges)
    if not counts.any():
        msg = f"no events between {model.edges[0]:g} and {model.edges[-1]:g} GeV: nothing to fit"
        raise FitError(msg)
    n_par = model.n_parameters
    prior = constraint or Constraint(np.zeros(n_par), np.zeros(n_par))
    inside = (model.edges[:-1] >= low * (1 - 1e-6)) & (model.edges[1:] <= high * (1 + 1e-6))

    def background(masked: NDArray[np.bool_]) -> Array:
        guess = seed_theta(model, np.where(masked, 0, counts))
        start = prior.centre if constraint else guess
        problem = Problem(
            model,
            masked[None],
            ~masked[None],
            start[None],
            prior.centre[None],
            prior.precision[None],
        )
        return refit(problem, counts[None, None]).theta[0, 0]

    def loss(parameters: Array) -> float:
        theta, (n_signal, mass, width) = parameters[:n_par], parameters[n_par:]
        shape = np.diff(ndtr((model.edges / mass - 1) / width))
        mean = np.maximum(model.expected(theta) + n_signal * shape, 1e-300)
        pull = theta - prior.centre
        return float((mean - counts * np.log(mean)).sum() + (prior.precision * pull**2).sum() / 2)

    theta_side, theta_all = background(inside), background(np.zeros_like(inside))
    excess = max((counts - model.expected(theta_side))[inside].sum(), 1.0)
    margin = (high - low) / 3
    trials = []
    for mass in np.linspace(low, high, 5)[1:-1]:
        minuit = Minuit(cast("Any", loss), np.r_[theta_side, excess, mass, _START_WIDTH])
        minuit.errordef = Minuit.LIKELIHOOD
        minuit.limits[n_par:] = ((0, None), (low - margin, high + margin), _WIDTHS)
        minuit.errors[n_par:] = (np.sqrt(excess), 0.01 * mass, 0.005)
        trials.append(minuit.migrad())
    best = min(trials, key=lambda trial: trial.fval if trial.fval is not None else np.inf)
    best.hesse()
    n_signal, mass, width = (float(value) for value in np.array(best.values)[n_par:])
    valid = bool(best.valid and best.accurate)
    errors = np.array(best.errors)[n_par:] if valid else [None] * 3
    q0 = 2 * (loss(np.r_[theta_all, 0.0, mass, width]) - float(best.fval or 0.0))
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


def _number(value: float | None, scale: float = 1.0) -> float | None:
    """Return a scaled float, or None for none."""
    return None if value is None else float(value) * scale
