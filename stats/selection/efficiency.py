"""How much of a simulated signal passes the selections that were made of the data."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

from ...core import InputError, Record

__all__ = ["SignalEfficiency", "passes", "signal_efficiency"]

Array = NDArray[np.float64]

_DEGREE = 3  # in ln m, of the line between events that pass and those that do not
_NEAR = 0.4  # in standard deviations of the normal score: events that tell where the line is
_FEWEST = 60


@dataclass(frozen=True)
class SignalEfficiency(Record):
    """The fraction of a simulated signal that passes.

    Attributes
    ----------
    value : float
        Of all simulated events, also those outside the range of the scan.
    error : float
        Of the sum: simulated statistics and models.
    simulation_error : float
        From the number of simulated events.
    model_error : float
        Spread of the models of different folds, over the root of their number.
    folds : tuple of float
        Efficiency by the model of each fold.
    n_simulated : int
        Simulated events.

    Examples
    --------
    >>> signal_efficiency([[True, False], [True, True]], [1.0, 1.0]).folds
    (0.5, 1.0)
    """

    value: float
    error: float
    simulation_error: float
    model_error: float
    folds: tuple[float, ...]
    n_simulated: int


def passes(
    scores: ArrayLike,
    cut_on: ArrayLike,
    log_mass: ArrayLike,
    efficiency: float,
    *,
    new_scores: ArrayLike,
    new_log_mass: ArrayLike,
) -> NDArray[np.bool_]:
    r"""Return which new events would pass the selection of one fold, had they been among its events.

    What is cut on may be a calibrated score, which depends on the mass and is defined for the
    events of the fold only. Both it and the score are turned into normal scores (the normal
    quantile of the rank) u and z, and the line between selected and not selected,

    .. math:: z_\mathrm{cut}(m) = \sum_{k=0}^{3} c_k \ln^k m + \beta\,u_\mathrm{cut},

    is fitted to the events near it. Without a calibration u = z, and the line is the threshold.

    Parameters
    ----------
    scores, cut_on, log_mass : array_like of shape (n_events,)
        Score by the model, what the selection cut on (larger is more anomalous), and ln m, of the
        events of one fold in the range of the scan.
    efficiency : float
        Fraction of them that was selected.
    new_scores, new_log_mass : array_like of shape (n_new,)
        Score by the same model, and ln m, of other events in that range.

    Returns
    -------
    ndarray of bool, shape (n_new,)

    Raises
    ------
    InputError
        If the fold has too few events.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(1)
    >>> scores, log_mass = rng.normal(size=1000), rng.uniform(8, 8.6, 1000)
    >>> passes(
    ...     scores, scores, log_mass, 0.1, new_scores=[0.0, 3.0], new_log_mass=[8.2, 8.2]
    ... ).tolist()
    [False, True]
    """
    scores, cut_on, log_mass = (np.asarray(x, dtype=float) for x in (scores, cut_on, log_mass))
    n = scores.size
    if n < _FEWEST:
        msg = f"a fold of {n} events cannot tell the efficiency of a signal; it needs {_FEWEST}"
        raise InputError(msg)
    z, u = _normal_scores(scores), _normal_scores(cut_on)
    distance = np.abs(u - ndtri(1 - efficiency))
    near = np.argsort(distance)[: max(_FEWEST, np.count_nonzero(distance < _NEAR))]
    middle, half = log_mass.mean(), max(float(np.ptp(log_mass)) / 2, 1e-9)

    def columns(at: Array, cut: Array) -> Array:
        powers = np.polynomial.legendre.legvander((at - middle) / half, _DEGREE)
        return np.column_stack([powers, cut])

    line, *_ = np.linalg.lstsq(columns(log_mass[near], u[near]), z[near], rcond=1e-10)
    new_log_mass = np.asarray(new_log_mass, dtype=float)
    threshold = columns(new_log_mass, np.full(new_log_mass.size, ndtri(1 - efficiency))) @ line
    ordered, new_scores = np.sort(scores), np.asarray(new_scores, dtype=float)
    rank = np.searchsorted(ordered, new_scores) + np.searchsorted(ordered, new_scores, "right")
    new_z = ndtri((rank / 2 + 0.5) / (n + 1))
    return new_z > threshold


def signal_efficiency(passed: ArrayLike, weights: ArrayLike) -> SignalEfficiency:
    """Return the efficiency of a selection whose folds have models of their own.

    Parameters
    ----------
    passed : array_like of bool, shape (n_folds, n_events)
        Whether each simulated event passes in each fold.
    weights : array_like of shape (n_folds,)
        Events of the data in each fold.

    Returns
    -------
    SignalEfficiency

    Raises
    ------
    InputError
        If there are no simulated events.

    Examples
    --------
    >>> signal_efficiency([[True, False], [True, True]], [1.0, 1.0]).value
    0.75
    """
    passed = np.asarray(passed, dtype=float)
    n_folds, n = passed.shape
    if not n:
        msg = "no simulated signal events: the efficiency is unknown"
        raise InputError(msg)
    share = np.asarray(weights, dtype=float) / np.sum(weights)
    each = share @ passed  # probability that an event passes, in a fold drawn at random
    folds = passed.mean(axis=1)
    simulation = float(each.std() / np.sqrt(n))
    model = float(folds.std(ddof=1) / np.sqrt(n_folds)) if n_folds > 1 else 0.0
    return SignalEfficiency(
        value=float(each.mean()),
        error=float(np.hypot(simulation, model)),
        simulation_error=simulation,
        model_error=model,
        folds=tuple(folds.tolist()),
        n_simulated=n,
    )


def _normal_scores(values: Array) -> Array:
    """Return the normal quantile of the rank of each value; equal values share theirs."""
    ordered = np.sort(values)
    rank = np.searchsorted(ordered, values) + np.searchsorted(ordered, values, "right")
    return ndtri(rank / (2 * values.size))
