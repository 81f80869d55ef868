"""Cross-fitting: every event is scored by a model that never saw it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core import InputError, progress
from ..core.windows import Window
from .blocks.other_weights import refuse_weights
from .folds import Folding
from .method import Method
from .sample import Sample, simulated, truth

__all__ = [
    "cross_fit",
    "fit_guarded",
    "score_fold",
    "shown_to",
    "train_fold",
    "unseen_simulation",
]


def cross_fit(
    method: Method[Any],
    sample: Sample,
    window: Window,
    folding: Folding,
    *,
    simulation: Sample | None = None,
) -> NDArray[np.float32]:
    """Score all events, inside the window and outside of it, each by a model that never saw it.

    Parameters
    ----------
    method : Method
        Its hyperparameters count; it is not changed.
    sample : Sample
        The data, in any order.
    window : Window
        The signal region and its sidebands.
    folding : Folding
        The folds, which of them a model is trained on, and the seed.
    simulation : Sample, optional
        Simulated background, for methods that need it; each model learns from the events of it
        that are not in the fold it scores (:func:`train_fold`).

    Returns
    -------
    ndarray of float32, shape (n_events,)
        Scores in the order of the sample; comparable within a fold only, since each fold has a
        model of its own.

    Examples
    --------
    >>> from overdensity.ml import Folding, make_method
    >>> from overdensity.ml.contract import TOY_WINDOW, toy_sample
    >>> sample = toy_sample()
    >>> scores = cross_fit(make_method("pca"), sample, TOY_WINDOW, Folding(seed=1, folds=3))
    >>> len(scores) == len(sample)
    True
    """
    scores = np.empty(len(sample), np.float32)
    with progress(f"{method.name} {window.center:.0f} GeV", folding.folds, unit="folds") as advance:
        for fold in range(folding.folds):
            held_out, of_fold = score_fold(
                method, sample, window, fold, folding, simulation=simulation
            )
            scores[held_out] = of_fold
            advance(1)
    return scores


def score_fold(
    method: Method[Any],
    sample: Sample,
    window: Window,
    fold: int,
    folding: Folding,
    *,
    simulation: Sample | None = None,
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Fit on other folds and score this one: one independent task of a scan.

    The events are given to the method in the order of their ids and without the truth (unless it
    needs labels), so neither the order of files nor the truth can change a score.

    Parameters
    ----------
    method, sample, window, folding, simulation
        As in :func:`cross_fit`.
    fold : int
        From 0 to ``folding.folds`` - 1.

    Returns
    -------
    rows : ndarray of int64, shape (n_in_fold,)
        Which events of the sample are in this fold.
    scores : ndarray of float32, shape (n_in_fold,)
        Their scores; larger is more anomalous.

    Raises
    ------
    ConfigError
        If there is no such fold, or the method needs labels or simulation that are not there.
    InputError
        If there are fewer events than folds, a feature is a function of the mass, or the
        simulation has other features or no event in the signal region.

    Examples
    --------
    >>> from overdensity.ml import Folding, make_method
    >>> from overdensity.ml.contract import TOY_WINDOW, toy_sample
    >>> folding, sample = Folding(seed=1, folds=3), toy_sample()
    >>> rows, scores = score_fold(make_method("pca"), sample, TOY_WINDOW, 2, folding)
    >>> set(folding.of(sample.event[rows]).tolist())
    {2}
    """
    trained = train_fold(method, sample, window, fold, folding, simulation=simulation)
    rows = folding.rows(sample.event, fold)
    return rows, trained.score(shown_to(method, sample).take(rows))


def train_fold(
    method: Method[Any],
    sample: Sample,
    window: Window,
    fold: int,
    folding: Folding,
    *,
    simulation: Sample | None = None,
    never_scored: NDArray[np.bool_] | None = None,
) -> Method[Any]:
    """Return the model that scores a fold: one that has seen none of its events.

    It may also score events that are in no fold, such as simulated signal. Simulated background is
    divided as the data are, by a hash of the event id, and the model is not trained on the events
    of this fold: it may score these too, and an event that is in both the data and the simulation
    is not scored by a model that was trained on it. A method that learns from simulation alone needs no
    folds: it learns from all simulated events but those of the data, the same for every fold. The method
    given is not changed.

    Parameters
    ----------
    method, sample, window, fold, folding, simulation
        As in :func:`score_fold`.
    never_scored : ndarray of bool, shape (n_events,), optional
        Events of the sample that no model scores, and that all models may learn from.

    Raises
    ------
    ConfigError, InputError
        As :func:`score_fold`.

    Examples
    --------
    >>> from overdensity.ml import Folding, make_method
    >>> from overdensity.ml.contract import TOY_WINDOW, toy_sample
    >>> sample, folding = toy_sample(), Folding(seed=1, folds=3)
    >>> model = train_fold(make_method("pca"), sample, TOY_WINDOW, 0, folding)
    >>> model.score(sample).dtype
    dtype('float32')
    """
    if len(sample) < folding.folds:
        msg = f"{len(sample)} events cannot be divided into {folding.folds} folds"
        raise InputError(msg)
    learnt = folding.training(sample.event, fold)
    if never_scored is not None:
        learnt |= never_scored
    if simulation is not None:
        simulation = unseen_simulation(method, simulation, sample, fold, folding)
    return fit_guarded(
        method,
        sample.take(learnt),
        window,
        simulation=simulation,
        seed=folding.training_seed(0 if method.trained_on == "simulation" else fold),
    )


def fit_guarded(
    method: Method[Any],
    data: Sample,
    window: Window,
    *,
    simulation: Sample | None = None,
    seed: int,
) -> Method[Any]:
    """Return a fresh method, fitted to events as every method is shown them.

    They come in the order of their ids and without the truth, unless the method needs labels. A
    feature that is a function of the mass is refused, since it would be learnt in place of a signal,
    and so are weights that are negative, or all zero.

    Parameters
    ----------
    method : Method
        Its hyperparameters count; it is not changed.
    data : Sample
        Events to learn from, in any order.
    window : Window
        The signal region and its sidebands.
    simulation : Sample, optional
        Simulated background to learn from; it is handed on where the method needs it.
    seed : int
        Of the training.

    Raises
    ------
    ConfigError
        If the method needs labels or simulation that are not there.
    InputError
        If no event lies in the signal region, weights cannot be used, a feature is a function of the mass,
        or the simulation has other features or no event in the signal region.

    Examples
    --------
    >>> from overdensity.ml import make_method
    >>> from overdensity.ml.contract import TOY_WINDOW, toy_sample
    >>> fit_guarded(make_method("pca"), toy_sample(), TOY_WINDOW, seed=1).name
    'pca'
    """
    data = _by_id(shown_to(method, data))
    if not window.signal(data.mass).any():
        msg = (
            f"window {window}: 0 events in the signal region to learn from; use more events, wider "
            "bins or a lower end of the scan"
        )
        raise InputError(msg)
    refuse_weights(data.weight, f"method {method.name!r}")
    inside = (data.mass >= window.sideband_low) & (data.mass < window.sideband_high)
    data.take(inside).refuse_functions_of_mass()
    method.inputs_of(data.take(inside)).refuse_known_mass()
    if "simulation" in method.needs:
        simulation = method.shown(simulated(method.name, simulation))
        _refuse_unlike(simulation, data, window, method.name)
        simulation = _by_id(simulation.without_label())
    fresh = type(method)(method.hyper)
    return fresh.fit(data, window, simulation=simulation, seed=seed)


def unseen_simulation(
    method: Method[Any], simulation: Sample, sample: Sample, fold: int, folding: Folding
) -> Sample:
    """Return the simulated events from which the model of a fold may learn.

    Those of other folds; of a method that is trained on simulation alone, all that are not data.

    Examples
    --------
    >>> from overdensity.ml import Folding, make_method
    >>> from overdensity.ml.contract import toy_sample, toy_simulation
    >>> folding, simulation, data = Folding(seed=1, folds=3), toy_simulation(), toy_sample()
    >>> [len(unseen_simulation(make_method(name), simulation, data, 0, folding))
    ...  for name in ("idealised", "quak")]
    [3972, 6000]
    """
    if method.trained_on == "simulation":
        return simulation.take(~np.isin(simulation.event, sample.event))
    return simulation.take(folding.of(simulation.event) != fold)


def shown_to(method: Method[Any], sample: Sample) -> Sample:
    """Return the sample as a method may see it (:meth:`Method.shown`).

    Raises
    ------
    ConfigError
        If it needs labels and there are none.

    Examples
    --------
    >>> from overdensity.ml import make_method
    >>> from overdensity.ml.contract import toy_sample
    >>> shown_to(make_method("cwola"), toy_sample()).label is None
    True
    """
    if "labels" in method.needs:
        truth(method.name, sample)
    return method.shown(sample)


def _by_id(sample: Sample) -> Sample:
    """Return the events in the order of their ids."""
    return sample.take(np.argsort(sample.event, kind="stable"))


def _refuse_unlike(simulation: Sample, data: Sample, window: Window, method: str) -> None:
    """Raise an InputError if a method cannot use the simulation in this window."""
    if simulation.columns != data.columns:
        msg = (
            f"the simulation has the features {', '.join(simulation.columns)}, and the data have "
            f"{', '.join(data.columns)}; give both the same, in the same order"
        )
        raise InputError(msg)
    if not window.signal(simulation.mass).any():
        msg = (
            f"window {window}: none of {len(simulation)} simulated events lies in the signal "
            f"region, and method {method!r} needs some; simulate these masses too, or scan "
            "others"
        )
        raise InputError(msg)
