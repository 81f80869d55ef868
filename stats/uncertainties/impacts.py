r"""What each nuisance parameter does to the fitted strength, and what the data say of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core import Record
from ..limits.discoveries import discovery
from ..limits.likelihood import Likelihood, likelihood
from ..limits.profiled import data_of, fit_data, profile_nll

__all__ = ["Impact", "Impacts", "StrengthScan", "impacts", "strength_scan"]

Array = NDArray[np.float64]

_STEP = 1e-4


@dataclass(frozen=True)
class Impact(Record):
    r"""One nuisance parameter.

    Attributes
    ----------
    name : str
        Of the parameter.
    pull : float or None
        Fitted value less that of its constraint, in units of the latter's σ; None without one.
    constraint : float or None
        Error after the fit in the same units: 1 where the data say nothing of it.
    up, down : float
        Change of the fitted strength where the parameter is fixed one error after the fit above
        and below its best value.

    Examples
    --------
    >>> Impact("jes", 0.1, 0.9, 0.2, -0.3).size
    0.3
    """

    name: str
    pull: float | None
    constraint: float | None
    up: float
    down: float

    @property
    def size(self) -> float:
        """The larger of both changes."""
        return max(abs(self.up), abs(self.down))


@dataclass(frozen=True)
class Impacts(Record):
    """All nuisance parameters, by the size of their impact.

    Attributes
    ----------
    mu, mu_error : float
        Fitted strength and its error.
    z : float
        Significance.
    impacts : tuple of Impact
        The largest first.

    Examples
    --------
    >>> Impacts(1.0, 0.3, 3.4, (Impact("jes", 0.1, 0.9, 0.2, -0.3),)).of("jes").pull
    0.1
    """

    mu: float
    mu_error: float
    z: float
    impacts: tuple[Impact, ...]

    def of(self, name: str) -> Impact:
        """Return that of one parameter."""
        return next(each for each in self.impacts if each.name == name)


@dataclass(frozen=True)
class StrengthScan(Record):
    r"""The likelihood along the strength.

    Attributes
    ----------
    strengths : tuple of float
        Where it was looked at.
    profiled : tuple of float
        :math:`-2 \ln L(\mu) / L(\hat\mu)`, nuisances fitted at each strength.
    statistical : tuple of float
        The same with all constrained nuisances held at their best values.

    Examples
    --------
    >>> StrengthScan((0.0, 1.0), (4.0, 0.0), (5.0, 0.0)).profiled[0]
    4.0
    """

    strengths: tuple[float, ...]
    profiled: tuple[float, ...]
    statistical: tuple[float, ...]


def impacts(workspace: dict[str, Any] | Likelihood) -> Impacts:
    """Return the impact of each nuisance parameter on the strength.

    Parameters
    ----------
    workspace : dict or Likelihood
        A pyhf workspace, or the likelihood of all bins (`categories`).

    Returns
    -------
    Impacts

    Raises
    ------
    FitError
        If a fit does not converge.

    Examples
    --------
    >>> from overdensity.stats.workspaces.pieces import Channel, Sample, normalisation, signal, workspace
    >>> background = Sample("background", (50.0,), (normalisation("size", 0.1),))
    >>> found = impacts(workspace([Channel("count", (80.0,), (signal([10.0]), background))]))
    >>> found.of("size").up.__round__(2)  # five events of background are half a unit of signal
    -0.5
    """
    model = likelihood(workspace)
    found = discovery(model)
    best = fit_data(model, *data_of(model), start=model.start).theta[0]
    errors = _errors(model, best)
    rows = []
    for k, name in enumerate(model.names):
        if k == model.poi or model.fixed[k]:
            continue
        up, down = (
            _refitted(model, best, k, best[k] + sign * errors[k]) - best[model.poi]
            for sign in (1, -1)
        )
        sigma = _prior_error(model, k)
        center = model.auxiliary[k] / (model.factor[k] or 1.0)
        rows.append(
            Impact(
                name=name,
                pull=None if sigma is None else float((best[k] - center) / sigma),
                constraint=None if sigma is None else float(errors[k] / sigma),
                up=float(up),
                down=float(down),
            )
        )
    rows.sort(key=lambda row: -row.size)
    return Impacts(found.mu, found.mu_error, found.z, tuple(rows))


def strength_scan(
    workspace: dict[str, Any] | Likelihood, *, n: int = 41, reach: float = 3.0
) -> StrengthScan:
    """Return the likelihood along the strength.

    Parameters
    ----------
    workspace : dict or Likelihood
        As for `impacts`.
    n : int
        Number of strengths.
    reach : float
        How far beyond the best strength, in its errors; from 0 on.

    Examples
    --------
    >>> from overdensity.stats.workspaces.pieces import Channel, Sample, normalisation, signal, workspace
    >>> background = Sample("background", (50.0,), (normalisation("size", 0.1),))
    >>> count = workspace([Channel("count", (80.0,), (signal([10.0]), background))])
    >>> scan = strength_scan(count, n=5)
    >>> scan.statistical[0] > scan.profiled[0] > 4
    True
    """
    model = likelihood(workspace)
    found = discovery(model)
    strengths = np.linspace(0.0, found.mu + reach * found.mu_error, n)
    best = fit_data(model, *data_of(model), start=model.start).theta[0]
    held = replace(model, fixed=model.fixed | (model.precision > 0) | (model.factor > 0))
    return StrengthScan(
        tuple(strengths.tolist()),
        _curve(model, best, strengths),
        _curve(held, best, strengths),
    )


def _curve(model: Likelihood, best: Array, strengths: Array) -> tuple[float, ...]:
    """Return twice the rise of the negative logarithm of the likelihood at each strength."""
    lowest = fit_data(model, *data_of(model), start=best).nll[0]
    found = profile_nll(model, strengths[::-1], start=best)[::-1]
    return tuple((2 * np.maximum(found - lowest, 0.0)).tolist())


def _refitted(model: Likelihood, best: Array, k: int, value: float) -> float:
    """Return the strength fitted with one parameter fixed."""
    fixed, start = model.fixed.copy(), best.copy()
    fixed[k], start[k] = True, np.clip(value, model.low[k], model.high[k])
    # A likelihood's start is what fit_data falls back to: it has to hold the fixed value, too.
    held = replace(model, fixed=fixed, start=start)
    return float(fit_data(held, *data_of(held), start=start).theta[0, model.poi])


def _prior_error(model: Likelihood, k: int) -> float | None:
    """Return the σ of the constraint of a parameter; None where it is free."""
    if model.precision[k] > 0:
        return float(1 / np.sqrt(model.precision[k]))
    if model.factor[k] > 0:
        return float(1 / np.sqrt(model.factor[k]))
    return None


def _errors(model: Likelihood, best: Array) -> Array:
    """Return the errors of all parameters from the information of data and constraints."""
    n = best.size
    width = _STEP * np.maximum(1.0, np.abs(best))
    shifted = np.repeat(best[None], 2 * n, axis=0)
    shifted[np.arange(n), np.arange(n)] += width
    shifted[n + np.arange(n), np.arange(n)] -= width
    values = model.expected(shifted)
    slope = (values[:n] - values[n:]) / (2 * width[:, None])
    mean = model.expected(best[None])[0]
    information = (slope / mean) @ slope.T
    information[np.diag_indices(n)] += model.precision + model.factor / np.maximum(best, 1e-9)
    free = ~model.fixed & (np.diag(information) > 0)
    scale = 1 / np.sqrt(np.diag(information)[free])
    inverse = np.linalg.pinv(information[np.ix_(free, free)] * np.outer(scale, scale))
    errors = np.zeros(n)
    errors[free] = scale * np.sqrt(np.diag(inverse))
    return errors
