r"""Limits and reach of a search whose training sees the signal, from injections of known strength.

The efficiency of a selection that is trained on the data depends on how much signal the data hold
(LHCO 2020, arXiv:2101.08320, §7.1 and Fig. 53). It is measured with the search repeated on injected
signal, and differs from one repetition to the next. A strength S, in events before any selection,
is excluded where

.. math:: \mathrm{CL_s}(S) = \frac{\langle P(N \le n \mid b + y)\rangle_{y \mid S}}
    {P(N \le n \mid b)} < 1 - \mathrm{level},

and at all larger strengths too. The selected signal y that one more search would have is predicted
from the yields :math:`y_r = \epsilon_r(S)\,S` of the R repetitions: with
:math:`u_r = \ln(y_r + 1/2)`, mean :math:`\bar u` and standard deviation s,

.. math:: \ln(y + \tfrac12) = \bar u + t_\nu\sqrt{s^2\left(1 + \tfrac1R\right) + v},\qquad
    v = \frac{2\max(\gamma, 0)}{S},\quad \gamma = \frac{d\ln\epsilon}{d\ln S},

Student's t standing for the few repetitions (Geisser, Predictive Inference, 1993, §2.2), with the
degrees of freedom of Welch and Satterthwaite, :math:`\nu = (R - 1)(s^2(1 + 1/R) + v)^2 /
(s^2(1 + 1/R))^2`. The term v is what a Poisson count of mean :math:`\epsilon S` leaves out: data
with fewer signal events than expected train a worse selection, too, and lose twice. To it is added
the square of the relative error that all :math:`\epsilon_r` share, as they are measured with the same
simulated events.

Nuisances of the signal are averaged over with y, as in the limit of a count
(`overdensity.stats.limits.counting`). Where the data hold :math:`f` times the signal (luminosity,
position, width, energy scale), y is that of the strength :math:`f S`, for the training sees no more;
a factor on the events selected (the tagger) multiplies y alone.

The injections must go into events without this signal. In data that hold :math:`S_0` of it the
training sees :math:`S_0 + S`, the efficiency comes out as that of a larger strength, and the limit
excludes the truth too often.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special
from scipy.optimize import brentq

from ...core import InputError, Record
from .signal_factors import DrawnFactors, SignalFactor

__all__ = ["QUANTILES", "InjectedLimit", "injected_limit", "reach"]

QUANTILES = (0.0228, 0.1587, 0.5, 0.8413, 0.9772)  # of -2, -1, 0, 1, 2 σ

Array = NDArray[np.float64]

_BANDS = (-2.0, -1.0, 0.0, 1.0, 2.0)
_STEPS = 8  # between two injected strengths
_SCORES = np.linspace(-4.5, 4.5, 46)  # normal scores of the yields of one more training
_WEIGHTS = np.exp(-(_SCORES**2) / 2) / np.exp(-(_SCORES**2) / 2).sum()
_HALF = 0.5  # yields far below it are the same to a count
_NORMAL = 200  # degrees of freedom from which on Student's t is as good as normal
_TERMS = 512  # of a sum over signal counts
_FAR = 9.0  # standard deviations of a Poisson count
_LARGEST = 1e9  # events in a count


@dataclass(frozen=True)
class InjectedLimit(Record):
    """A CLs upper limit on the number of signal events before any selection.

    Attributes
    ----------
    observed : float or None
        From the data; None where the largest injected strength is not excluded.
    expected : tuple of float or None
        At quantiles of the background-only count, by default those of -2, -1, 0, 1, 2 σ.
    level : float
        Confidence level.
    """

    observed: float | None
    expected: tuple[float | None, ...]
    level: float


def injected_limit(
    observed: float,
    expected: float,
    error: float,
    *,
    strengths: ArrayLike,
    efficiencies: Sequence[ArrayLike],
    level: float = 0.95,
    bands: Sequence[float] = _BANDS,
    nuisances: Sequence[SignalFactor] = (),
    errors: ArrayLike | None = None,
) -> InjectedLimit:
    r"""Return the CLs limit on the strength of a signal that the selection was trained with.

    Between two strengths the efficiencies are interpolated linearly, rank by rank.

    Parameters
    ----------
    observed : float
        Events in the signal region.
    expected, error : float
        Background there :math:`b \pm \sigma`.
    strengths : array_like of shape (n_strengths,)
        Injected events before selection, increasing; the first is 0, the training without signal.
    efficiencies : sequence of n_strengths arrays
        Fraction of the signal events that ends up selected in the signal region, for each
        repetition; their number may differ from one strength to the next.
    level : float
        Confidence level.
    bands : sequence of float
        In σ, where the expected limit is wanted.
    nuisances : sequence of SignalFactor
        Uncertainties of the signal, over which the yields are averaged.
    errors : array_like of shape (n_strengths,), optional
        Relative error of the efficiencies at each strength that all repetitions have in common, from
        the number of simulated events that they are measured with. It adds to the variance.

    Returns
    -------
    InjectedLimit

    Raises
    ------
    InputError
        If the strengths do not increase from 0, one of them has fewer than two repetitions, or a
        number is negative or not finite.

    Examples
    --------
    >>> limit = injected_limit(
    ...     0, 0.0, 0.0, strengths=[0, 100], efficiencies=[[0.1, 0.1], [0.1, 0.1]]
    ... )
    >>> round(limit.observed, 2)  # -ln(0.05) / 0.1
    29.96
    """
    if not 0 < level < 1:
        msg = f"the confidence level must be between 0 and 1, got {level:g}"
        raise InputError(msg)
    _check_background(observed, expected, error)
    at, eps = _checked(strengths, efficiencies)
    common = np.zeros(at.size) if errors is None else np.asarray(errors, dtype=float)
    if common.shape != at.shape or not np.all(np.isfinite(common) & (common >= 0)):
        msg = f"errors are {at.size} numbers, finite and not negative, got {common.tolist()}"
        raise InputError(msg)
    training = _Training(at, eps, common, nuisances)
    counts = (observed, *(_quantile(special.ndtr(q), expected, error) for q in bands))
    limits = [_limit(_Count(n, expected, error), training, 1 - level) for n in counts]
    return InjectedLimit(limits[0], tuple(limits[1:]), level)


class _Count:
    r"""A count of events over a background that is known with an error.

    The background's mean has a Gamma distribution of mean b and standard deviation σ (Cousins and
    Highland, Nucl. Instrum. Meth. A320 (1992) 331), so that its count is negative binomial; the
    signal's is Poisson:

    .. math:: P(N \le n \mid b + s) = \sum_{k=0}^{n} \frac{s^k e^{-s}}{k!}\,
        I_{\tau/(1+\tau)}\!\left(\frac{b^2}{\sigma^2},\ n - k + 1\right),\quad \tau = b / \sigma^2.
    """

    def __init__(self, observed: float, expected: float, error: float) -> None:
        n = int(observed)
        k = np.arange(n + 1.0)
        self.log_factorial = special.gammaln(k + 1)
        self.background = _background_cdf(n - k, expected, error)

    def probability(self, signal: Array) -> Array:
        """Return P(N ≤ n | b + s); signal counts farther than _FAR σ from s are left out."""
        s = signal[..., None]
        most = float(signal.max(initial=0.0))
        width = min(self.background.size, int(2 * _FAR * (np.sqrt(most) + _FAR)))
        first = np.clip(np.floor(s - width / 2), 0, self.background.size - width).astype(np.int64)
        stride = 1 + width // _TERMS  # a wide distribution is smooth from one count to the next
        k = first + np.arange(width - 1, -1, -stride)
        log_terms = special.xlogy(k, s) - s - self.log_factorial[k]
        return np.minimum(stride * (np.exp(log_terms) * self.background[k]).sum(axis=-1), 1.0)


class _Training:
    """Selected signal events against the strength, as one more training would have them."""

    def __init__(
        self,
        strengths: Array,
        efficiencies: list[Array],
        errors: Array,
        nuisances: Sequence[SignalFactor],
    ) -> None:
        ranks = max(map(len, efficiencies))
        at = (np.arange(ranks) + 0.5) / ranks
        self.strengths, self.errors = strengths, errors
        self.ranked = np.stack([np.quantile(e, at, method="inverted_cdf") for e in efficiencies])
        self.repeats = min(map(len, efficiencies))
        self.drawn = DrawnFactors.of(nuisances) if nuisances else None

    def yields(self, strength: float) -> Array:
        """Return possible numbers of selected signal events, with the probabilities _WEIGHTS."""
        mean, variance, freedom = self._logarithm(np.array([strength]))
        student, drawn = _student(int(freedom[0])), self.drawn
        if drawn is None:
            return _events(mean + np.sqrt(variance) * student, np.array([strength]))
        there = strength * np.exp(drawn.trained)
        mean, variance, _ = self._logarithm(there)
        u = mean + np.sqrt(variance) * np.interp(drawn.score, _SCORES, student)
        return np.quantile(np.exp(drawn.selected) * _events(u, there), special.ndtr(_SCORES))

    def _logarithm(self, strengths: Array) -> tuple[Array, Array, Array]:
        """Return mean and variance of ln(y + 1/2), and the degrees of freedom of its spread.

        Beyond the largest injected strength, efficiencies stay as they are there.
        """
        inside = np.minimum(strengths, self.strengths[-1])
        upper = np.clip(np.searchsorted(self.strengths, inside), 1, len(self.ranked) - 1)
        low, high = self.strengths[upper - 1], self.strengths[upper]
        part = ((inside - low) / (high - low))[:, None]
        below, above = self.ranked[upper - 1], self.ranked[upper]
        found = (1 - part) * below + part * above
        rise = (above.mean(axis=1) - below.mean(axis=1)) / (high - low)
        slope = np.maximum(rise * inside / np.maximum(found.mean(axis=1), 1e-300), 0.0)
        y = strengths[:, None] * found
        u = np.log(y + _HALF)
        spread = u.var(axis=1, ddof=1) * (1 + 1 / self.repeats)
        common = np.interp(inside, self.strengths, self.errors) * (y / (y + _HALF)).mean(axis=1)
        together = spread + 2 * slope / np.maximum(strengths, 1.0) + common**2
        share = np.maximum(spread, together / _NORMAL) / np.maximum(together, 1e-300)
        nu = (self.repeats - 1) / np.maximum(share, 1 / _NORMAL) ** 2
        return u.mean(axis=1), together, np.minimum(nu, _NORMAL)


def _events(u: Array, strength: Array) -> Array:
    """Return the events y of u = ln(y + 1/2), at most all there are."""
    return np.maximum(np.exp(np.minimum(u, np.log(strength + _HALF))) - _HALF, 0.0)


@lru_cache(maxsize=256)
def _student(freedom: int) -> Array:
    """Return the values of Student's t at the normal scores _SCORES."""
    return special.stdtrit(freedom, special.ndtr(_SCORES))


def reach(strengths: ArrayLike, z: Sequence[ArrayLike], target: float) -> float | None:
    """Return the strength from which on the median significance stays above a target.

    Parameters
    ----------
    strengths : array_like of shape (n_strengths,)
        Injected events, increasing.
    z : sequence of n_strengths arrays
        Significances of the repetitions at each strength.
    target : float
        Such as 3 or 5.

    Returns
    -------
    float or None
        Interpolated linearly; None where the largest strength does not suffice.
    """
    at = np.asarray(strengths, dtype=float)
    medians = np.array([np.median(np.asarray(values, dtype=float)) for values in z])
    median = _lowered(medians[:, None])[:, 0]
    above = np.flatnonzero(median >= target)
    if not above.size:
        return None
    first = int(above[0])
    if first == 0:
        return float(at[0])
    low, high = median[first - 1], median[first]
    fraction = (target - low) / (high - low) if np.isfinite(low) else 1.0
    return float(at[first - 1] + fraction * (at[first] - at[first - 1]))


def _limit(count: _Count, training: _Training, alpha: float) -> float | None:
    """Return the strength above which CLs stays below alpha, or None."""
    without = max(float(count.probability(np.zeros(1))[0]), 1e-300)

    def excess(strength: float) -> float:
        inside = float(count.probability(training.yields(strength)) @ _WEIGHTS)
        return float(np.log(max(inside, 1e-300) / (alpha * without)))

    steps = np.linspace(0.0, 1.0, _STEPS, endpoint=False)
    fine = [low + steps * (high - low) for low, high in pairwise(training.strengths)]
    grid = np.append(np.concatenate(fine), training.strengths[-1])
    if excess(grid[-1]) > 0:
        return None
    last = next(k for k in range(grid.size - 2, -1, -1) if excess(grid[k]) > 0)
    root: Any = brentq(excess, grid[last], grid[last + 1], xtol=1e-6 * grid[-1])
    return float(root)


def _lowered(values: Array) -> Array:
    """Return the largest sequence, along the first axis, that nowhere falls or exceeds another."""
    return np.minimum.accumulate(values[::-1])[::-1]


def _background_cdf(m: Array, expected: float, error: float) -> Array:
    """Return the probability of m background events or fewer."""
    if expected <= 0:
        return np.ones_like(m)
    if error**2 <= 1e-9 * expected:  # too few digits are left in τ: Poisson is the limit
        return special.pdtr(m, expected)
    tau = expected / error**2
    return special.betainc(expected * tau, m + 1.0, tau / (1.0 + tau))


def _quantile(probability: float, expected: float, error: float) -> float:
    """Return the smallest count whose cumulative probability reaches the one given."""
    low, high = -1.0, 16.0
    while float(_background_cdf(np.array(high), expected, error)) < probability and high < _LARGEST:
        high *= 2
    while high - low > 1:
        middle = np.floor((low + high) / 2)
        reached = float(_background_cdf(np.array(middle), expected, error)) >= probability
        low, high = (low, middle) if reached else (middle, high)
    return float(high)


def _check_background(observed: float, expected: float, error: float) -> None:
    for name, value in (("observed", observed), ("expected", expected), ("error", error)):
        if not (np.isfinite(value) and value >= 0):
            msg = f"{name} must be a number of events, finite and not negative, got {value:g}"
            raise InputError(msg)


def _checked(strengths: ArrayLike, efficiencies: Sequence[ArrayLike]) -> tuple[Array, list[Array]]:
    at = np.asarray(strengths, dtype=float)
    eps = [np.atleast_1d(np.asarray(each, dtype=float)) for each in efficiencies]
    if at.ndim != 1 or at.size < 2 or at[0] != 0 or np.any(np.diff(at) <= 0):
        msg = f"the strengths must increase from 0, and be at least two, got {at.tolist()}"
        raise InputError(msg)
    if len(eps) != at.size or not all(each.size for each in eps):
        msg = f"{at.size} strengths need the efficiencies of as many, got {[e.size for e in eps]}"
        raise InputError(msg)
    if min(map(len, eps)) < 2:
        msg = (
            "one training alone does not show how much the efficiency varies: every strength needs "
            "two repetitions, and five for a limit that covers"
        )
        raise InputError(msg)
    if not all(np.all(np.isfinite(each) & (each >= 0)) for each in eps):
        msg = "efficiencies must be finite and not negative"
        raise InputError(msg)
    return at, eps
