"""Cross-fitting: every event is scored by a model that never saw it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core import ConfigError, InputError, progress
from .folds import CrossFitting, fold_of, training_folds
from .method import Method
from .sample import Sample
from .windows import Window

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
        Simulated background, for methods that need it.

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
        If there are fewer events than folds.
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

    It may also score events that are in no fold, such as simulated signal. Parameters and errors
    are those of :func:`score_fold`; the method given stays as it is.
    """
    if not 0 <= fold < folds:
        msg = f"fold {fold} does not exist: {folds} folds are numbered from 0"
        raise ConfigError(msg)
    if len(sample) < folds:
        msg = f"{len(sample)} events cannot be divided into {folds} folds"
        raise InputError(msg)
    seen = _as_seen_by(method, sample)
    if "simulation" in method.needs and simulation is None:
        msg = f"method {method.name!r} needs simulated events; give simulation files"
        raise ConfigError(msg)
    fold_of_event = fold_of(sample.event, folds, seed=seed)
    others = np.flatnonzero(np.isin(fold_of_event, training_folds(fold, folds, scheme)))
    others = others[np.argsort(sample.event[others], kind="stable")]
    fresh = type(method)(method.hyper)
    fresh.fit(seen.take(others), window, simulation=simulation, seed=fold_seed(seed, fold))
    return fresh


def fold_seed(seed: int, fold: int) -> int:
    """Return the seed of one fold's training."""
    return int(np.random.SeedSequence([seed, fold]).generate_state(1, np.uint64)[0])


def _as_seen_by(method: Method[Any], sample: Sample) -> Sample:
    if "labels" not in method.needs:
        return sample.without_label()
    if sample.label is None:
        msg = f"method {method.name!r} needs the truth, and the events have no column 'label'"
        raise ConfigError(msg)
    return sample
