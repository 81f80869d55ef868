"""How much of a simulated signal passes the selections that were made of the data."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...core import InputError, Record
from .levels import events_before, n_selected

__all__ = ["SignalEfficiency", "passes", "signal_efficiency"]


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
    cut_on: ArrayLike,
    events: ArrayLike,
    efficiency: float,
    *,
    new_cut_on: ArrayLike,
    new_events: ArrayLike,
) -> NDArray[np.bool_]:
    """Return which new events would pass the selection of one fold, had they been among its events.

    They pass where fewer events of the fold stand before them than the selection keeps. So a signal
    that fills the selection by itself crowds out its own simulated events too.

    Parameters
    ----------
    cut_on : array_like of shape (n_events,)
        What the selection cut on (larger is more anomalous), of the events of one fold.
    events : array_like of uint64, shape (n_events,)
        Their ids, by which ties are broken.
    efficiency : float
        Fraction of them that was selected.
    new_cut_on, new_events : array_like of shape (n_new,)
        The same of other events; of a calibrated score, `conformal_p_of_new`.

    Returns
    -------
    ndarray of bool, shape (n_new,)

    Examples
    --------
    >>> passes([0.1, 0.9, 0.5, 0.3], [1, 2, 3, 4], 0.5, new_cut_on=[0.4, 0.6], new_events=[5, 6]).tolist()
    [False, True]
    """
    cut_on = np.asarray(cut_on)
    before = events_before(
        cut_on,
        np.asarray(events),
        new_scores=np.asarray(new_cut_on),
        new_ids=np.asarray(new_events),
    )
    return before < n_selected(efficiency, cut_on.size)


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
