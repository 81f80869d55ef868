"""What the limits and the discovery of one workspace have in common: its fits, and its yields."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...core import FitError, InputError, Record
from .likelihood import Likelihood
from .many_fits import ModelFits, fit_many

__all__ = [
    "BANDS",
    "NO_SIGNAL",
    "UpperLimit",
    "background_fit",
    "checked_alpha",
    "data_of",
    "effective_events",
    "fit_data",
    "limit_of",
    "profile_nll",
    "strength_guess",
    "yields_of",
]

Array = NDArray[np.float64]

BANDS = np.array([-2.0, -1.0, 0.0, 1.0, 2.0])
"""Quantiles of the background-only expectation, σ."""

NO_SIGNAL = "the model has no signal in any bin, so no strength can be excluded"


@dataclass(frozen=True)
class UpperLimit(Record):
    """A CLs upper limit on the signal strength.

    Attributes
    ----------
    observed : float
        The limit on ``mu`` from the data.
    expected : tuple of float
        Limits at the quantiles -2, -1, 0, +1, +2 σ of the background-only expectation; the median
        is in the middle.
    level : float
        Confidence level, e.g. 0.95.
    method : str
        "counting", "asymptotic" or "toys".
    background : float
        Effective number of background events under the signal.

    Examples
    --------
    >>> from overdensity.stats.limits.cls import upper_limit
    >>> from overdensity.stats.workspaces.pieces import Channel, Sample, poisson_error, signal, workspace
    >>> background = Sample("background", (50.0,), (poisson_error("error", [5.0]),))
    >>> count = workspace([Channel("count", (52.0,), (signal([10.0]), background))])
    >>> limit = upper_limit(count)
    >>> limit.method, round(limit.observed, 2), round(limit.expected[2], 2)
    ('counting', 1.99, 1.83)
    """

    observed: float
    expected: tuple[float, float, float, float, float]
    level: float
    method: str
    background: float


def checked_alpha(level: float) -> float:
    """Return one less the confidence level, or say that it is none.

    Examples
    --------
    >>> round(checked_alpha(0.95), 3)
    0.05
    """
    if not 0 < level < 1:
        msg = f"the confidence level is {level:g}; it must be between 0 and 1, e.g. 0.95"
        raise InputError(msg)
    return 1 - level


def data_of(model: Likelihood) -> tuple[Array, Array]:
    """Return the data and auxiliary measurements of a workspace as one dataset.

    Examples
    --------
    >>> from overdensity.stats.limits.likelihood import likelihood
    >>> from overdensity.stats.workspaces.pieces import Channel, Sample, poisson_error, signal, workspace
    >>> background = Sample("background", (50.0,), (poisson_error("error", [5.0]),))
    >>> count = workspace([Channel("count", (52.0,), (signal([10.0]), background))])
    >>> model = likelihood(count)
    >>> data_of(model)[0].tolist()
    [[52.0]]
    """
    return model.observed[None], model.auxiliary[None]


def fit_data(
    model: Likelihood,
    observed: Array,
    auxiliary: Array,
    *,
    start: Array,
    strength: Array | float | None = None,
) -> ModelFits:
    """Fit every dataset from one starting point, or from pyhf's where that fails.

    Examples
    --------
    >>> from overdensity.stats.limits.likelihood import likelihood
    >>> from overdensity.stats.workspaces.pieces import Channel, Sample, poisson_error, signal, workspace
    >>> background = Sample("background", (50.0,), (poisson_error("error", [5.0]),))
    >>> count = workspace([Channel("count", (52.0,), (signal([10.0]), background))])
    >>> model = likelihood(count)
    >>> fits = fit_data(model, *data_of(model), start=model.start)
    >>> round(float(fits.theta[0, model.poi]), 2)  # (52 - 50) / 10
    0.2
    """
    first = np.tile(start, (len(observed), 1))
    fits = fit_many(model, observed, auxiliary, strength=strength, start=first)
    failed = ~fits.converged
    if not failed.any():
        return fits
    fixed = None if strength is None else np.broadcast_to(strength, failed.shape)[failed]
    again = fit_many(model, observed[failed], auxiliary[failed], strength=fixed)
    fits.theta[failed], fits.nll[failed] = again.theta, again.nll
    if not again.converged.all():
        msg = (
            f"{int((~again.converged).sum())} of {failed.size} fits of the model do not converge; "
            "look for parameters that change no bin, or that change all bins alike"
        )
        raise FitError(msg)
    return fits


def background_fit(model: Likelihood) -> Array:
    """Return the parameters fitted to the data without signal.

    Examples
    --------
    >>> from overdensity.stats.limits.likelihood import likelihood
    >>> from overdensity.stats.workspaces.pieces import Channel, Sample, poisson_error, signal, workspace
    >>> background = Sample("background", (50.0,), (poisson_error("error", [5.0]),))
    >>> count = workspace([Channel("count", (52.0,), (signal([10.0]), background))])
    >>> model = likelihood(count)
    >>> background_fit(model)[model.poi].item()
    0.0
    """
    return fit_data(model, *data_of(model), strength=0.0, start=model.start).theta[0]


def profile_nll(model: Likelihood, strengths: Array, *, start: Array) -> Array:
    """Return the negative logarithm of the likelihood of the data at each strength.

    One fit starts where the one before has ended: give the strengths in order.

    Examples
    --------
    >>> from overdensity.stats.limits.likelihood import likelihood
    >>> from overdensity.stats.workspaces.pieces import Channel, Sample, poisson_error, signal, workspace
    >>> background = Sample("background", (50.0,), (poisson_error("error", [5.0]),))
    >>> count = workspace([Channel("count", (52.0,), (signal([10.0]), background))])
    >>> model = likelihood(count)
    >>> int(profile_nll(model, np.array([0.0, 0.2, 2.0]), start=model.start).argmin())
    1
    """
    found = np.empty(len(strengths))
    for k, strength in enumerate(strengths.tolist()):
        fit = fit_data(model, *data_of(model), strength=strength, start=start)
        start, found[k] = fit.theta[0], fit.nll[0]
    return found


def yields_of(model: Likelihood, theta: Array) -> tuple[Array, Array]:
    """Return background and unit signal in every bin, shape (n, n_bins).

    Examples
    --------
    >>> from overdensity.stats.limits.likelihood import likelihood
    >>> from overdensity.stats.workspaces.pieces import Channel, Sample, poisson_error, signal, workspace
    >>> background = Sample("background", (50.0,), (poisson_error("error", [5.0]),))
    >>> count = workspace([Channel("count", (52.0,), (signal([10.0]), background))])
    >>> model = likelihood(count)
    >>> background, unit = yields_of(model, model.start[None])
    >>> background.tolist(), unit.tolist()
    ([[50.0]], [[10.0]])
    """
    without, unit = theta.copy(), theta.copy()
    without[:, model.poi], unit[:, model.poi] = 0.0, 1.0
    background = model.expected(without)
    return background, np.maximum(model.expected(unit) - background, 0.0)


def effective_events(model: Likelihood, background: Array) -> float:
    """Return the background events that the signal competes with (`effective_background`).

    Examples
    --------
    >>> from overdensity.stats.limits.likelihood import likelihood
    >>> from overdensity.stats.workspaces.pieces import Channel, Sample, poisson_error, signal, workspace
    >>> background = Sample("background", (50.0,), (poisson_error("error", [5.0]),))
    >>> count = workspace([Channel("count", (52.0,), (signal([10.0]), background))])
    >>> model = likelihood(count)
    >>> effective_events(model, model.start)
    50.0
    """
    b, s = yields_of(model, background[None])
    if not s.any():
        raise FitError(NO_SIGNAL)
    return float(s.sum() ** 2 / (s**2 / b).sum())


def strength_guess(model: Likelihood, background: Array) -> float:
    """Return a strength near the limit: two standard deviations, or three events.

    Examples
    --------
    >>> from overdensity.stats.limits.likelihood import likelihood
    >>> from overdensity.stats.workspaces.pieces import Channel, Sample, poisson_error, signal, workspace
    >>> background = Sample("background", (50.0,), (poisson_error("error", [5.0]),))
    >>> count = workspace([Channel("count", (52.0,), (signal([10.0]), background))])
    >>> model = likelihood(count)
    >>> round(strength_guess(model, model.start), 3)  # 2 √50 / 10 + 3 / 10
    1.714
    """
    b, s = yields_of(model, background[None])
    if not s.any():
        raise FitError(NO_SIGNAL)
    return float(2 / np.sqrt((s**2 / b).sum()) + 3 / s.sum())


def limit_of(limits: Array, level: float, method: str, background: float) -> UpperLimit:
    """Put a limit together: observed, and the quantiles of the expectation.

    Examples
    --------
    >>> import numpy as np
    >>> limit_of(np.array([2.0, 1.0, 1.4, 1.9, 2.6, 3.5]), 0.95, "counting", 7.0).expected[2]
    1.9
    """
    observed, *expected = (float(limit) for limit in limits)
    bands = (expected[0], expected[1], expected[2], expected[3], expected[4])
    return UpperLimit(observed, bands, level, method, background)
