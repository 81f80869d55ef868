"""Proper scoring rules: what an answer gains by saying what it believes, and no more."""

from __future__ import annotations

import math

__all__ = ["SAYS_NOTHING", "interval_score", "log_score", "probability_of_signal"]

_ALPHA = 1 - math.erf(1 / math.sqrt(2))  # outside one standard deviation on both sides: 0.317
_SUREST = 1e-9  # from 0 and 1: no answer is surer, or one wrong box outweighs all others
_SMALL_LOG = 1e-3  # below, the formula loses its digits and a series takes over

SAYS_NOTHING = 2.0
"""`interval_score` where no value is given: that of the interval from zero to twice the truth."""


def probability_of_signal(p_value: float | None) -> float:
    r"""Return the probability that there is a signal, where a p-value is all that is said of it.

    It starts from even odds, which the p-value changes by the factor

    .. math:: E(p) = \int_0^1 \kappa p^{\kappa-1}\,d\kappa = \frac{1 - p + p \ln p}{p\,\ln^2 p},

    the mean likelihood ratio over alternatives under which p has the density
    :math:`\kappa p^{\kappa-1}`: it has no parameter to be chosen, and its mean without signal is 1
    (V. Vovk and R. Wang, Ann. Statist. 49 (2021) 1736, arXiv:1912.06116, section 2).

    Parameters
    ----------
    p_value : float or None
        Of the hypothesis that there is none; None where nothing is known.

    Returns
    -------
    float
        From 1/3 at p = 1 to 1; 1/2 where nothing is known.

    Examples
    --------
    >>> [round(probability_of_signal(p), 3) for p in (1.0, 0.5, 0.05, 1e-3, 1e-6)]
    [0.333, 0.39, 0.641, 0.954, 1.0]
    """
    if p_value is None:
        return 0.5
    log = -math.log(max(p_value, 1e-300))
    series = 0.5 + log / 6  # of 1 - p + p ln p = p (log²/2 + log³/6 + ...)
    factor = series if log < _SMALL_LOG else (math.expm1(log) - log) / log**2
    return min(factor / (1 + factor), 1 - _SUREST)


def log_score(probability: float, *, signal: bool) -> float:
    """Return the logarithmic score of a probability that there is a signal; larger is better.

    It is the logarithm of the probability of what is true, and proper: the best answer is what one
    believes (T. Gneiting and A. E. Raftery, J. Am. Stat. Assoc. 102 (2007) 359, section 3.1; I. J.
    Good, 1952). Who always says 1/2 has ln(1/2) = -0.69.

    Parameters
    ----------
    probability : float
        That there is a signal.
    signal : bool
        The truth.

    Returns
    -------
    float
        At most 0; probabilities closer to 0 and 1 than 1e-9 count as that.

    Examples
    --------
    >>> round(log_score(0.9, signal=True), 3), round(log_score(0.9, signal=False), 3)
    (-0.105, -2.303)
    """
    of_truth = probability if signal else 1 - probability
    return math.log(min(max(of_truth, _SUREST), 1 - _SUREST))


def interval_score(value: float, error: float | None, truth: float) -> float:
    r"""Return the interval score of a measurement in units of the truth; smaller is better.

    An interval from l to u that claims to hold the truth x with probability :math:`1-\alpha` has

    .. math:: S_\alpha(l, u; x) = (u-l) + \frac{2}{\alpha} (l-x)_+ + \frac{2}{\alpha} (x-u)_+

    (T. Gneiting and A. E. Raftery, J. Am. Stat. Assoc. 102 (2007) 359, eq. 43): narrow intervals
    are rewarded, those that miss are fined. Here it is ``value`` ± ``error``, with α = 0.317, over
    the truth.

    Parameters
    ----------
    value, error : float
        The measurement and its standard deviation; without one the interval is a point.
    truth : float
        What it should have been, positive, in the same unit.

    Returns
    -------
    float
        `SAYS_NOTHING` is that of an answer without a value.

    Examples
    --------
    >>> round(interval_score(3490.0, 20.0, 3500.0), 4)
    0.0114
    >>> round(interval_score(3400.0, 20.0, 3500.0), 4), round(interval_score(3400.0, None, 3500.0), 4)
    (0.1555, 0.1801)
    """
    half = error or 0.0
    outside = max(abs(value - truth) - half, 0.0)
    return (2 * half + 2 / _ALPHA * outside) / truth
