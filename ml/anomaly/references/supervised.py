"""The supervised classifier: what could be reached if the signal were known."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

from ....core.windows import Window
from ...classifiers.ensemble import balance_classes
from ...method import Need, register_method
from ...sample import Sample, truth
from ..classifier_method import (
    FEW_TREES,
    ClassifierMethod,
    ClassifyingHyper,
    refuse_few_events,
)

__all__ = ["Supervised"]


@register_method("supervised")
class Supervised(ClassifierMethod[ClassifyingHyper]):
    """Signal against background by the truth, in the signal region: the ceiling of all methods."""

    needs: tuple[Need, ...] = ("features", "labels")
    source: ClassVar[str] = (
        "Supervised reference, LHC Olympics 2020 (arXiv:2101.08320), figure 42; boosted trees as in "
        "arXiv:2309.13111"
    )
    Hyper: ClassVar[type[ClassifyingHyper]] = ClassifyingHyper
    fast: ClassVar[Mapping[str, Any]] = {"classifier": FEW_TREES}

    def fit(
        self, data: Sample, window: Window, *, simulation: Sample | None = None, seed: int
    ) -> Self:
        """Learn to tell signal from background; see :meth:`Method.fit`."""
        del simulation  # the truth says which events are background
        data = data.take(window.signal(data.mass))
        signal = truth(self.name, data) != 0
        refuse_few_events(
            {
                "signal region": signal | ~signal,
                "signal region that are labelled signal": signal,
                "signal region that are labelled background": ~signal,
            },
            data.event,
            window,
            min_events=self.hyper.min_events,
            inner_folds=self.hyper.classifier.inner_folds,
            seed=seed,
        )
        data.refuse_constant_features()
        return self._tell_apart(data, signal, balance_classes(signal, data.weight), seed=seed)
