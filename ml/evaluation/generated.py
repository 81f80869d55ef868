"""Closure of generated events: whether a classifier can tell them from real ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...core import ConfigError, InputError, Record
from ..classifiers.quantile_bins import OrderedFeatures
from ..classifiers.trees import BoostingHyper, fit_trees

__all__ = ["Closure", "auc_with_error", "closure"]

DISCRIMINATING = BoostingHyper(iterations=200, patience=10, features_per_split=1.0)


@dataclass(frozen=True)
class Closure(Record):
    """How well generated events are told from real ones.

    Attributes
    ----------
    auc : float
        Area under the ROC curve of a classifier on events that it never saw; 0.5 if it cannot.
    error : float
        Statistical error of the AUC.
    folds : tuple of float
        The AUC in each fold.
    n_real, n_generated : int
        The numbers of events.

    Examples
    --------
    >>> found = Closure(auc=0.52, error=0.015, folds=(0.5, 0.53, 0.53), n_real=900, n_generated=900)
    >>> abs(found.auc - 0.5) < 2 * found.error
    True
    """

    auc: float
    error: float
    folds: tuple[float, ...]
    n_real: int
    n_generated: int


def closure(
    real: NDArray[np.floating],
    generated: NDArray[np.floating],
    *,
    folds: int = 5,
    hyper: BoostingHyper = DISCRIMINATING,
    seed: int,
) -> Closure:
    """Test whether boosted trees can tell generated events from real ones.

    The classifier two-sample test (Lopez-Paz and Oquab, arXiv:1610.06545), cross-fitted: the trees
    that score a fold are trained on the others, of which one decides when to stop. The AUC is
    taken in each fold, since scores of different classifiers cannot be compared, and averaged.

    Parameters
    ----------
    real, generated : ndarray, shape (n_events, n_features)
        Features; a mass that both are conditioned on may be one of them.
    folds : int
        The number of folds, at least 3.
    hyper : BoostingHyper
        How the trees are boosted: longer than for a search by default, with all features.
    seed : int
        Decides the folds and the trainings.

    Returns
    -------
    Closure

    Raises
    ------
    InputError
        If the features do not match, values are not finite, or events are too few.
    ConfigError
        If there are fewer than 3 folds.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> real, shifted = rng.normal(size=(200, 1)), rng.normal(3.0, size=(200, 1))
    >>> few = BoostingHyper(iterations=5, events_per_leaf=20)
    >>> closure(real, shifted, folds=3, hyper=few, seed=1).auc > 0.9
    True
    """
    if real.ndim != 2 or generated.ndim != 2 or real.shape[1] != generated.shape[1]:
        msg = f"real {real.shape} and generated {generated.shape} must be (n_events, n_features)"
        raise InputError(msg)
    if folds < 3:
        msg = f"closure needs at least 3 folds, to train, to stop and to test, not {folds}"
        raise ConfigError(msg)
    fewest = min(len(real), len(generated))
    if fewest < 2 * folds * hyper.events_per_leaf:
        msg = (
            f"closure: {fewest} events are too few for {folds} folds and {hyper.events_per_leaf} events "
            f"a leaf; give at least {2 * folds * hyper.events_per_leaf} of each kind"
        )
        raise InputError(msg)
    x = np.concatenate([real, generated]).astype(np.float32)
    if not np.isfinite(x).all():
        msg = f"closure: {np.count_nonzero(~np.isfinite(x))} values are NaN or infinite"
        raise InputError(msg)
    y = np.arange(len(x)) >= len(real)
    weight = np.where(y, len(x) / (2 * len(generated)), len(x) / (2 * len(real)))
    rng = np.random.default_rng(seed)
    fold = np.empty(len(x), np.int64)
    for of_kind in (~y, y):
        n = np.count_nonzero(of_kind)
        fold[of_kind] = rng.permutation(np.arange(n) % folds)
    values, errors = [], []
    for each in range(folds):
        others, mine = np.flatnonzero(fold != each), fold == each
        stops = fold[others] == (each + 1) % folds
        bins = OrderedFeatures.of(x[others]).binned(
            np.where(stops, 0.0, weight[others]), hyper.bins
        )
        trees = fit_trees(
            bins,
            y[others],
            weight[others],
            stops,
            seed=int(rng.integers(2**32)),
            hyper=hyper,
        )
        score = trees.score(x[mine])
        value, error = auc_with_error(score, y[mine])
        values.append(value)
        errors.append(error)
    return Closure(
        auc=float(np.mean(values)),
        error=float(np.sqrt(np.sum(np.square(errors))) / folds),
        folds=tuple(values),
        n_real=len(real),
        n_generated=len(generated),
    )


def auc_with_error(score: NDArray[np.floating], label: NDArray[np.generic]) -> tuple[float, float]:
    r"""Return the area under the ROC curve and its statistical error.

    The error is that of DeLong, DeLong and Clarke-Pearson (Biometrics 44 (1988) 837): with
    :math:`V_i` the fraction of background below signal event i and :math:`W_j` the fraction of
    signal above background event j, equal scores counting one half,

    .. math:: \sigma^2 = \mathrm{var}(V) / n_S + \mathrm{var}(W) / n_B.

    Parameters
    ----------
    score : ndarray, shape (n_events,)
        Larger is more anomalous.
    label : ndarray, shape (n_events,)
        1 or True for signal.

    Raises
    ------
    InputError
        If there are fewer than two events of one kind.
    """
    truth = np.asarray(label).astype(bool)
    signal, background = np.sort(score[truth]), np.sort(score[~truth])
    if min(len(signal), len(background)) < 2:
        msg = f"an AUC needs two events of each kind, found {len(signal)} and {len(background)}"
        raise InputError(msg)
    below = _fraction_below(background, signal)
    above = 1 - _fraction_below(signal, background)
    variance = below.var(ddof=1) / len(signal) + above.var(ddof=1) / len(background)
    return float(below.mean()), float(np.sqrt(variance))


def _fraction_below(
    ordered: NDArray[np.floating], values: NDArray[np.floating]
) -> NDArray[np.float64]:
    """Return which fraction of ordered numbers lies below each value; equal ones count half."""
    left, right = (np.searchsorted(ordered, values, side=side) for side in ("left", "right"))
    return (left + right) / (2 * len(ordered))
