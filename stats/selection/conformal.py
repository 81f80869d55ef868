"""Conformal p-values: scores calibrated in the sidebands, so that a cut keeps the same fraction everywhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

from ...core import ConfigError, InputError
from .levels import check_one_per_event, events_before, normal_scores

__all__ = ["conformal_p", "conformal_p_of_new"]

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

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(1)
    >>> mass, scores = rng.uniform(2700, 6000, 2000), rng.normal(size=2000)
    >>> p = conformal_p(scores, mass, np.zeros(2000, int), window=(3300, 3700))
    >>> bool(abs((p < 0.1).mean() - 0.1) < 0.02)  # uniform without signal
    True
    """
    scores, mass, folds = np.asarray(scores), np.asarray(mass, dtype=float), np.asarray(folds)
    inside = np.ones(scores.shape, bool) if within is None else np.asarray(within, dtype=bool)
    ids = np.arange(scores.size) if events is None else np.asarray(events)
    check_one_per_event(scores, mass=mass, folds=folds, within=inside, events=ids)
    bad = np.flatnonzero(inside & ~(np.isfinite(scores) & np.isfinite(mass) & (mass > 0)))
    if bad.size:
        msg = (
            f"{bad.size} events have no finite score and positive mass, the first is event {bad[0]}"
        )
        raise InputError(msg)
    if order < 0 or not bandwidth > 0:
        msg = f"calibration needs order >= 0 and bandwidth > 0, got {order} and {bandwidth:g}"
        raise ConfigError(msg)
    p = np.full(scores.shape, np.nan, dtype=np.float32)
    for fold in np.unique(folds[inside]):
        members = np.flatnonzero(inside & (folds == fold))
        beside = _beside(mass[members], window, f" of fold {fold}")
        z, log_mass = normal_scores(scores[members], ids[members]), np.log(mass[members])
        calibration = _Calibration.of(z, log_mass, beside, order, bandwidth)
        p[members] = calibration.p(calibration.own, log_mass, weight=np.where(beside, 0.0, 1.0))
    return p


def conformal_p_of_new(
    scores: ArrayLike,
    mass: ArrayLike,
    *,
    window: tuple[float, float],
    events: ArrayLike,
    new_scores: ArrayLike,
    new_mass: ArrayLike,
    new_events: ArrayLike,
    order: int = 2,
    bandwidth: float = 0.3,
) -> NDArray[np.float32]:
    """Return the p-values that new events would have among those of one fold (`conformal_p`).

    They calibrate nothing, wherever they lie.

    Parameters
    ----------
    scores, mass, events : array_like of shape (n_events,)
        Of the events of one fold in the scan range: score, mass (GeV) and id.
    window : tuple of float
        Low and high edge of the signal region, GeV.
    new_scores, new_mass, new_events : array_like of shape (n_new,)
        The same of other events in that range, scored by the model of the fold.
    order, bandwidth
        As in `conformal_p`.

    Returns
    -------
    ndarray of float32, shape (n_new,)

    Raises
    ------
    InputError
        If the fold has too few events beside the signal region.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(1)
    >>> mass, scores, window = rng.uniform(2700, 6000, 2000), rng.normal(size=2000), (3300, 3700)
    >>> p = conformal_p(scores, mass, np.zeros(2000, int), window=window)
    >>> inside = (mass >= 3300) & (mass < 3700)
    >>> again = conformal_p_of_new(
    ...     scores, mass, window=window, events=np.arange(2000), new_scores=scores[inside],
    ...     new_mass=mass[inside], new_events=np.arange(2000)[inside],
    ... )
    >>> bool(np.abs(again - p[inside]).max() < 5e-3)
    True
    """
    scores, mass, ids = np.asarray(scores), np.asarray(mass, dtype=float), np.asarray(events)
    beside, log_mass = _beside(mass, window, ""), np.log(mass)
    calibration = _Calibration.of(normal_scores(scores, ids), log_mass, beside, order, bandwidth)
    before = events_before(
        scores, ids, new_scores=np.asarray(new_scores), new_ids=np.asarray(new_events)
    )
    z = ndtri((scores.size - before + 0.5) / (scores.size + 1))
    new_log_mass = np.log(np.asarray(new_mass, dtype=float))
    residuals = calibration.residuals(z, new_log_mass)
    return calibration.p(residuals, new_log_mass, weight=np.ones(z.size)).astype(np.float32)


def _beside(mass: Array, window: tuple[float, float], of_fold: str) -> NDArray[np.bool_]:
    """Return which events calibrate, or say that they are too few."""
    low, high = window
    beside = (mass < low) | (mass >= high)
    if np.count_nonzero(beside) < _FEWEST:
        msg = (
            f"{np.count_nonzero(beside)} events{of_fold} lie outside {low:g}-{high:g} GeV: "
            f"calibration needs {_FEWEST}; use fewer folds or a wider scan"
        )
        raise InputError(msg)
    return beside


@dataclass(frozen=True, eq=False)
class _Calibration:
    """What the calibration events of one fold say of a normal score and a mass.

    Attributes
    ----------
    ends : tuple of float
        Range of ln m over the fold.
    location, log_scale : ndarray
        Coefficients of Legendre polynomials.
    own : ndarray of shape (n_events,)
        Residuals of all events of the fold.
    falling : ndarray of shape (n_calibration,)
        Those of the calibration events, negative, in increasing order.
    nodes : ndarray of shape (n_nodes,)
        ln m where the weighted distribution of residuals is tabulated.
    above : ndarray of shape (n_nodes, n_calibration + 1)
        Sum of the weights of the largest residuals, from none to all.
    """

    ends: tuple[float, float]
    location: Array
    log_scale: Array
    own: Array
    falling: Array
    nodes: Array
    above: Array

    @classmethod
    def of(
        cls, z: Array, log_mass: Array, beside: NDArray[np.bool_], order: int, bandwidth: float
    ) -> Self:
        """Fit location and scale to the events beside the signal region, and rank the residuals."""
        ends = float(log_mass.min()), float(log_mass.max())
        columns = _columns(log_mass, ends, order)
        location, log_scale = _fitted(z[beside], columns[beside])
        own = _residuals(z, columns, location, log_scale)
        falling = np.argsort(-own[beside], kind="stable")
        if np.isfinite(bandwidth):
            nodes = np.linspace(*ends, _NODES)
            weights = np.exp(-(((log_mass[beside] - nodes[:, None]) / bandwidth) ** 2) / 2)
        else:
            nodes, weights = np.array([log_mass.mean()]), np.ones((1, falling.size))
        above = np.pad(np.cumsum(weights[:, falling], axis=1), ((0, 0), (1, 0)))
        return cls(ends, location, log_scale, own, -own[beside][falling], nodes, above)

    def residuals(self, z: Array, log_mass: Array) -> Array:
        """Return the residuals of other events, from their normal scores."""
        columns = _columns(log_mass, self.ends, self.location.size - 1)
        return _residuals(z, columns, self.location, self.log_scale)

    def p(self, residuals: Array, log_mass: Array, weight: Array) -> Array:
        """Return weighted conformal p-values, linear in ln m between the nodes.

        Parameters
        ----------
        residuals, log_mass : ndarray of shape (n,)
            Of events of the fold, or of others.
        weight : ndarray of shape (n,)
            Of each event itself: 1, or 0 for a calibration event, which is among those counted.
        """
        # number of calibration residuals at least as large as each event's own
        rank = np.searchsorted(self.falling, -residuals, side="right")
        position = np.interp(log_mass, self.nodes, np.arange(self.nodes.size))
        left = np.minimum(position.astype(np.int64), max(self.nodes.size - 2, 0))
        share = position - left
        p = np.zeros(residuals.size)
        for node, above in enumerate(self.above):
            part = np.where(left == node, 1.0 - share, np.where(left + 1 == node, share, 0.0))
            near = np.flatnonzero(part > 0)
            p[near] += part[near] * (weight[near] + above[rank[near]]) / (weight[near] + above[-1])
        return p


def _columns(log_mass: Array, ends: tuple[float, float], order: int) -> Array:
    """Return Legendre polynomials of ln m, which the range of the fold has from -1 to 1."""
    low, high = ends
    x = (2 * log_mass - low - high) / max(high - low, 1e-12)
    return np.asarray(np.polynomial.legendre.legvander(x, order), dtype=np.float64)


def _fitted(z: Array, columns: Array) -> tuple[Array, Array]:
    """Return location and logarithm of the scale of normal scores, as coefficients of columns."""
    order = columns.shape[1] - 1
    slow = columns[:, : max(order, 1)]
    location, log_scale = np.zeros(order + 1), np.zeros(slow.shape[1])
    gram = slow.T @ slow
    for _ in range(_ROUNDS):
        weight = np.exp(-2 * _clipped(slow @ log_scale))
        weighted = columns * weight[:, None]
        found = np.linalg.lstsq(weighted.T @ columns, weighted.T @ z, rcond=1e-10)[0]
        location = np.asarray(found, dtype=np.float64)
        # Fisher scoring of a Gaussian: the information on the log of the scale is 2 per event
        pull = ((z - columns @ location) ** 2 * weight - 1.0) / 2
        log_scale += np.linalg.lstsq(gram, slow.T @ pull, rcond=1e-10)[0]
    return location, log_scale


def _residuals(z: Array, columns: Array, location: Array, log_scale: Array) -> Array:
    """Return (z - location) / scale."""
    scale = np.exp(_clipped(columns[:, : log_scale.size] @ log_scale))
    return (z - columns @ location) / scale


def _clipped(log_scale: Array) -> Array:
    """Keep a scale within reason, where a polynomial runs away."""
    return np.clip(log_scale, -_LARGEST_LOG_SCALE, _LARGEST_LOG_SCALE)
