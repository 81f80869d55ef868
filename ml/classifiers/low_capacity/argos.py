"""The kind of classifier that is best by ARGOS's metric, which needs no truth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ....core import ConfigError
from ...hyper_checks import refuse_unusable
from ...training.watching import watch
from ..kinds import (
    CLASSIFIERS,
    Classifier,
    ClassifierKind,
    Ensemble,
    EnsembleHyper,
    register_classifier,
)

__all__ = ["ArgosHyper", "BestByArgos", "ChosenClassifier", "argos_metric"]


@dataclass(frozen=True)
class ArgosHyper:
    """Between which kinds is chosen, and where they are compared.

    Attributes
    ----------
    kinds : tuple of str
        Registered kinds that need features alone; each with its default settings.
    efficiencies : tuple of float
        Efficiencies of the second class (sidebands, samples) at which the metric is taken; the mean
        decides.

    Raises
    ------
    ConfigError
        If a value cannot be used.
    """

    kinds: tuple[str, ...] = ("trees", "quadratic")
    efficiencies: tuple[float, ...] = (0.3, 0.1, 0.03)

    def __post_init__(self) -> None:
        object.__setattr__(self, "kinds", tuple(self.kinds))
        object.__setattr__(self, "efficiencies", tuple(self.efficiencies))
        refuse_unusable(
            "argos",
            self,
            kinds=bool(self.kinds) and "argos" not in self.kinds,
            efficiencies=bool(self.efficiencies) and all(0 < e < 1 for e in self.efficiencies),
        )
        for name in self.kinds:
            if CLASSIFIERS.find(name).needs != ("features",):
                msg = f"argos: kinds: {name!r} needs more than features; leave it out"
                raise ConfigError(msg)


@dataclass(frozen=True, eq=False)
class ChosenClassifier:
    """The ensemble of the kind that was chosen.

    Attributes
    ----------
    kind : str
        Its name.
    classifier : Classifier
        The ensemble.
    """

    kind: str
    classifier: Classifier

    def score(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the mean probability; see :class:`Classifier`."""
        return self.classifier.score(x)

    def log_odds(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the log-odds of the mean probability; see :class:`Classifier`."""
        return self.classifier.log_odds(x)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return all that was learnt, and the name of the kind."""
        return {"kind": np.array(self.kind, np.str_)} | self.classifier.arrays()


@register_classifier("argos")
class BestByArgos(ClassifierKind):
    """Trains several kinds, and keeps that with the largest metric on events it has not seen.

    The training events are two halves. Each kind is trained on either and judged on the other by
    :func:`argos_metric`; the best one is then trained on all. Only training events have a say, and
    cross-fitting never scores these: whatever is chosen in a fold, its p-values stay calibrated, and no
    trial is added.
    """

    bags_features: ClassVar[bool] = True
    Hyper: ClassVar[type[ArgosHyper]] = ArgosHyper

    def fit(
        self,
        x: NDArray[np.float32],
        y: NDArray[np.bool_],
        weight: NDArray[np.float64],
        inner: NDArray[np.int64],
        *,
        hyper: EnsembleHyper,
        seed: int,
    ) -> ChosenClassifier:
        """Choose a kind and train it; see :meth:`ClassifierKind.fit`."""
        # Events are in the order of their ids, so every second one is a random half of both classes.
        half = np.arange(len(x)) % 2
        metric: dict[str, float] = {}
        for name in hyper.settings.kinds:
            judged = np.empty(len(x))
            for part in (0, 1):
                learnt = half == part
                of_half = x[learnt], y[learnt], weight[learnt], inner[learnt]
                with watch():  # the record of trainings is of those that score
                    model = _trained(name, *of_half, hyper, seed)
                judged[~learnt] = model.score(x[~learnt])
            each = [
                argos_metric(judged[part], y[part], weight[part], hyper.settings.efficiencies)
                for part in (half == 0, half == 1)
            ]
            metric[name] = float(np.mean(each))
        best = max(metric, key=lambda name: metric[name])  # of equal ones the first
        return ChosenClassifier(best, _trained(best, x, y, weight, inner, hyper, seed))

    def restore(
        self, arrays: Mapping[str, NDArray[Any]], *, hyper: EnsembleHyper
    ) -> ChosenClassifier:
        """Return the ensemble that these arrays are of."""
        name = str(arrays["kind"])
        kind = CLASSIFIERS.find(name)
        return ChosenClassifier(name, kind().restore(arrays, hyper=_with_defaults(hyper, kind)))


def argos_metric(
    score: NDArray[np.floating[Any]],
    y: NDArray[np.bool_],
    weight: NDArray[np.float64],
    efficiencies: tuple[float, ...],
) -> float:
    r"""Return ARGOS's metric (arXiv:2511.14832), the mean over background efficiencies.

    .. math:: \epsilon_\mathrm{SR} / \sqrt{\epsilon_\mathrm{BT}} - \sqrt{\epsilon_\mathrm{BT}}

    of the efficiencies of signal region and background template. It is zero for a score that says
    nothing; with a fraction f of signal and an ideal template it is
    :math:`f\,(\mathrm{SIC} - \sqrt{\epsilon_\mathrm{BT}})`, monotonic with the improvement of
    significance SIC.

    Parameters
    ----------
    score : ndarray of shape (n_events,)
        Of events that were not trained on.
    y : ndarray of bool, shape (n_events,)
        Signal region, or its background template.
    weight : ndarray of float64, shape (n_events,)
        Event weights.
    efficiencies : tuple of float
        Of the template.

    Examples
    --------
    >>> y = np.arange(4000) % 2 == 0
    >>> abs(argos_metric(np.arange(4000.0), y, np.ones(4000), (0.5,))) < 0.01
    True
    >>> round(argos_metric(np.arange(4000.0) + 9000 * y, y, np.ones(4000), (0.25,)), 2)
    1.5
    """
    order = np.argsort(-score[~y], kind="stable")
    share = np.cumsum(weight[~y][order])
    ordered, total = score[~y][order], weight[y].sum()
    found = []
    for efficiency in efficiencies:
        last = min(int(np.searchsorted(share, efficiency * share[-1])), len(ordered) - 1)
        passed = weight[y][score[y] > ordered[last]].sum() / total
        found.append(passed / np.sqrt(efficiency) - np.sqrt(efficiency))
    return float(np.mean(found))


def _with_defaults(hyper: EnsembleHyper, kind: type[ClassifierKind]) -> Ensemble:
    """Return the same ensemble of another kind, with the default settings of that."""
    return Ensemble(hyper.inner_folds, hyper.members, hyper.feature_fraction, kind.Hyper())


def _trained(  # noqa: PLR0917 - what `ClassifierKind.fit` is given
    name: str,
    x: NDArray[np.float32],
    y: NDArray[np.bool_],
    weight: NDArray[np.float64],
    inner: NDArray[np.int64],
    hyper: EnsembleHyper,
    seed: int,
) -> Classifier:
    kind = CLASSIFIERS.find(name)
    return kind().fit(x, y, weight, inner, hyper=_with_defaults(hyper, kind), seed=seed)
