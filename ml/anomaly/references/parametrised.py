"""The parametrised classifier: one model for all masses of a signal, the hypothesis its input."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from ....core import ConfigError, InputError
from ....core.windows import Window
from ...classifiers.ensemble import inputs_for
from ...classifiers.kinds import Shown
from ...method import Need, register_method
from ...sample import Sample, truth
from ..classifier_method import (
    FEW_TREES,
    ClassifierMethod,
    ClassifyingHyper,
    refuse_few_events,
)

__all__ = ["Parametrised", "ParametrisedHyper"]


@dataclass(frozen=True)
class ParametrisedHyper(ClassifyingHyper):
    """Hyperparameters of the parametrised classifier.

    Attributes
    ----------
    masses : tuple of float
        Signal masses in GeV: events labelled 1 are signal of the first, 2 of the second, and so on.
        Empty: the median resonant mass of the signal events with each label.
    """

    masses: tuple[float, ...] = ()


@register_method("parametrised")
class Parametrised(ClassifierMethod[ParametrisedHyper]):
    """Signals of several masses against background, with the mass hypothesis as an input.

    Signal events carry the mass they were made with; background has none and is given one of these
    at random, in the same proportions, so that the input alone tells nothing. A window is scored
    with its center as the hypothesis, between the trained masses by interpolation.
    """

    needs: tuple[Need, ...] = ("features", "labels")
    source: ClassVar[str] = (
        "Parametrised networks: G. Kasieczka, talk at ACAT 2022; P. Baldi et al., arXiv:1601.07913"
    )
    Hyper: ClassVar[type[ParametrisedHyper]] = ParametrisedHyper
    signals: ClassVar[int] = 2
    fast: ClassVar[Mapping[str, Any]] = {"classifier": FEW_TREES, "masses": (3500.0, 4200.0)}
    _hypothesis = 0.0

    def fit(
        self, data: Sample, window: Window, *, simulation: Sample | None = None, seed: int
    ) -> Self:
        """Learn all masses, to score at the center of the window; see :meth:`Method.fit`."""
        self._hypothesis = window.center
        del simulation  # the truth says which events are background
        label = truth(self.name, data)
        refuse_few_events(
            {
                "signal region": window.signal(data.mass),
                "sample that are labelled signal": label != 0,
                "sample that are labelled background": label == 0,
            },
            data.event,
            window,
            min_events=self.hyper.min_events,
            inner_folds=self.hyper.classifier.inner_folds,
            seed=seed,
        )
        data.refuse_constant_features()
        masses = self._masses(data, label)
        if not masses.min() <= window.center <= masses.max():
            msg = (
                f"window {window}: its center of {window.center:.0f} GeV is not among the signal "
                f"masses of {masses.min():.0f} to {masses.max():.0f} GeV that method {self.name!r} "
                "learns from; give signals of lower and higher mass"
            )
            raise InputError(msg)
        signal = label != 0
        which = np.zeros(len(data), np.int64)
        which[signal] = np.unique(label[signal], return_inverse=True)[1]
        rng = np.random.default_rng([seed, 4])
        which[~signal] = rng.choice(which[signal], np.count_nonzero(~signal))
        weight = _balanced(signal, which, data.weight)
        x = self._with(data, masses[which])
        return self._tell_apart(data, signal, weight, seed=seed, x=x)

    def score(self, data: Sample) -> NDArray[np.float32]:
        """Return the mean probability under the hypothesis; see :meth:`Method.score`."""
        self.refuse_unlike(data)
        hypothesis = np.full(len(data), self._hypothesis)
        return self._classifier.score(self._with(data, hypothesis))

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return all that was learnt; see :meth:`Method.arrays`."""
        return super().arrays() | {"hypothesis": np.array(self._hypothesis)}

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over what :meth:`arrays` returned."""
        super().restore(arrays)
        self._hypothesis = float(arrays["hypothesis"])

    def _with(self, data: Sample, hypothesis: NDArray[np.float64]) -> Shown:
        column = hypothesis.astype(np.float32)[:, None]
        features = np.hstack([self.hyper.inputs(data), column])
        return inputs_for(self.hyper.classifier, features, data.blocks)

    def _masses(self, data: Sample, label: NDArray[np.int8]) -> NDArray[np.float64]:
        """Return the mass of each signal label present, in the order of the labels."""
        labels = np.unique(label[label != 0])
        given = self.hyper.masses
        if given and labels.max() > len(given):
            msg = (
                f"method {self.name!r}: events labelled {labels.max()} are signal of no known mass: "
                f"masses has {len(given)}; give one for each label"
            )
            raise ConfigError(msg)
        if given:
            masses = np.array(given)[labels - 1]
        else:
            masses = np.array([np.median(data.mass[label == each]) for each in labels])
        if len(np.unique(masses)) < 2:
            msg = (
                f"method {self.name!r} needs signals of at least two masses, labelled 1, 2, …; "
                "with one, use 'supervised'"
            )
            raise InputError(msg)
        return masses


def _balanced(
    signal: NDArray[np.bool_], which: NDArray[np.int64], weight: NDArray[np.float64] | None
) -> NDArray[np.float64]:
    """Return weights, 1 on average: every hypothesis counts the same, and in it both classes."""
    balanced = np.ones(len(signal)) if weight is None else weight.copy()
    hypotheses = np.unique(which)
    for hypothesis in hypotheses:
        for of_class in (signal, ~signal):
            members = of_class & (which == hypothesis)
            balanced[members] *= len(signal) / (2 * len(hypotheses) * balanced[members].sum())
    return balanced
