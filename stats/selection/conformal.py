"""Conformal p-values: scores calibrated in the sidebands, so that a cut keeps the same fraction everywhere."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

from ...core import ConfigError, InputError
from .levels import rank_order

__all__ = ["conformal_p"]

Array = NDArray[np.float64]

_FEWEST = 50  # calibration events of a fold below which location and scale mean nothing
_NODES = 17  # masses at which the weighted distribution of residuals is tabulated
_ROUNDS = 4  # of weighted least squares; the location is known to 1 % of its error after two
_LARGEST_LOG_SCALE = 2.0  # scales are kept within e^±2 of the mean one


def conformal_p(
    scores: ArrayLike,
    mass: ArrayLike,
    folds: ArrayLike,
    *,
    window: tuple[float, float],
    within: ArrayLike | None = None,
    events: ArrayLike | None = None,
    order: int = 2,
    bandwidth: float = 0.3,
) -> NDArray[np.float32]:
    r"""Estimate for each event the probability that background of its mass scores at least so high.

    Events outside the signal region calibrate, those inside never do. Fold by fold, scores are
    replaced by normal scores z (the normal quantile of their rank); a location and a scale, smooth
    in mass, are fitted to those of the calibration events,

    .. math:: z_i = a(m_i) + e^{b(m_i)}\,r_i, \qquad
              a = \sum_{k=0}^{K} a_k P_k(x),\quad b = \sum_{k=0}^{K-1} b_k P_k(x),

    with Legendre polynomials of ln m, and carried across the signal region. The p-value is that of
    the residual r in weighted conformal prediction (Vovk, Gammerman and Shafer 2005; Tibshirani et
    al., arXiv:1904.06019, eq. 7; weights in a neighbourhood, Guan, arXiv:2106.08460),

    .. math:: p(r, m) = \frac{w(0) + \sum_j w(\ln m_j - \ln m)\,[r_j \ge r]}
                             {w(0) + \sum_j w(\ln m_j - \ln m)}, \qquad
              w(u) = e^{-u^2/2h^2},

    which is :math:`(1 + \#\{r_j \ge r\})/(1 + n)` for equal weights. A calibration event is
    compared with the others.

    The calibration has a handful of degrees of freedom a fold, and no more than the sideband fit
    of the selected spectrum has: a threshold set bin by bin would hold the counts of each bin
    fixed, below Poisson, and their goodness of fit would mean nothing.

    Parameters
    ----------
    scores : array_like of shape (n_events,)
        Anomaly scores of one window, larger is more anomalous.
    mass : array_like of shape (n_events,)
        Resonant mass, GeV.
    folds : array_like of int, shape (n_events,)
        Outer fold of each event; scores of different folds are never compared.
    window : tuple of float
        Low and high edge of the signal region, GeV.
    within : array_like of bool, shape (n_events,), optional
        Events that count: those in the scan range.
    events : array_like of uint64, shape (n_events,), optional
        Event ids, by which ties are broken. They must know nothing of the mass (a hash does not);
        without them the order of the events decides.
    order : int
        Degree K of the location in ln m.
    bandwidth : float
        Width h of the weights in ln m; ``math.inf`` weighs all calibration events alike.

    Returns
    -------
    ndarray of float32, shape (n_events,)
        p-values in (0, 1], small for an anomalous event; NaN for events that do not count.

    Raises
    ------
    InputError
        If lengths differ, values that count are not finite, or a fold has too few events beside
        the signal region.
    ConfigError
        If the order or the bandwidth cannot be used.
    """
    scores, mass, folds = np.asarray(scores), np.asarray(mass, dtype=float), np.asarray(folds)
    inside = np.ones(scores.shape, bool) if within is None else np.asarray(within, dtype=bool)
    ids = np.arange(scores.size) if events is None else np.asarray(events)
    for name, values in (("mass", mass), ("folds", folds), ("within", inside), ("events", ids)):
        if values.shape != scores.shape:
            msg = f"{name} has shape {values.shape}, the scores {scores.shape}: one per event"
            raise InputError(msg)
    bad = np.flatnonzero(inside & ~(np.isfinite(scores) & np.isfinite(mass) & (mass > 0)))
    if bad.size:
        msg = (
            f"{bad.size} events have no finite score and positive mass, the first is event {bad[0]}"
        )
        raise InputError(msg)
    if order < 0 or not bandwidth > 0:
        msg = f"calibration needs order >= 0 and bandwidth > 0, got {order} and {bandwidth:g}"
        raise ConfigError(msg)
    low, high = window
    p = np.full(scores.shape, np.nan, dtype=np.float32)
    if not inside.any():
        return p
    log_mass = np.log(np.where(inside, mass, 1.0))
    ends = log_mass[inside].min(), log_mass[inside].max()
    for fold in np.unique(folds[inside]):
        members = np.flatnonzero(inside & (folds == fold))
        beside = (mass[members] < low) | (mass[members] >= high)
        if np.count_nonzero(beside) < _FEWEST:
            msg = (
                f"{np.count_nonzero(beside)} events of fold {fold} lie outside {low:g}-{high:g} GeV: "
                f"calibration needs {_FEWEST}; use fewer folds or a wider scan"
            )
            raise InputError(msg)
        z = _normal_scores(scores[members], ids[members])
        residuals = _standardised(z, _scaled(log_mass[members], ends), beside, order)
        p[members] = _weighted_p(residuals, log_mass[members], beside, bandwidth)
    return p


def _normal_scores(scores: NDArray, ids: NDArray) -> Array:
    """Return the normal quantile of each score's rank in its fold.

    The ranks are those of all events: a transformation that treats all alike, and increases, takes
    nothing from the validity of the p-values. Ties are broken at random (by id) before anything is
    fitted: within a block of equal scores a fitted location would else sort events by mass.
    """
    z = np.empty(scores.size)
    z[rank_order(scores, ids)[::-1]] = ndtri((np.arange(scores.size) + 0.5) / scores.size)
    return z


def _scaled(log_mass: Array, ends: tuple[float, float]) -> Array:
    """Return ln m mapped from the range of the scan to [-1, 1]."""
    low, high = ends
    return (2 * log_mass - low - high) / max(high - low, 1e-12)


def _standardised(z: Array, x: Array, beside: NDArray[np.bool_], order: int) -> Array:
    """Return (z - location) / scale, both fitted to the calibration events."""
    columns = np.polynomial.legendre.legvander(x, order)
    known, target = columns[beside], z[beside]
    slow = known[:, : max(order, 1)]
    log_scale = np.zeros(slow.shape[1])
    gram = slow.T @ slow
    location = np.zeros(order + 1)
    for _ in range(_ROUNDS):
        weight = np.exp(-2 * _clipped(slow @ log_scale))
        weighted = known * weight[:, None]
        location = np.linalg.lstsq(weighted.T @ known, weighted.T @ target, rcond=1e-10)[0]
        # Fisher scoring of a Gaussian: the information on the log of the scale is 2 per event
        pull = ((target - known @ location) ** 2 * weight - 1.0) / 2
        log_scale += np.linalg.lstsq(gram, slow.T @ pull, rcond=1e-10)[0]
    scale = np.exp(_clipped(columns[:, : slow.shape[1]] @ log_scale))
    return (z - columns @ location) / scale


def _clipped(log_scale: Array) -> Array:
    """Keep a scale within reason, where a polynomial runs away."""
    return np.clip(log_scale, -_LARGEST_LOG_SCALE, _LARGEST_LOG_SCALE)


def _weighted_p(
    residuals: Array, log_mass: Array, beside: NDArray[np.bool_], bandwidth: float
) -> Array:
    """Return weighted conformal p-values, linear in ln m between the nodes of a grid."""
    if not np.isfinite(bandwidth):
        nodes = np.array([log_mass.mean()])
        weights = np.ones((1, np.count_nonzero(beside)))
    else:
        nodes = np.linspace(log_mass.min(), log_mass.max(), _NODES)
        weights = np.exp(-(((log_mass[beside] - nodes[:, None]) / bandwidth) ** 2) / 2)
    falling = np.argsort(-residuals[beside], kind="stable")
    ordered = -residuals[beside][falling]
    # number of calibration residuals at least as large as each event's own
    rank = np.searchsorted(ordered, -residuals, side="right")
    position = np.interp(log_mass, nodes, np.arange(nodes.size))
    left = np.minimum(position.astype(np.int64), max(nodes.size - 2, 0))
    share = position - left
    p = np.zeros(residuals.size)
    for node in range(nodes.size):
        part = np.where(left == node, 1.0 - share, np.where(left + 1 == node, share, 0.0))
        near = np.flatnonzero(part > 0)
        if near.size == 0:
            continue
        above = np.append(0.0, np.cumsum(weights[node, falling]))
        own = np.where(beside[near], 0.0, 1.0)  # a calibration event is among those counted
        p[near] += part[near] * (own + above[rank[near]]) / (own + above[-1])
    return p
