r"""One p-value for several independent channels whose signal strengths are not known.

The statistic of a mass hypothesis is the likelihood ratio in which every channel has a strength of
its own, :math:`\mu_c \ge 0`. Independent channels have independent factors, so it is a sum,

.. math:: T = -2\ln\frac{L(\mu = 0)}{L(\hat\mu)} = \sum_c q_{0,c} = \sum_c \max(z_c, 0)^2

(:math:`q_0` and :math:`z = \sqrt{q_0}`: Cowan, Cranmer, Gross and Vitells, arXiv:1007.1727,
eqs. 12 and 53).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import binom, gammaln, log_ndtr
from scipy.stats import chi2

__all__ = ["JointTail", "chi_bar_log_p", "joint_statistic", "joint_tail"]

Array = NDArray[np.float64]

_ANCHOR = 50  # pseudo-experiments beyond the point where the normal tail takes over
_STEP = 0.02  # of the statistic
_CELLS = 5000
_TOP = 600.0  # of the statistic, 24 standard deviations: beyond, the asymptotic form


def joint_statistic(z: ArrayLike) -> Array:
    r"""Return :math:`T = \sum_c \max(z_c, 0)^2` over the last axis.

    Parameters
    ----------
    z : array_like of shape (..., n_channels)
        One-sided significances of the channels.

    Returns
    -------
    ndarray of shape (...)
    """
    return (np.maximum(np.asarray(z, dtype=float), 0.0) ** 2).sum(axis=-1)


def chi_bar_log_p(statistic: ArrayLike, n_channels: int) -> Array:
    r"""Return ln P(T ≥ t) for standard normal significances.

    .. math:: P(T \ge t) = 2^{-C} \sum_{k=1}^{C} \binom{C}{k} P(\chi^2_k \ge t), \quad t > 0,

    since k of C channels have an excess with binomial probability (Chernoff, Ann. Math. Statist. 25
    (1954) 573).

    Parameters
    ----------
    statistic : array_like
        t.
    n_channels : int
        C.

    Returns
    -------
    ndarray
        The same shape; 0 for t ≤ 0.
    """
    t = np.asarray(statistic, dtype=float)
    k = np.arange(1, n_channels + 1)
    x = np.maximum(t, 1e-12)[..., None]
    far = (k / 2 - 1) * np.log(x / 2) - x / 2 - gammaln(k / 2)  # leading term of the tail
    with np.errstate(divide="ignore"):
        log_chi2 = np.where(x > _TOP, far, np.log(chi2.sf(x, k)))
    terms = log_chi2 + np.log(binom(n_channels, k)) - n_channels * np.log(2)
    log_p = np.logaddexp.reduce(terms, axis=-1)
    return np.where(t > 0, log_p, 0.0)


@dataclass(frozen=True, eq=False)
class JointTail:
    """P(T ≥ t) of one mass hypothesis.

    Attributes
    ----------
    step : float
        Spacing of the table.
    log_table : ndarray
        ln P(T ≥ t) at multiples of ``step``.
    n_channels : int
        How many channels, for the asymptotic form beyond the table.
    """

    step: float
    log_table: Array
    n_channels: int

    def log_p(self, statistic: ArrayLike) -> Array:
        """Return ln P(T ≥ t), the same shape as the statistic."""
        t = np.asarray(statistic, dtype=float)
        top = self.step * (self.log_table.size - 1)
        index = np.minimum(t / self.step + 0.5, self.log_table.size - 1).astype(np.int64)
        beyond = chi_bar_log_p(np.maximum(t, top), self.n_channels)
        return self.log_table[index] + beyond - chi_bar_log_p(top, self.n_channels)


def joint_tail(parts: Sequence[ArrayLike], top: float) -> JointTail:
    r"""Build P(T ≥ t) of a sum of independent parts from pseudo-experiments of each.

    As channels are independent, any pseudo-experiment of one goes with any of another: the
    distribution of the sum is the convolution of theirs, known far better than from pairs. Each
    part's own tail is that of its pseudo-experiments; where they end (the last fifty), it goes on as
    :math:`N\,\Phi(-\sqrt{x})`, the tail of the largest of N normal significances.

    Parameters
    ----------
    parts : sequence of array_like, shape (n_pseudo_experiments,) each
        :math:`\max(z_c, 0)^2` of each channel.
    top : float
        How far the table must reach.

    Returns
    -------
    JointTail
    """
    top = min(max(top, 25.0) + 1.0, _TOP)
    step = max(_STEP, top / _CELLS)
    cells = int(np.ceil(top / step)) + 1
    masses = [_cell_masses(np.asarray(part, dtype=float), step, cells) for part in parts]
    total, above = masses[0]
    for mass, survival in masses[1:]:
        # T reaches cell i where the earlier channels are beyond it, or the new one adds enough.
        above = (above - total) + np.convolve(total, survival)[:cells]
        total = np.convolve(total, mass)[:cells]
    return JointTail(step, np.log(np.minimum(above, 1.0)), len(parts))


def _cell_masses(part: Array, step: float, cells: int) -> tuple[Array, Array]:
    """Return P(X rounds to cell i), and P(X ≥ lower edge of cell i); cell i is at i × step."""
    edges = step * (np.arange(cells + 1) - 0.5)
    survival = _survival(part, np.maximum(edges, 0.0))
    return survival[:-1] - survival[1:], survival[:-1]


def _survival(part: Array, x: Array) -> Array:
    """Return P(X ≥ x): counted, then with a normal tail."""
    ordered = np.sort(part)
    n = ordered.size
    counted = (n - np.searchsorted(ordered, x, side="left")) / n
    positive = int((ordered > 0).sum())
    beyond = min(_ANCHOR, positive + 1, n)
    anchor = ordered[-beyond] if beyond <= positive else 0.0
    log_tail = log_ndtr(-np.sqrt(x)) - log_ndtr(-np.sqrt(anchor)) + np.log(beyond / n)
    return np.where(x > anchor, np.exp(log_tail), np.where(x > 0, counted, 1.0))
