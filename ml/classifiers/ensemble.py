"""One interface to both kinds of classifier: ensembles of boosted trees, and of networks."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, Self

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import logit

from ...core import ConfigError, InputError
from ..folds import fold_of
from ..training.bank import Bank, BankHyper, pick_device, train_bank
from ..training.calibration_of_scores import reliability
from ..training.watching import is_watched, watcher
from .trees import BoostingHyper, TreeEnsemble, fit_trees

__all__ = [
    "Classifier",
    "ClassifierHyper",
    "NetworkEnsemble",
    "NetworkHyper",
    "balance_classes",
    "classifier_from_arrays",
    "fit_classifier",
]

_KINDS = ("trees", "networks")


class Classifier(Protocol):
    """What a fitted ensemble can do."""

    def log_odds(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the log-odds of the mean probability, (n_events,), for (n_events, n_features).

        Trained with weights by which both classes count the same (:func:`balance_classes`), this is
        the logarithm of the ratio of their densities.
        """
        ...

    def score(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the mean probability of the first class, shape (n_events,)."""
        ...

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return all that was learnt; :func:`classifier_from_arrays` takes it back."""
        ...


@dataclass(frozen=True)
class NetworkHyper(BankHyper):
    """How networks look and learn; defaults of the CATHODE classifier (arXiv:2109.00546, §III B).

    Attributes
    ----------
    restarts : int
        Trainings a member, of which the best on its validation events is kept.
    batch : int
        Events in a batch.
    device : str
        ``auto`` (the GPU where there is one), ``cpu`` or ``cuda``.
    """

    layers: int = 3
    width: int = 64
    dropout: float = 0.0
    beta1: float = 0.9
    beta2: float = 0.999
    decay: float = 0.0
    epochs: int = 100
    patience: int = 100
    activation: str = "relu"
    judge: str = "loss"
    average: int = 10
    restarts: int = 1
    batch: int = 128
    device: str = "auto"

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("restarts", "batch"):
            if getattr(self, name) < 1:
                msg = f"networks: {name} = {getattr(self, name)} cannot be used"
                raise ConfigError(msg)


@dataclass(frozen=True)
class ClassifierHyper:
    """An ensemble of classifiers.

    Attributes
    ----------
    kind : {'trees', 'networks'}
        Gradient-boosted trees, or networks trained as one bank.
    inner_folds : int
        Each is the validation set of one part of the ensemble.
    members : int
        Classifiers an inner fold; all of them are averaged.
    feature_fraction : float
        Attribute bagging: the fraction of the features, drawn at random, that a member sees.
    trees : BoostingHyper
        Counts for ``trees``.
    networks : NetworkHyper
        Counts for ``networks``.

    Raises
    ------
    ConfigError
        If a value cannot be used.
    """

    kind: str = "trees"
    inner_folds: int = 4
    members: int = 2
    feature_fraction: float = 1.0
    trees: BoostingHyper = field(default_factory=BoostingHyper)
    networks: NetworkHyper = field(default_factory=NetworkHyper)

    def __post_init__(self) -> None:
        allowed = {
            "kind": self.kind in _KINDS,
            "inner_folds": self.inner_folds >= 2,
            "members": self.members >= 1,
            "feature_fraction": 0 < self.feature_fraction <= 1,
        }
        for name, good in allowed.items():
            if not good:
                msg = f"classifier: {name} = {getattr(self, name)!r} cannot be used"
                raise ConfigError(msg)


@dataclass(frozen=True, eq=False)
class NetworkEnsemble:
    """The mean output of a bank of networks.

    Attributes
    ----------
    bank : Bank
        The networks.
    mean, std : ndarray of float32, shape (n_features,)
        Features are standardised by them.
    device : str
        Where it runs.
    """

    bank: Bank
    mean: NDArray[np.float32]
    std: NDArray[np.float32]
    device: str = "auto"

    def log_odds(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the log-odds of the mean probability; see :class:`Classifier`."""
        probability = torch.sigmoid(self._logits(x).double()).mean(dim=0).cpu().numpy()
        return logit(probability).astype(np.float32)

    def score(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the mean probability; see :class:`Classifier`."""
        return torch.sigmoid(self._logits(x)).mean(dim=0).cpu().numpy()

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return all that was learnt; see :class:`Classifier`."""
        return {"mean": self.mean, "std": self.std} | self.bank.arrays()

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]], *, device: str = "auto") -> Self:
        """Take over what :meth:`arrays` returned."""
        return cls(Bank.from_arrays(arrays), arrays["mean"], arrays["std"], device)

    def _logits(self, x: NDArray[np.float32]) -> torch.Tensor:
        device = pick_device(self.device)
        standard = torch.as_tensor((x - self.mean) / self.std, device=device)
        return self.bank.to(device).predict(standard)


def fit_classifier(
    x: NDArray[np.float32],
    y: NDArray[np.bool_],
    *,
    weight: NDArray[np.float64],
    hyper: ClassifierHyper,
    seed: int,
    event: NDArray[np.uint64] | None = None,
) -> Classifier:
    """Train an ensemble to tell two classes apart, each member stopped on an inner fold.

    Parameters
    ----------
    x : ndarray of float32, shape (n_events, n_features)
        Features.
    y : ndarray of bool, shape (n_events,)
        Class.
    weight : ndarray of float64, shape (n_events,)
        Event weights, 1 on average (:func:`balance_classes`).
    hyper : ClassifierHyper
        The ensemble.
    seed : int
        All randomness comes from it.
    event : ndarray of uint64, shape (n_events,), optional
        Event ids, of which the inner folds are made; without them the folds are drawn.

    Returns
    -------
    Classifier

    Raises
    ------
    InputError
        If a feature is constant, a weight negative, or a class has no weight in an inner fold.
    """
    if event is None:
        inner = np.random.default_rng([seed, 2]).permutation(len(x)) % hyper.inner_folds
    else:
        inner = fold_of(event, hyper.inner_folds, seed=seed, salt="inner")
    _refuse_unusable(x, y, weight, inner, hyper.inner_folds)
    if hyper.kind == "trees":
        return _fit_trees(x, y, weight, inner, hyper=hyper, seed=seed)
    return _fit_networks(x, y, weight, inner, hyper=hyper, seed=seed)


def classifier_from_arrays(
    arrays: Mapping[str, NDArray[Any]], *, device: str = "auto"
) -> Classifier:
    """Take over what the ``arrays`` of either kind of ensemble returned."""
    if "root" in arrays:
        return TreeEnsemble.from_arrays(arrays)
    return NetworkEnsemble.from_arrays(arrays, device=device)


def balance_classes(
    y: NDArray[np.bool_], weight: NDArray[np.float64] | None = None
) -> NDArray[np.float64]:
    """Return weights, 1 on average, under which both classes count the same.

    Parameters
    ----------
    y : ndarray of bool, shape (n_events,)
        Class.
    weight : ndarray of float64, shape (n_events,), optional
        Event weights, kept within a class; all 1 if None.

    Returns
    -------
    ndarray of float64, shape (n_events,)
    """
    balanced = np.ones(len(y)) if weight is None else weight.astype(np.float64)
    for members in (y, ~y):
        balanced[members] *= 0.5 * len(y) / balanced[members].sum()
    return balanced


def _fit_trees(
    x: NDArray[np.float32],
    y: NDArray[np.bool_],
    weight: NDArray[np.float64],
    inner: NDArray[np.int64],
    *,
    hyper: ClassifierHyper,
    seed: int,
) -> TreeEnsemble:
    n = hyper.inner_folds * hyper.members
    seeds = np.random.SeedSequence(seed).generate_state(n).tolist()
    seen = _features_of_members(n, x.shape[1], hyper.feature_fraction, seed)
    columns = None if seen is None else [np.flatnonzero(each) for each in seen]
    fitted = [
        fit_trees(
            x if columns is None else np.ascontiguousarray(x[:, columns[i]]),
            y,
            weight,
            inner == i % hyper.inner_folds,
            seed=seeds[i],
            hyper=hyper.trees,
        )
        for i in range(n)
    ]

    def of_fold(fold: int) -> TreeEnsemble:
        members = slice(fold, None, hyper.inner_folds)
        return TreeEnsemble.from_classifiers(fitted[members], columns and columns[members])

    _note_reliability(of_fold, x, y, weight, inner)
    return TreeEnsemble.from_classifiers(fitted, columns)


def _fit_networks(
    x: NDArray[np.float32],
    y: NDArray[np.bool_],
    weight: NDArray[np.float64],
    inner: NDArray[np.int64],
    *,
    hyper: ClassifierHyper,
    seed: int,
) -> NetworkEnsemble:
    networks, n = hyper.networks, hyper.inner_folds * hyper.members
    mean = x.mean(axis=0, dtype=np.float64).astype(np.float32)
    std = x.std(axis=0, dtype=np.float64).astype(np.float32)
    validates = np.repeat(np.arange(hyper.inner_folds), hyper.members * networks.restarts)
    seeds = np.random.SeedSequence(seed).generate_state(len(validates) + 1).tolist()
    seen = _features_of_members(n, x.shape[1], hyper.feature_fraction, seed)
    bank, best = train_bank(
        (x - mean) / std,
        y,
        weight,
        inner != validates[:, None],
        seeds=seeds[1:],
        seed=seeds[0],
        steps=math.ceil(len(x) * (1 - 1 / hyper.inner_folds) / networks.batch),
        hyper=networks,
        features=None if seen is None else np.repeat(seen, networks.restarts, axis=0),
        device=networks.device,
    )
    winners = best.reshape(n, networks.restarts).argmax(axis=1) + np.arange(n) * networks.restarts
    epochs = np.arange(networks.average)[:, None] * len(validates)

    def of_winners(chosen: NDArray[np.int64]) -> NetworkEnsemble:
        return NetworkEnsemble(
            bank.take((epochs + chosen).ravel().tolist()), mean, std, networks.device
        )

    _note_reliability(
        lambda fold: of_winners(winners.reshape(hyper.inner_folds, -1)[fold]), x, y, weight, inner
    )
    return of_winners(winners)


def _note_reliability(
    of_fold: Callable[[int], Classifier],
    x: NDArray[np.float32],
    y: NDArray[np.bool_],
    weight: NDArray[np.float64],
    inner: NDArray[np.int64],
) -> None:
    """Show who watches how the members' probabilities hold on the events they have not learnt."""
    if not is_watched():
        return
    probability = np.empty(len(x))
    for fold in np.unique(inner):
        mine = inner == fold
        probability[mine] = of_fold(int(fold)).score(x[mine])
    watcher().reliability.append(reliability(probability, y, weight))


def _features_of_members(
    members: int, features: int, fraction: float, seed: int
) -> NDArray[np.bool_] | None:
    """Return which features a member sees, (members, features); None where these are all."""
    kept = max(1, round(fraction * features))
    if kept == features:
        return None
    rng = np.random.default_rng([seed, 3])
    return np.stack([rng.permutation(features) < kept for _ in range(members)])


def _refuse_unusable(
    x: NDArray[np.float32],
    y: NDArray[np.bool_],
    weight: NDArray[np.float64],
    inner: NDArray[np.int64],
    inner_folds: int,
) -> None:
    if np.any(weight < 0):
        msg = (
            f"classifier: {np.count_nonzero(weight < 0)} of {len(weight)} events have a negative "
            "weight; leave them out"
        )
        raise InputError(msg)
    for name, members in (("first", y), ("second", ~y)):
        least = np.bincount(inner, weights=weight * members, minlength=inner_folds).min()
        if least == 0:
            msg = (
                f"classifier: {np.count_nonzero(members)} events of the {name} class leave one of "
                f"{inner_folds} inner folds empty; use more events"
            )
            raise InputError(msg)
    constant = np.flatnonzero(np.all(x == x[0], axis=0))
    if len(constant):
        msg = f"classifier: feature {constant[0]} is always {x[0, constant[0]]:g}; leave it out"
        raise InputError(msg)
