"""How good a score is where the truth is known: ROC, AUC, significance improvement."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...core import InputError, Record

__all__ = [
    "Performance",
    "SicPoint",
    "auc",
    "efficiency_in_fold",
    "performance",
    "rejection",
    "roc",
    "sic_at_efficiencies",
    "sic_curve",
]


@dataclass(frozen=True)
class SicPoint(Record):
    """Significance improvement at one threshold.

    Attributes
    ----------
    eps_b, eps_s : float
        Background and signal efficiency.
    n_background : int
        Background events kept.
    sic, sic_error : float
        eps_s / sqrt(eps_b), and its binomial error from the counts of both.
    """

    eps_b: float
    eps_s: float
    n_background: int
    sic: float
    sic_error: float


@dataclass(frozen=True)
class Performance(Record):
    """The figures a method is compared by.

    Attributes
    ----------
    auc : float
        Area under the ROC curve.
    sic : tuple of SicPoint
        At fixed background efficiencies.
    max_sic : SicPoint
        The largest along the curve, with enough background events kept.

    Examples
    --------
    >>> point = SicPoint(eps_b=0.01, eps_s=0.4, n_background=100, sic=4.0, sic_error=0.3)
    >>> figures = Performance(auc=0.9, sic=(point,), max_sic=point)
    >>> Performance.from_dict(figures.to_dict()) == figures
    True
    """

    auc: float
    sic: tuple[SicPoint, ...]
    max_sic: SicPoint


def roc(
    score: NDArray[np.floating], label: NDArray[np.integer]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return background and signal events kept at each distinct threshold, from tight to loose.

    Parameters
    ----------
    score : ndarray, shape (n_events,)
        Larger is more anomalous.
    label : ndarray, shape (n_events,)
        0 for background, the number of its kind for signal (1 where there is one kind).

    Returns
    -------
    n_background, n_signal : ndarray of int64, shape (n_thresholds,)

    Raises
    ------
    InputError
        If there is no signal or no background.
    """
    order = np.argsort(-score, kind="stable")
    truth = np.asarray(label)[order] != 0
    if truth.all() or not truth.any():
        msg = f"a ROC curve needs both classes; found {truth.sum()} signal of {len(truth)} events"
        raise InputError(msg)
    last_of_ties = np.flatnonzero(np.diff(score[order], append=-np.inf) != 0)
    return np.cumsum(~truth)[last_of_ties], np.cumsum(truth)[last_of_ties]


def auc(score: NDArray[np.floating], label: NDArray[np.integer]) -> float:
    """Return the area under the ROC curve; events of equal score count one half."""
    b, s = roc(score, label)
    return float(np.trapezoid(np.r_[0, s] / s[-1], np.r_[0, b] / b[-1]))


def rejection(score: NDArray[np.floating], label: NDArray[np.integer], efficiency: float) -> float:
    """Return one over the fraction of the background that is kept where so much signal is.

    Parameters
    ----------
    score, label
        As in :func:`roc`.
    efficiency : float
        Of the signal; the tightest threshold that keeps as much is taken.

    Returns
    -------
    float
        Infinite where no background is kept.
    """
    b, s = roc(score, label)
    kept = b[np.searchsorted(s, efficiency * s[-1] - 1e-9)]
    return float(b[-1] / kept) if kept else float("inf")


def sic_curve(
    score: NDArray[np.floating], label: NDArray[np.integer]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return the significance improvement along the ROC curve.

    Returns
    -------
    eps_b, eps_s, sic, sic_error : ndarray of float64, shape (n_thresholds,)
        SIC = eps_s / sqrt(eps_b), infinite where no background is kept. The relative error is
        sqrt((1 - eps_s) / n_s + (1 - eps_b) / (4 n_b)): both counts are binomial.
    """
    b, s = roc(score, label)
    eps_b, eps_s = b / b[-1], s / s[-1]
    with np.errstate(divide="ignore", invalid="ignore"):
        sic = eps_s / np.sqrt(eps_b)
        error = sic * np.sqrt((1 - eps_s) / s + (1 - eps_b) / (4 * b))
    return eps_b, eps_s, sic, error


def sic_at_efficiencies(
    score: NDArray[np.floating],
    label: NDArray[np.integer],
    eps_s: NDArray[np.floating],
    *,
    min_background: int = 25,
) -> NDArray[np.float64]:
    """Return the significance improvement at given signal efficiencies, for curves to be averaged.

    Parameters
    ----------
    score, label
        As in :func:`roc`.
    eps_s : ndarray, shape (n_points,)
        Signal efficiencies in (0, 1]; the tightest threshold that keeps as much is taken.
    min_background : int
        Where fewer background events are kept, there is no value.

    Returns
    -------
    ndarray of float64, shape (n_points,)
        NaN where there is no value.
    """
    b, s = roc(score, label)
    at = np.searchsorted(s, np.asarray(eps_s) * s[-1] - 1e-9)
    enough = b[at] >= max(min_background, 1)
    sic = (s[at] / s[-1]) / np.sqrt(np.maximum(b[at], 1) / b[-1])
    return np.where(enough, sic, np.nan)


def efficiency_in_fold(
    score: NDArray[np.floating], label: NDArray[np.integer], fold: NDArray[np.integer]
) -> NDArray[np.float64]:
    """Return the background efficiency at each event's score, as measured in the event's fold.

    Scores of different models cannot be compared, background efficiencies can. The negative of
    what is returned is a score of all folds together.

    Signal between two background events is spread over the step of the efficiency there, and the
    steps of the folds are set off against each other. Otherwise a threshold that keeps k background
    events would keep, in every fold, all the signal down to the next background event: a bias that
    one model has once, and that would grow with the number of folds.

    Parameters
    ----------
    score, label
        As in :func:`roc`.
    fold : ndarray of int, shape (n_events,)
        Which model gave each score.

    Returns
    -------
    ndarray of float64, shape (n_events,)
        Equal for equal scores of a fold. Above the highest background event it is just below zero.

    Raises
    ------
    InputError
        If a fold has no background.
    """
    efficiency = np.empty(len(score))
    folds = np.unique(fold)
    for i, each in enumerate(folds):
        mine = fold == each
        background = np.sort(-score[mine & (label == 0)])
        if not len(background):
            msg = f"fold {each} has no background events to measure an efficiency with"
            raise InputError(msg)
        distinct, which = np.unique(-score[mine], return_inverse=True)
        above = np.searchsorted(background, distinct, side="right")
        first = np.searchsorted(above, above, side="left")
        step = np.searchsorted(above, above, side="right") - first
        within = (np.arange(len(distinct)) - first) / step
        offset = (i + 0.5) / len(folds)
        efficiency[mine] = ((above + within - offset) / len(background))[which]
    return efficiency


def performance(
    score: NDArray[np.floating],
    label: NDArray[np.integer],
    *,
    eps_b: tuple[float, ...] = (1e-2, 1e-3),
    min_background: int = 25,
) -> Performance:
    """Return AUC, SIC at fixed background efficiencies, and the maximum SIC.

    Parameters
    ----------
    score, label
        As in :func:`roc`.
    eps_b : tuple of float
        Background efficiencies; the loosest threshold that keeps no more is taken.
    min_background : int
        The maximum is sought where at least so many background events are kept: with fewer it is
        mostly a statistical fluctuation.

    Raises
    ------
    InputError
        If there is no signal, or fewer background events than ``min_background``.

    Examples
    --------
    >>> label = (np.arange(5000) < 500).astype(np.int8)
    >>> score = np.random.default_rng(1).normal(2.0 * label)  # signal lies two widths higher
    >>> found = performance(score, label)
    >>> round(found.auc, 2), round(found.sic[0].sic, 1), found.max_sic.sic >= found.sic[0].sic
    (0.93, 3.2, True)
    """
    b, _ = roc(score, label)
    if b[-1] < min_background:
        msg = f"{b[-1]} background events are fewer than min_background = {min_background}"
        raise InputError(msg)
    curve = sic_curve(score, label)

    def point(i: int) -> SicPoint:
        at_b, at_s, sic, error = (float(column[i]) for column in curve)
        return SicPoint(at_b, at_s, int(b[i]), sic, error)

    fixed = tuple(
        point(max(0, int(np.searchsorted(curve[0], eps, side="right")) - 1)) for eps in eps_b
    )
    allowed = np.flatnonzero(b >= min_background)
    best = allowed[np.argmax(curve[2][allowed])]
    return Performance(auc=auc(score, label), sic=fixed, max_sic=point(int(best)))
