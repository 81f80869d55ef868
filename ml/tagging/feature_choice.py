"""The few features that tell a signature as well as many: chosen one by one by distance correlation."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri
from scipy.stats import rankdata

from ...core import ConfigError, InputError, Record
from ...core.identity import content_ids, hex_digest
from ...core.progress_bar import progress
from ..classifiers.ensemble import ClassifierHyper, balance_classes, fit_classifier
from ..evaluation.metrics import auc, rejection
from ..folds import fold_of
from ..hyper_checks import refuse_unusable
from ..hyperparameters import replaced

__all__ = ["ChoiceHyper", "ChosenFeature", "FeatureChoice", "choose_features"]

_PARTS = 3  # two that learn and choose, each scored by the other; one that tests
_SAME = 1e-6  # of normal scores: such features are one
_FEWEST = 50  # confused jets, below which nothing is left to choose by
_NETWORKS = {
    "layers": 2,
    "width": 32,
    "activation": "relu",
    "dropout": 0.0,
    "judge": "loss",
    "beta1": 0.9,
    "decay": 0.0,
    "epochs": 60,
    "patience": 10,
}


@dataclass(frozen=True)
class ChoiceHyper:
    """How features are chosen: R. Das, G. Kasieczka, D. Shih, arXiv:2212.00046 (DisCo-FFS).

    Attributes
    ----------
    most : int
        Features to choose, beside those at the start.
    low, high : float
        Jets with a score between them are confused: by them the next feature is chosen.
    jets : int
        The most of these that are looked at; pairs of them are made.

    Raises
    ------
    ConfigError
        If a value cannot be used.

    Examples
    --------
    >>> ChoiceHyper().low, ChoiceHyper().high
    (0.3, 0.7)
    """

    most: int = 10
    low: float = 0.3
    high: float = 0.7
    jets: int = 2000

    def __post_init__(self) -> None:
        refuse_unusable(
            "select",
            self,
            most=self.most >= 1,
            low=0 <= self.low < self.high,
            high=self.high <= 1,
            jets=self.jets >= _FEWEST,
        )


@dataclass(frozen=True)
class ChosenFeature(Record):
    """A feature that was chosen, and what all up to it reach on jets that had no part in it.

    Attributes
    ----------
    name : str
        The feature; of the first entry those at the start.
    dcorr : float or None
        Distance correlation of all features up to it with the truth, of confused jets.
    confused : int
        How many jets these were.
    auc, rejection_50, rejection_30 : float or None
        Of a classifier on the features up to it; a rejection is None where no background passes.
    background : int or None
        Background jets of which these are; None in files of before they were counted.
    """

    name: str
    dcorr: float | None
    confused: int
    auc: float
    rejection_50: float | None
    rejection_30: float | None
    background: int | None = None


@dataclass(frozen=True)
class FeatureChoice(Record):
    """The features that were chosen: what ``overdensity tag select`` writes.

    Attributes
    ----------
    names : tuple of str
        The features, those at the start first.
    rounds : tuple of ChosenFeature
        What each added.
    """

    names: tuple[str, ...]
    rounds: tuple[ChosenFeature, ...]
    made_by = "overdensity tag select"


@dataclass(frozen=True)
class _Unfinished(Record):
    """Where a choice stands before a round: another process goes on from it, and ends as this would."""

    key: str
    known: tuple[int, ...]
    rounds: tuple[ChosenFeature, ...]
    chosen: str
    dcorr: float | None
    confused: int
    random: str


def choose_features(
    x: NDArray[np.float32],
    names: Sequence[str],
    signal: NDArray[np.bool_],
    event: NDArray[np.uint64],
    *,
    start: Sequence[str],
    hyper: ChoiceHyper | None = None,
    seed: int = 1,
    unfinished: Path | None = None,
) -> FeatureChoice:
    """Choose features one by one.

    In each round networks learn the features that are there, in two halves that score each other. Of the
    jets that they confuse, that candidate is taken which, together with the known features, has
    the largest distance correlation with the truth. A third part of the events tests.

    Parameters
    ----------
    x : ndarray of float32, shape (n_jets, n_features)
        Candidates, and those at the start. Only their ranks count.
    names : sequence of str
        Of the columns.
    signal : ndarray of bool, shape (n_jets,)
        The truth.
    event : ndarray of uint64, shape (n_jets,)
        Ids, by which jets are divided.
    start : sequence of str
        Features that are there before the first round; may be none.
    hyper : ChoiceHyper, optional
        By default the published one.
    seed : int
        Decides the parts and the networks.
    unfinished : Path, optional
        A file that is written before each round: a choice of the same features among the same jets
        that was interrupted goes on from it.

    Raises
    ------
    ConfigError
        If a feature at the start is not there.
    InputError
        If a class is missing in a part, or a value is not finite.
    """
    hyper = ChoiceHyper() if hyper is None else hyper
    names = list(names)
    known = [_place(name, names) for name in start]
    if not np.isfinite(x).all():
        bad = names[int(np.argmin(np.isfinite(x).all(axis=0)))]
        msg = f"column {bad!r} has values that are NaN or infinite; repair it, or leave it out"
        raise InputError(msg)
    scores = np.stack([_normal(column) for column in x.T], axis=1).astype(np.float32)
    part = _divided(event, signal, seed)
    rng = np.random.default_rng([seed, 5])
    at = _Unfinished(
        key=_key(x, signal, event, names, start, asdict(hyper), seed),
        known=tuple(known),
        rounds=(),
        chosen=", ".join(start),
        dcorr=None,
        confused=int(np.count_nonzero(part < 2)),
        random=json.dumps(rng.bit_generator.state),
    )
    before = None if unfinished is None else _Unfinished.earlier(unfinished)
    if before is not None and before.key == at.key:
        at, rng.bit_generator.state = before, json.loads(before.random)
    with progress("choosing", hyper.most, unit="features") as advance:
        advance(len(at.known) - len(start))
        while True:
            if unfinished is not None:
                at.to_json(unfinished)
            known, score = list(at.known), np.full(len(x), 0.5)
            if known:
                score = _out_of_sample(scores[:, known], signal, part, seed)
            reached = _reached(score, signal, part)
            rounds = (*at.rounds, ChosenFeature(at.chosen, at.dcorr, at.confused, **reached))
            confused = np.flatnonzero((score >= hyper.low) & (score <= hyper.high) & (part < 2))
            confused = rng.permutation(confused)[: hyper.jets]
            left = _different(scores, known)
            if len(known) - len(start) == hyper.most or len(confused) < _FEWEST or not left:
                return FeatureChoice(tuple(names[k] for k in known), rounds)
            best, dcorr = _best(scores[confused], signal[confused], known, left)
            at = replace(
                at,
                known=(*known, best),
                rounds=rounds,
                chosen=names[best],
                dcorr=dcorr,
                confused=len(confused),
                random=json.dumps(rng.bit_generator.state),
            )
            advance(1)


def _divided(event: NDArray[np.uint64], signal: NDArray[np.bool_], seed: int) -> NDArray[np.int64]:
    """Return the part of each jet, or say that one of them has a single class."""
    part = fold_of(event, _PARTS, seed=seed, salt="select")
    for each in range(_PARTS):
        if len(np.unique(signal[part == each])) < 2:
            msg = f"{len(signal)} jets leave a part of them without one class; give more"
            raise InputError(msg)
    return part


def _best(
    scores: NDArray[np.float32], signal: NDArray[np.bool_], known: list[int], left: list[int]
) -> tuple[int, float]:
    """Return the candidate that goes best with the known features, and their distance correlation."""
    import torch  # noqa: PLC0415

    from ..losses.distance_correlation import distance_correlation  # noqa: PLC0415 - imports torch

    truth = torch.from_numpy(signal.astype(np.float64))
    found = {
        k: float(distance_correlation(torch.from_numpy(scores[:, [*known, k]]).double(), truth))
        for k in left
    }
    best = max(found, key=found.__getitem__)
    return best, found[best]


def _key(
    x: NDArray[np.float32], signal: NDArray[np.bool_], event: NDArray[np.uint64], *settings: Any
) -> str:
    """Return a name for all that a choice follows from."""
    jets = content_ids(*x.T)
    return hex_digest(*(a.tobytes() for a in (jets, signal, event)), json.dumps(settings).encode())


def _place(name: str, names: Sequence[str]) -> int:
    if name not in names:
        msg = f"{name!r} is to be known at the start, and is none of the columns"
        raise ConfigError(msg)
    return names.index(name)


def _normal(column: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return normal scores: quantiles of the normal distribution at the ranks."""
    return ndtri((rankdata(column) - 0.5) / len(column))


def _different(scores: NDArray[np.float32], known: list[int]) -> list[int]:
    """Return the candidates that are neither constant nor the same as a known feature."""
    some = scores[:10_000]
    return [
        k
        for k in range(scores.shape[1])
        if k not in known
        and np.ptp(some[:, k]) > _SAME
        and all(np.abs(some[:, k] - some[:, j]).max() > _SAME for j in known)
    ]


def _out_of_sample(
    x: NDArray[np.float32], signal: NDArray[np.bool_], part: NDArray[np.int64], seed: int
) -> NDArray[np.float64]:
    """Return a score of each jet, by networks that have not seen it; the test has the mean of both."""
    settings = {"kind": "networks", "inner_folds": 2, "members": 1, "networks": _NETWORKS}
    hyper = replaced(ClassifierHyper(), settings, of="select")
    score = np.zeros(len(x))
    for half in (0, 1):
        learn = part == half
        fitted = fit_classifier(
            x[learn], signal[learn], weight=balance_classes(signal[learn]), hyper=hyper, seed=seed
        )
        score[~learn] += fitted.score(x[~learn]) * np.where(part[~learn] == 2, 0.5, 1.0)
    return score


def _reached(
    score: NDArray[np.float64], signal: NDArray[np.bool_], part: NDArray[np.int64]
) -> dict[str, Any]:
    """Return the figures of a round, on the part that tests."""
    test = part == 2
    label = signal[test].astype(np.int8)
    found = {f"rejection_{each}": rejection(score[test], label, each / 100) for each in (50, 30)}
    finite = {name: each if np.isfinite(each) else None for name, each in found.items()}
    background = int(np.count_nonzero(label == 0))
    return {"auc": auc(score[test], label), "background": background, **finite}
