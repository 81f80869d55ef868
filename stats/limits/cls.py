r"""Upper limits by CLs, and discovery significances, of pyhf workspaces.

A strength :math:`\mu` is excluded at 95 % where
:math:`\mathrm{CL_s} = \mathrm{CL_{s+b}} / \mathrm{CL_b} < 0.05` (Read, CERN-OPEN-2000-205). How the
two probabilities are found follows one rule:

- a single bin whose nuisances are all constrained: from the distribution of the count, averaged
  over the constraints (`counting_limit`), exact at any number of events;
- several bins with at least 5 effective background events (`effective_background`): asymptotic
  formulae (`asymptotic_limit`);
- several bins with fewer: pseudo-experiments with refits (`toy_limit`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special
from scipy.stats import qmc

from ...core import FitError, InputError, Record
from .likelihood import Likelihood, ModelFits, fit_many, likelihood

__all__ = [
    "Discovery",
    "UpperLimit",
    "asymptotic_limit",
    "counting_limit",
    "discovery",
    "effective_background",
    "toy_limit",
    "upper_limit",
]

Array = NDArray[np.float64]
Workspace = dict[str, Any]

FEW_EVENTS = 5.0
"""Effective background events below which asymptotic formulae are not used."""

_BANDS = np.array([-2.0, -1.0, 0.0, 1.0, 2.0])
_DRAWS = 2**12
_PRECISION = 1e-5  # of a limit, relative
_DOUBLINGS = 30
_STEPS = 100
_SAME = 1e-6  # test statistics closer than this are the same count


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
    """

    observed: float
    expected: tuple[float, float, float, float, float]
    level: float
    method: str
    background: float


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
    """

    mu: float
    mu_error: float
    q0: float
    z: float
    p: float


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
    """
    model = likelihood(workspace)
    if _is_count(model):
        return counting_limit(workspace, level=level)
    if effective_background(workspace) >= FEW_EVENTS:
        return asymptotic_limit(workspace, level=level)
    return toy_limit(workspace, level=level, seed=seed)


def effective_background(workspace: Workspace) -> float:
    r"""Return the number of background events that a signal competes with.

    For signal s and background b in the bins, as fitted without signal,

    .. math:: b_\mathrm{eff} = \frac{(\sum_i s_i)^2}{\sum_i s_i^2 / b_i},

    the effective number of events weighted by s/b: b for a single bin, and small where the bins
    that matter are nearly empty.
    """
    model = likelihood(workspace)
    return _effective_background(model, _background_fit(model))


def asymptotic_limit(workspace: Workspace, *, level: float = 0.95) -> UpperLimit:
    r"""Return the CLs limit from the asymptotic distribution of :math:`\tilde q_\mu`.

    Cowan, Cranmer, Gross and Vitells, arXiv:1007.1727, eqs. 62 to 66 and 87 to 89, with the Asimov
    dataset at the nuisances fitted to the data without signal; the same as ``pyhf``'s, with fewer
    fits: with :math:`\sigma_A(\mu) = \sqrt{\tilde q_{\mu,A}}`, the limit at the quantile N is where

    .. math:: \sigma_A(\mu) = N - \Phi^{-1}(\alpha\,\Phi(N)).
    """
    alpha = _alpha(level)
    model = likelihood(workspace)
    background = _background_fit(model)
    best = _fit(model, *_data(model), start=background)
    asimov = model.asimov(background)
    targets = _BANDS - special.ndtri(alpha * special.ndtr(_BANDS))

    def function(mu: Array) -> Array:
        copies = tuple(np.repeat(values, mu.size, axis=0) for values in asimov)
        # The Asimov data fit themselves exactly: nothing is left to subtract.
        sigma = np.sqrt(2 * _fit(model, *copies, strength=mu, start=background).nll)
        q = _q(model, best, _fit(model, *_data(model), strength=mu[:1], start=best.theta[0]))
        log_cls = _log_cls(np.sqrt(q[0]), sigma[0])
        return np.append(np.log(alpha) - log_cls, sigma[1:] - targets)

    at_zero = np.append(np.log(alpha), -targets)
    limits = _roots(function, at_zero, _guess(model, background))
    return _limit(limits, level, "asymptotic", _effective_background(model, background))


def counting_limit(workspace: Workspace, *, level: float = 0.95) -> UpperLimit:
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
    """
    alpha = _alpha(level)
    model = likelihood(workspace)
    if not _is_count(model):
        msg = (
            f"the workspace has {model.observed.size} bins or free nuisances; a counting limit "
            "needs one bin and constrained nuisances: use upper_limit"
        )
        raise InputError(msg)
    background, signal = (values[:, 0] for values in _yields(model, _drawn(model)))
    counts = [round(float(model.observed[0])), *_quantile_counts(background)]

    def function(mu: Array) -> Array:
        out = np.empty(mu.size)
        for k, (n, strength) in enumerate(zip(counts, mu, strict=True)):
            both = special.pdtr(n, background + strength * signal).mean()
            out[k] = np.log(alpha * special.pdtr(n, background).mean() / max(both, 1e-300))
        return out

    if not signal.mean() > 0:
        raise FitError(_NO_SIGNAL)
    at_zero = np.full(len(counts), np.log(alpha))
    limits = _roots(function, at_zero, _guess(model, model.start))
    return _limit(limits, level, "counting", float(background.mean()))


def toy_limit(
    workspace: Workspace, *, level: float = 0.95, n: int = 10_000, seed: int = 0
) -> UpperLimit:
    r"""Return the CLs limit from pseudo-experiments of :math:`\tilde q_\mu`, each refitted.

    For a strength, n datasets are thrown with it and n without, at the nuisances fitted to the data
    with that strength fixed, auxiliary measurements included (ATL-PHYS-PUB-2011-11, §2.1). The
    strength where CLs crosses is found among 10 or more by interpolation of ln CLs. With the
    default n, observed limit and median are known to some 2 %; the -2 σ band hangs on ten
    pseudo-experiments, and is known to some 10 %.

    Parameters
    ----------
    workspace : dict
        A pyhf workspace.
    level : float
        Confidence level.
    n : int
        Pseudo-experiments of each hypothesis.
    seed : int
        Seed.
    """
    alpha = _alpha(level)
    model = likelihood(workspace)
    background = _background_fit(model)
    data = _data(model)
    best = _fit(model, *data, start=background)
    without = model.throw(background, n, _rng(seed, 0))
    best_without = _fit(model, *without, start=background)

    def log_cls(mu: float) -> Array:
        """Return ln CLs of the data and of the bands."""
        conditional = _fit(model, *data, strength=mu, start=best.theta[0])
        nuisances = conditional.theta[0]
        thrown = model.throw(nuisances, n, _rng(seed, 1))
        q_with = _q(
            model,
            _fit(model, *thrown, start=nuisances),
            _fit(model, *thrown, strength=mu, start=nuisances),
        )
        q_without = _q(model, best_without, _fit(model, *without, strength=mu, start=background))
        quantiles = np.quantile(q_without, special.ndtr(-_BANDS), method="inverted_cdf")
        tested = np.append(_q(model, best, conditional), quantiles)[:, None] - _SAME
        with_signal = np.maximum((q_with >= tested).sum(axis=1), 0.5)
        return np.log(with_signal / (q_without >= tested).sum(axis=1).clip(1))

    limits = _scan(log_cls, np.log(alpha), _guess(model, background))
    return _limit(limits, level, "toys", _effective_background(model, background))


def discovery(workspace: Workspace) -> Discovery:
    r"""Return the asymptotic significance of the signal.

    :math:`q_0 = -2 \ln L(0)/L(\hat\mu)` for :math:`\hat\mu > 0`, :math:`z = \sqrt{q_0}`
    (arXiv:1007.1727, eqs. 12 and 53). For a count with few events, `local_p` is exact.

    Raises
    ------
    InputError
        If pyhf refuses the workspace.
    FitError
        If a fit does not converge.
    """
    model = likelihood(workspace)
    background = _background_fit(model)
    best = _fit(model, *_data(model), start=background)
    null = _fit(model, *_data(model), strength=0.0, start=background)
    mu = float(best.theta[0, model.poi])
    q0 = 2 * max(float(null.nll[0] - best.nll[0]), 0.0) if mu > 0 else 0.0
    z = float(np.sqrt(q0))
    return Discovery(mu, _strength_error(model, best), q0, z, float(special.ndtr(-z)))


_NO_SIGNAL = "the model has no signal in any bin, so no strength can be excluded"


def _alpha(level: float) -> float:
    if not 0 < level < 1:
        msg = f"the confidence level is {level:g}; it must be between 0 and 1, e.g. 0.95"
        raise InputError(msg)
    return 1 - level


def _is_count(model: Likelihood) -> bool:
    """Return whether the model is a single bin with constrained nuisances."""
    constrained = model.fixed | (model.precision > 0) | (model.factor > 0)
    constrained[model.poi] = True
    return model.observed.size == 1 and bool(constrained.all())


def _data(model: Likelihood) -> tuple[Array, Array]:
    return model.observed[None], model.auxiliary[None]


def _rng(seed: int, key: int) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(key,)))


def _fit(
    model: Likelihood,
    observed: Array,
    auxiliary: Array,
    *,
    start: Array,
    strength: Array | float | None = None,
) -> ModelFits:
    """Fit every dataset from one starting point, or from pyhf's where that fails."""
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


def _background_fit(model: Likelihood) -> Array:
    """Return the parameters fitted to the data without signal."""
    return _fit(model, *_data(model), strength=0.0, start=model.start).theta[0]


def _q(model: Likelihood, best: ModelFits, conditional: ModelFits) -> Array:
    r"""Return :math:`\tilde q_\mu`: zero where the fitted strength is above the tested one."""
    above = best.theta[:, model.poi] > conditional.theta[:, model.poi]
    return np.where(above, 0.0, 2 * np.maximum(conditional.nll - best.nll, 0.0))


def _log_cls(root_q: float, sigma: float) -> float:
    """Return ln CLs for √q of the data and of the Asimov data (arXiv:1007.1727, eqs. 65 and 66)."""
    beyond = root_q > sigma
    t = (root_q**2 - sigma**2) / (2 * sigma) if beyond else root_q - sigma
    return float(special.log_ndtr(-t - sigma) - special.log_ndtr(-t))


def _yields(model: Likelihood, theta: Array) -> tuple[Array, Array]:
    """Return background and unit signal in every bin, shape (n, n_bins)."""
    without, unit = theta.copy(), theta.copy()
    without[:, model.poi], unit[:, model.poi] = 0.0, 1.0
    background = model.expected(without)
    return background, np.maximum(model.expected(unit) - background, 0.0)


def _effective_background(model: Likelihood, background: Array) -> float:
    b, s = _yields(model, background[None])
    if not s.any():
        raise FitError(_NO_SIGNAL)
    return float(s.sum() ** 2 / (s**2 / b).sum())


def _guess(model: Likelihood, background: Array) -> float:
    """Return a strength near the limit: two standard deviations, or three events."""
    b, s = _yields(model, background[None])
    if not s.any():
        raise FitError(_NO_SIGNAL)
    return float(2 / np.sqrt((s**2 / b).sum()) + 3 / s.sum())


def _drawn(model: Likelihood) -> Array:
    """Return nuisances spread over their constraints, shape (4096, n_parameters)."""
    theta = np.tile(model.start, (_DRAWS, 1))
    normal, poisson = np.flatnonzero(model.precision), np.flatnonzero(model.factor)
    if normal.size + poisson.size == 0:
        return theta[:1]
    uniform = qmc.Sobol(normal.size + poisson.size, rng=0).random(_DRAWS)
    # The middle of each stratum instead of a random place: smooth, and never 0 or 1.
    uniform = (np.argsort(np.argsort(uniform, axis=0), axis=0) + 0.5) / _DRAWS
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
    counts = []
    for quantile in special.ndtr(_BANDS):
        low, high = -1, int(background.max() + 10 * np.sqrt(background.max()) + 50)
        while high - low > 1:
            middle = (low + high) // 2
            if special.pdtr(middle, background).mean() >= quantile:
                high = middle
            else:
                low = middle
        counts.append(high)
    return counts


def _roots(function: Callable[[Array], Array], at_zero: Array, guess: float) -> Array:
    """Return where each component of an increasing function crosses zero (Illinois method).

    ``function`` takes one strength a component, and is negative at zero.
    """
    low, f_low = np.zeros(at_zero.size), at_zero.copy()
    high = np.full(at_zero.size, guess)
    f_high = function(high)
    for _ in range(_DOUBLINGS):
        short = f_high < 0
        if not short.any():
            break
        low, f_low = np.where(short, high, low), np.where(short, f_high, f_low)
        high = np.where(short, 2 * high, high)
        f_high = function(high)
    else:
        msg = (
            f"no strength up to {high.max():.3g} is excluded: nuisance parameters absorb the signal; "
            "constrain them, or leave out those that act as the signal does"
        )
        raise FitError(msg)
    side = np.zeros(at_zero.size)
    for _ in range(_STEPS):
        if np.all(high - low <= _PRECISION * high):
            break
        middle = (low * f_high - high * f_low) / (f_high - f_low)
        # Regula falsi may creep along one end; keep away from both by a part of the precision.
        edge = _PRECISION * high / 4
        middle = np.clip(middle, low + edge, high - edge)
        value = function(middle)
        below = value < 0
        f_high = np.where(below & (side < 0), f_high / 2, f_high)
        f_low = np.where(~below & (side > 0), f_low / 2, f_low)
        low, f_low = np.where(below, middle, low), np.where(below, value, f_low)
        high, f_high = np.where(below, high, middle), np.where(below, f_high, value)
        side = np.where(below, -1.0, 1.0)
    return (low + high) / 2


def _scan(log_cls: Callable[[float], Array], log_alpha: float, guess: float) -> Array:
    """Return where each component of ln CLs falls below that of the level, by interpolation."""
    strengths = list(np.geomspace(guess / 4, guess * 2, 10))
    values = [log_cls(mu) for mu in strengths]
    for _ in range(_DOUBLINGS):
        if (values[-1] < log_alpha).all():
            break
        strengths.append(1.3 * strengths[-1])
        values.append(log_cls(strengths[-1]))
    else:
        msg = f"no strength up to {strengths[-1]:.3g} is excluded: nuisances absorb the signal"
        raise FitError(msg)
    mu = np.concatenate([[0.0], strengths])
    table = np.concatenate([np.zeros((1, len(values[0]))), np.array(values)])
    limits = np.empty(table.shape[1])
    for k, column in enumerate(table.T):
        last = int(np.flatnonzero(column >= log_alpha)[-1])  # noise may cross more than once
        rise = (log_alpha - column[last]) / (column[last + 1] - column[last])
        limits[k] = mu[last] + rise * (mu[last + 1] - mu[last])
    return limits


def _strength_error(model: Likelihood, best: ModelFits) -> float:
    """Return the error of the fitted strength, from where -2 ln L rises by one above it."""
    theta, nll = best.theta[0], float(best.nll[0])

    def rise(mu: Array) -> Array:
        fit = _fit(model, *_data(model), strength=mu, start=theta)
        return 2 * (fit.nll - nll) - 1

    return float(_roots(lambda step: rise(theta[model.poi] + step), np.array([-1.0]), 1.0)[0])


def _limit(limits: Array, level: float, method: str, background: float) -> UpperLimit:
    observed, *expected = (float(limit) for limit in limits)
    bands = (expected[0], expected[1], expected[2], expected[3], expected[4])
    return UpperLimit(observed, bands, level, method, background)
