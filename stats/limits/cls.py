r"""Upper limits by CLs of pyhf workspaces.

A strength :math:`\mu` is excluded at 95 % where
:math:`\mathrm{CL_s} = \mathrm{CL_{s+b}} / \mathrm{CL_b} < 0.05` (Read, CERN-OPEN-2000-205). How the
two probabilities are found follows one rule:

- a single bin whose nuisances are all constrained: from the distribution of the count, averaged
  over the constraints (`overdensity.stats.limits.counting`), exact at any number of events;
- several bins with at least 5 effective background events (`effective_background`): asymptotic
  formulae (`asymptotic_limit`);
- several bins with fewer: pseudo-experiments with refits (`toy_limit`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from .counting import counting_limit, is_count
from .crossings import crossings, noisy_crossings
from .likelihood import Likelihood, likelihood
from .many_fits import ModelFits
from .profiled import (
    BANDS,
    UpperLimit,
    background_fit,
    checked_alpha,
    data_of,
    effective_events,
    fit_data,
    limit_of,
    strength_guess,
)

__all__ = ["asymptotic_limit", "effective_background", "toy_limit", "upper_limit"]

Array = NDArray[np.float64]
Workspace = dict[str, Any]

FEW_EVENTS = 5.0
"""Effective background events below which asymptotic formulae are not used."""

_SAME = 1e-6  # test statistics closer than this are the same count


def upper_limit(workspace: Workspace, *, level: float = 0.95, seed: int = 0) -> UpperLimit:
    """Return the CLs upper limit on the signal strength, by the rule above.

    Parameters
    ----------
    workspace : dict
        A pyhf workspace.
    level : float
        Confidence level.
    seed : int
        Seed, where pseudo-experiments are thrown.

    Returns
    -------
    UpperLimit

    Raises
    ------
    InputError
        If pyhf refuses the workspace, or the level is not between 0 and 1.
    FitError
        If no strength is excluded, or a fit does not converge.

    Examples
    --------
    >>> from overdensity.stats.workspaces.pieces import Channel, Sample, poisson_error, signal, workspace
    >>> background = Sample("background", (50.0,), (poisson_error("error", [5.0]),))
    >>> count = workspace([Channel("count", (52.0,), (signal([10.0]), background))])
    >>> limit = upper_limit(count)
    >>> limit.method, round(limit.observed, 2)
    ('counting', 1.99)
    """
    model = likelihood(workspace)
    if is_count(model):
        return counting_limit(model, level=level)
    if effective_background(model) >= FEW_EVENTS:
        return asymptotic_limit(model, level=level)
    return toy_limit(model, level=level, seed=seed)


def effective_background(workspace: Workspace | Likelihood) -> float:
    r"""Return the number of background events that a signal competes with.

    For signal s and background b in the bins, as fitted without signal,

    .. math:: b_\mathrm{eff} = \frac{(\sum_i s_i)^2}{\sum_i s_i^2 / b_i},

    the effective number of events weighted by s/b: b for a single bin, and small where the bins
    that matter are nearly empty.

    Examples
    --------
    >>> from overdensity.stats.workspaces.pieces import Channel, Sample, poisson_error, signal, workspace
    >>> background = Sample("background", (50.0,), (poisson_error("error", [5.0]),))
    >>> count = workspace([Channel("count", (52.0,), (signal([10.0]), background))])
    >>> round(effective_background(count), 1)
    50.7
    """
    model = likelihood(workspace)
    return effective_events(model, background_fit(model))


def asymptotic_limit(workspace: Workspace | Likelihood, *, level: float = 0.95) -> UpperLimit:
    r"""Return the CLs limit from the asymptotic distribution of :math:`\tilde q_\mu`.

    Cowan, Cranmer, Gross and Vitells, arXiv:1007.1727, eqs. 62 to 66 and 87 to 89, with the Asimov
    dataset at the nuisances fitted to the data without signal; the same as ``pyhf``'s, with fewer
    fits: with :math:`\sigma_A(\mu) = \sqrt{\tilde q_{\mu,A}}`, the limit at the quantile N is where

    .. math:: \sigma_A(\mu) = N - \Phi^{-1}(\alpha\,\Phi(N)).

    Examples
    --------
    >>> from overdensity.stats.workspaces.pieces import Channel, Sample, poisson_error, signal, workspace
    >>> background = Sample("background", (60.0, 40.0), (poisson_error("error", [6.0, 5.0]),))
    >>> bins = workspace([Channel("bins", (61.0, 45.0), (signal([2.0, 10.0]), background))])
    >>> limit = asymptotic_limit(bins)
    >>> round(limit.observed, 2), round(limit.expected[2], 2)
    (2.03, 1.65)
    """
    alpha = checked_alpha(level)
    model = likelihood(workspace)
    background = background_fit(model)
    best = fit_data(model, *data_of(model), start=background)
    asimov = model.asimov(background)
    targets = BANDS - special.ndtri(alpha * special.ndtr(BANDS))

    def function(mu: Array) -> Array:
        copies = tuple(np.repeat(values, mu.size, axis=0) for values in asimov)
        # The Asimov data fit themselves exactly: nothing is left to subtract.
        sigma = np.sqrt(2 * fit_data(model, *copies, strength=mu, start=background).nll)
        q = _q(model, best, fit_data(model, *data_of(model), strength=mu[:1], start=best.theta[0]))
        log_cls = _log_cls(np.sqrt(q[0]), sigma[0])
        return np.append(np.log(alpha) - log_cls, sigma[1:] - targets)

    at_zero = np.append(np.log(alpha), -targets)
    limits = crossings(function, at_zero, strength_guess(model, background))
    return limit_of(limits, level, "asymptotic", effective_events(model, background))


def toy_limit(
    workspace: Workspace | Likelihood, *, level: float = 0.95, n: int = 10_000, seed: int = 0
) -> UpperLimit:
    r"""Return the CLs limit from pseudo-experiments of :math:`\tilde q_\mu`, each refitted.

    For a strength, n datasets are thrown with it and n without, at the nuisances fitted to the data
    with that strength fixed, auxiliary measurements included (ATL-PHYS-PUB-2011-11, §2.1). The
    strength where CLs crosses is found among 10 or more by interpolation of ln CLs. With the
    default n, observed limit and median are known to some 2 %; the -2 σ band depends on ten
    pseudo-experiments, and is known to some 10 %.

    Parameters
    ----------
    workspace : dict or Likelihood
        A pyhf workspace.
    level : float
        Confidence level.
    n : int
        Pseudo-experiments of each hypothesis.
    seed : int
        Seed.

    Examples
    --------
    >>> from overdensity.stats.workspaces.pieces import Channel, Sample, poisson_error, signal, workspace
    >>> background = Sample("background", (60.0, 40.0), (poisson_error("error", [6.0, 5.0]),))
    >>> bins = workspace([Channel("bins", (61.0, 45.0), (signal([2.0, 10.0]), background))])
    >>> limit = toy_limit(bins, n=1000)
    >>> limit.method, 1 < limit.observed < 3
    ('toys', True)
    """
    alpha = checked_alpha(level)
    model = likelihood(workspace)
    background = background_fit(model)
    data = data_of(model)
    best = fit_data(model, *data, start=background)
    without = model.throw(background, n, _rng(seed, 0))
    best_without = fit_data(model, *without, start=background)

    def log_cls(mu: float) -> Array:
        """Return ln CLs of the data and of the bands."""
        conditional = fit_data(model, *data, strength=mu, start=best.theta[0])
        nuisances = conditional.theta[0]
        thrown = model.throw(nuisances, n, _rng(seed, 1))
        q_with = _q(
            model,
            fit_data(model, *thrown, start=nuisances),
            fit_data(model, *thrown, strength=mu, start=nuisances),
        )
        q_without = _q(
            model, best_without, fit_data(model, *without, strength=mu, start=background)
        )
        quantiles = np.quantile(q_without, special.ndtr(-BANDS), method="inverted_cdf")
        tested = np.append(_q(model, best, conditional), quantiles)[:, None] - _SAME
        with_signal = np.maximum((q_with >= tested).sum(axis=1), 0.5)
        return np.log(with_signal / (q_without >= tested).sum(axis=1).clip(1))

    limits = noisy_crossings(log_cls, np.log(alpha), strength_guess(model, background))
    return limit_of(limits, level, "toys", effective_events(model, background))


def _rng(seed: int, key: int) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(key,)))


def _q(model: Likelihood, best: ModelFits, conditional: ModelFits) -> Array:
    r"""Return :math:`\tilde q_\mu`: zero where the fitted strength is above the tested one."""
    above = best.theta[:, model.poi] > conditional.theta[:, model.poi]
    return np.where(above, 0.0, 2 * np.maximum(conditional.nll - best.nll, 0.0))


def _log_cls(root_q: float, sigma: float) -> float:
    """Return ln CLs for √q of the data and of the Asimov data (arXiv:1007.1727, eqs. 65 and 66)."""
    beyond = root_q > sigma
    t = (root_q**2 - sigma**2) / (2 * sigma) if beyond else root_q - sigma
    return float(special.log_ndtr(-t - sigma) - special.log_ndtr(-t))
