"""The discovery of a signal in a workspace: strength, and significance by asymptotic formulae."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from ...core import Record
from .crossings import crossings
from .likelihood import Likelihood, likelihood
from .many_fits import ModelFits
from .profiled import background_fit, data_of, fit_data

__all__ = ["Discovery", "discovery"]

Array = NDArray[np.float64]
Workspace = dict[str, Any]


@dataclass(frozen=True)
class Discovery(Record):
    """The background-only hypothesis against a signal, asymptotically.

    Attributes
    ----------
    mu, mu_error : float
        Fitted strength (not negative), and the step up from it at which -2 ln L rises by one.
    q0 : float
        Test statistic; 0 where the fit has no signal.
    z : float
        One-sided significance √q0.
    p : float
        Its p-value.

    Examples
    --------
    >>> from overdensity.stats.workspaces.pieces import Channel, Sample, poisson_error, signal, workspace
    >>> background = Sample("background", (50.0,), (poisson_error("error", [5.0]),))
    >>> count = workspace([Channel("count", (80.0,), (signal([10.0]), background))])
    >>> found = discovery(count)
    >>> round(found.mu, 2), round(found.mu_error, 2)
    (3.0, 1.05)
    """

    mu: float
    mu_error: float
    q0: float
    z: float
    p: float


def discovery(workspace: Workspace | Likelihood) -> Discovery:
    r"""Return the asymptotic significance of the signal.

    :math:`q_0 = -2 \ln L(0)/L(\hat\mu)` for :math:`\hat\mu > 0`, :math:`z = \sqrt{q_0}`
    (arXiv:1007.1727, eqs. 12 and 53). For a count with few events, `local_p` is exact.

    Raises
    ------
    InputError
        If pyhf refuses the workspace.
    FitError
        If a fit does not converge.

    Examples
    --------
    >>> from overdensity.stats.workspaces.pieces import Channel, Sample, poisson_error, signal, workspace
    >>> background = Sample("background", (50.0,), (poisson_error("error", [5.0]),))
    >>> count = workspace([Channel("count", (80.0,), (signal([10.0]), background))])
    >>> round(discovery(count).z, 2)
    3.09
    """
    model = likelihood(workspace)
    background = background_fit(model)
    best = fit_data(model, *data_of(model), start=background)
    null = fit_data(model, *data_of(model), strength=0.0, start=background)
    mu = float(best.theta[0, model.poi])
    q0 = 2 * max(float(null.nll[0] - best.nll[0]), 0.0) if mu > 0 else 0.0
    z = float(np.sqrt(q0))
    return Discovery(mu, _strength_error(model, best), q0, z, float(special.ndtr(-z)))


def _strength_error(model: Likelihood, best: ModelFits) -> float:
    """Return the error of the fitted strength, from where -2 ln L rises by one above it."""
    theta, nll = best.theta[0], float(best.nll[0])

    def rise(mu: Array) -> Array:
        fit = fit_data(model, *data_of(model), strength=mu, start=theta)
        return 2 * (fit.nll - nll) - 1

    return float(crossings(lambda step: rise(theta[model.poi] + step), np.array([-1.0]), 1.0)[0])
