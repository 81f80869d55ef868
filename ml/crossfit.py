"""Cross-fitting: every event is scored by a model that never saw it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core import ConfigError, InputError, progress
from ..core.windows import Window
from .anomaly.classifier_method import simulated, truth
from .folds import CrossFitting, fold_of, training_folds
from .method import Method
from .sample import Sample

__all__ = ["cross_fit", "fold_seed", "score_fold", "train_fold"]


def cross_fit(
    method: Method[Any],
    sample: Sample,
    window: Window,
    *,
    folds: int = 7,
    scheme: CrossFitting = "tournament",
    seed: int,
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
    folds : int
        The number of outer folds.
    scheme : {"tournament", "all"}
        Which of the other folds a model is trained on (`training_folds`).
    seed : int
        Decides the folds and the trainings.
    simulation : Sample, optional
        Simulated background, for methods that need it; each model learns from the events of it
        that are not in the fold it scores (:func:`train_fold`).

    Returns
    -------
    ndarray of float32, shape (n_events,)
        Scores in the order of the sample; comparable within a fold only, since each fold has a
        model of its own.
    """
    scores = np.empty(len(sample), np.float32)
    with progress(f"{method.name} {window.center:.0f} GeV", folds, unit="folds") as advance:
        for fold in range(folds):
            held_out, of_fold = score_fold(
                method,
                sample,
                window,
                fold,
                folds=folds,
                scheme=scheme,
                seed=seed,
                simulation=simulation,
            )
            scores[held_out] = of_fold
            advance(1)
    return scores


def score_fold(
    method: Method[Any],
    sample: Sample,
    window: Window,
    fold: int,
    *,
    folds: int = 7,
    scheme: CrossFitting = "tournament",
    seed: int,
    simulation: Sample | None = None,
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Fit on other folds and score this one: one independent task of a scan.

    The events are given to the method in the order of their ids and without the truth (unless it
    needs labels), so neither the order of files nor the truth can change a score.

    Parameters
    ----------
    method, sample, window, folds, scheme, seed, simulation
        As in :func:`cross_fit`.
    fold : int
        From 0 to ``folds`` - 1.

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
    """
    trained = train_fold(
        method,
        sample,
        window,
        fold,
        folds=folds,
        scheme=scheme,
        seed=seed,
        simulation=simulation,
    )
    rows = np.flatnonzero(fold_of(sample.event, folds, seed=seed) == fold)
    return rows, trained.score(_as_seen_by(method, sample).take(rows))


def train_fold(
    method: Method[Any],
    sample: Sample,
    window: Window,
    fold: int,
    *,
    folds: int = 7,
    scheme: CrossFitting = "tournament",
    seed: int,
    simulation: Sample | None = None,
) -> Method[Any]:
    """Return the model that scores a fold: one that has seen none of its events.

    It may also score events that are in no fold, such as simulated signal. Simulated background is
    divided as the data are, by a hash of the event id, and the events of this fold are kept from
    the model: it may score these too, and an event that is among both the data and the simulation
    is not learnt from by the model that scores it. Parameters and errors are those of
    :func:`score_fold`; the method given stays as it is.
    """
    if not 0 <= fold < folds:
        msg = f"fold {fold} does not exist: {folds} folds are numbered from 0"
        raise ConfigError(msg)
    if len(sample) < folds:
        msg = f"{len(sample)} events cannot be divided into {folds} folds"
        raise InputError(msg)
    seen = _as_seen_by(method, sample)
    fold_of_event = fold_of(sample.event, folds, seed=seed)
    others = np.isin(fold_of_event, training_folds(fold, folds, scheme))
    data = _by_id(seen, others)
    inside = data.mass >= window.sideband_low
    inside &= data.mass < window.sideband_high
    data.take(inside).refuse_functions_of_mass()
    if "simulation" in method.needs:
        of_simulation = _of_use(method, simulation, sample, window)
        kept = fold_of(of_simulation.event, folds, seed=seed) != fold
        simulation = _by_id(of_simulation.without_label(), kept)
    fresh = type(method)(method.hyper)
    return fresh.fit(data, window, simulation=simulation, seed=fold_seed(seed, fold))


def fold_seed(seed: int, fold: int) -> int:
    """Return the seed of one fold's training."""
    return int(np.random.SeedSequence([seed, fold]).generate_state(1, np.uint64)[0])


def _as_seen_by(method: Method[Any], sample: Sample) -> Sample:
    if "labels" not in method.needs:
        return sample.without_label()
    truth(method.name, sample)
    return sample


def _by_id(sample: Sample, which: NDArray[np.bool_]) -> Sample:
    """Return some of the events, in the order of their ids."""
    rows = np.flatnonzero(which)
    return sample.take(rows[np.argsort(sample.event[rows], kind="stable")])


def _of_use(
    method: Method[Any], simulation: Sample | None, sample: Sample, window: Window
) -> Sample:
    """Return the simulation, or say why the method cannot use it in this window."""
    simulation = simulated(method.name, simulation)
    if simulation.names != sample.names:
        msg = (
            f"the simulation has the features {', '.join(simulation.names)}, and the data have "
            f"{', '.join(sample.names)}; give both the same, in the same order"
        )
        raise InputError(msg)
    if not window.signal(simulation.mass).any():
        msg = (
            f"window {window}: none of {len(simulation)} simulated events lies in the signal "
            f"region, and method {method.name!r} needs some; simulate these masses too, or scan "
            "others"
        )
        raise InputError(msg)
    return simulation
