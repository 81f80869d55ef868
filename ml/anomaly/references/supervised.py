"""The supervised classifier: what could be reached if the signal were known."""

from __future__ import annotations

from typing import ClassVar

from ....core.windows import Window
from ...classifiers.ensemble import balance_classes
from ...method import Need, register
from ...sample import Sample
from ..classifier_method import ClassifierMethod, ClassifyingHyper, Task, refuse_few_events, truth

__all__ = ["Supervised"]


@register
class Supervised(ClassifierMethod[ClassifyingHyper]):
    """Signal against background by the truth, in the signal region: the ceiling of all methods."""

    name: ClassVar[str] = "supervised"
    needs: ClassVar[tuple[Need, ...]] = ("features", "labels")
    source: ClassVar[str] = (
        "Supervised reference, LHC Olympics 2020 (arXiv:2101.08320), figure 42; boosted trees as in "
        "arXiv:2309.13111"
    )
    Hyper: ClassVar[type[ClassifyingHyper]] = ClassifyingHyper

    def _task(self, data: Sample, window: Window, simulation: Sample | None, seed: int) -> Task:
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
            inner_folds=self._ensemble.inner_folds,
            seed=seed,
        )
        data.refuse_constant_features()
        return Task(self._inputs(data), signal, balance_classes(signal, data.weight), data.event)
