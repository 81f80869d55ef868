"""The upper limit of a single count, exact at any number of events."""

from __future__ import annotations

from bisect import bisect_left
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from ...core import FitError, InputError
from .crossings import crossings
from .likelihood import Likelihood, likelihood
from .profiled import (
    BANDS,
    NO_SIGNAL,
    UpperLimit,
    checked_alpha,
    limit_of,
    strength_guess,
    yields_of,
)
from .quasi_random import DRAWS, evenly

__all__ = ["background_draws", "counting_limit", "counting_p", "is_count"]

Array = NDArray[np.float64]
Workspace = dict[str, Any]


def counting_limit(workspace: Workspace | Likelihood, *, level: float = 0.95) -> UpperLimit:
    r"""Return the CLs limit of a single count from the sum over all smaller counts.

    .. math:: \mathrm{CL_s} = \frac{\langle P(N \le n \mid \mu s + b)\rangle}
        {\langle P(N \le n \mid b)\rangle}

    (Junk, hep-ex/9902006), where the mean runs over the nuisances: Gaussian where their constraint
    is, and Gamma of mean 1 where it is Poisson, so that :math:`b \pm \sigma` has that mean and
    error (Cousins and Highland 1992). The integral is a sum over 4096 quasi-random points; no
    count is thrown.

    Raises
    ------
    InputError
        If there are several bins, or a nuisance without constraint.

    Examples
    --------
    >>> from overdensity.stats.workspaces.pieces import Channel, Sample, poisson_error, signal, workspace
    >>> background = Sample("background", (50.0,), (poisson_error("error", [5.0]),))
    >>> count = workspace([Channel("count", (52.0,), (signal([10.0]), background))])
    >>> round(counting_limit(count).observed, 2)
    1.99
    """
    alpha = checked_alpha(level)
    model = likelihood(workspace)
    if not is_count(model):
        msg = (
            f"the workspace has {model.observed.size} bins or free nuisances; a counting limit "
            "needs one bin and constrained nuisances: use upper_limit"
        )
        raise InputError(msg)
    background, signal = (values[:, 0] for values in yields_of(model, _drawn(model)))
    counts = [round(float(model.observed[0])), *_quantile_counts(background)]
    without = [special.pdtr(n, background).mean() for n in counts]

    def function(mu: Array) -> Array:
        out = np.empty(mu.size)
        for k, (n, strength) in enumerate(zip(counts, mu, strict=True)):
            both = special.pdtr(n, background + strength * signal).mean()
            out[k] = np.log(alpha * without[k] / max(both, 1e-300))
        return out

    if not signal.mean() > 0:
        raise FitError(NO_SIGNAL)
    at_zero = np.full(len(counts), np.log(alpha))
    limits = crossings(function, at_zero, strength_guess(model, model.start))
    return limit_of(limits, level, "counting", float(background.mean()))


def counting_p(observed: ArrayLike, background: Array) -> Array:
    """Return the probability of at least so many events, averaged over possible backgrounds.

    Parameters
    ----------
    observed : array_like
        Counts.
    background : ndarray of shape (n,)
        Expected events at n equally probable values of the nuisances (`background_draws`).

    Examples
    --------
    >>> counting_p([0, 1, 3], np.array([1.0])).round(4).tolist()
    [1.0, 0.6321, 0.0803]
    """
    counts = np.asarray(observed, dtype=float)
    found = [
        special.gammainc(max(n, 1.0), background).mean() if n > 0 else 1.0 for n in counts.ravel()
    ]
    return np.reshape(found, counts.shape)


def background_draws(workspace: Workspace | Likelihood) -> Array:
    """Return the background in each bin at 4096 values of the nuisances, spread over their constraints.

    Returns
    -------
    ndarray of shape (4096, n_bins)
        One row where there are no nuisances.

    Raises
    ------
    InputError
        If pyhf refuses the workspace.

    Examples
    --------
    >>> from overdensity.stats.workspaces.pieces import Channel, Sample, poisson_error, signal, workspace
    >>> background = Sample("background", (50.0,), (poisson_error("error", [5.0]),))
    >>> count = workspace([Channel("count", (52.0,), (signal([10.0]), background))])
    >>> background_draws(count).mean().round(1), background_draws(count).std().round(1)
    (np.float64(50.0), np.float64(5.0))
    """
    model = likelihood(workspace)
    return yields_of(model, _drawn(model))[0]


def is_count(model: Likelihood) -> bool:
    """Return whether the model is a single bin with constrained nuisances.

    Examples
    --------
    >>> from overdensity.stats.limits.likelihood import likelihood
    >>> from overdensity.stats.workspaces.pieces import Channel, Sample, poisson_error, signal, workspace
    >>> background = Sample("background", (50.0,), (poisson_error("error", [5.0]),))
    >>> count = workspace([Channel("count", (52.0,), (signal([10.0]), background))])
    >>> model = likelihood(count)
    >>> is_count(model)
    True
    """
    constrained = model.fixed | (model.precision > 0) | (model.factor > 0)
    constrained[model.poi] = True
    return model.observed.size == 1 and bool(constrained.all())


def _drawn(model: Likelihood) -> Array:
    """Return nuisances spread over their constraints, shape (4096, n_parameters)."""
    theta = np.tile(model.start, (DRAWS, 1))
    normal, poisson = np.flatnonzero(model.precision), np.flatnonzero(model.factor)
    if normal.size + poisson.size == 0:
        return theta[:1]
    uniform = evenly(normal.size + poisson.size)
    width = 1 / np.sqrt(model.precision[normal])
    shifts = special.ndtri(uniform[:, : normal.size])
    theta[:, normal] = np.clip(
        model.auxiliary[normal] + width * shifts, model.low[normal], model.high[normal]
    )
    shape = model.auxiliary[poisson]
    theta[:, poisson] = (
        special.gammaincinv(shape, uniform[:, normal.size :]) / model.factor[poisson]
    )
    return theta


def _quantile_counts(background: Array) -> list[int]:
    """Return the counts at the quantiles of the bands, from background alone."""
    most = int(background.max() + 10 * np.sqrt(background.max()) + 50)
    return [
        bisect_left(range(most), quantile, key=lambda n: float(special.pdtr(n, background).mean()))
        for quantile in special.ndtr(BANDS)
    ]
