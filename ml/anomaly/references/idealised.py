"""The idealised detector: data against a perfect simulation of their background."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

from ....core.windows import Window
from ...classifiers.ensemble import balance_classes
from ...method import Need, register_method
from ...sample import Sample, simulated
from ..classifier_method import (
    FEW_TREES,
    ClassifierMethod,
    ClassifyingHyper,
    data_and_simulation,
)

__all__ = ["Idealised"]


@register_method("idealised")
class Idealised(ClassifierMethod[ClassifyingHyper]):
    """Data against simulation in the signal region: with true background, the weakly supervised ceiling.

    A simulation that differs from the background of the data is learnt in place of the signal;
    :class:`~overdensity.ml.anomaly.weak_supervision.salad.Salad` corrects it first.
    """

    needs: tuple[Need, ...] = ("features", "simulation")
    source: ClassVar[str] = (
        "Idealised anomaly detector, arXiv:2109.00546 ('optimal CWoLa' in LHC Olympics 2020, "
        "arXiv:2101.08320, figure 42); boosted trees as in arXiv:2309.13111"
    )
    Hyper: ClassVar[type[ClassifyingHyper]] = ClassifyingHyper
    fast: ClassVar[Mapping[str, Any]] = {"classifier": FEW_TREES}

    def fit(
        self, data: Sample, window: Window, *, simulation: Sample | None = None, seed: int
    ) -> Self:
        """Learn to tell data from simulation; see :meth:`Method.fit`."""
        both, real = data_and_simulation(
            data,
            window,
            simulated(self.name, simulation),
            min_events=self.hyper.min_events,
            inner_folds=self.hyper.classifier.inner_folds,
            seed=seed,
        )
        return self._tell_apart(both, real, balance_classes(real, both.weight), seed=seed)
