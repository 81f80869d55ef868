"""CWoLa hunting: signal region against sidebands, with the nested scheme of the LHC Olympics."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from ....core.windows import Window
from ...method import register_method
from ...sample import Sample
from ..classifier_method import ClassifierMethod, ClassifyingHyper, refuse_few_events

__all__ = ["CwolaHunting", "CwolaTrees", "balanced_weights"]

SOURCE = "CWoLa hunting, LHC Olympics 2020 (arXiv:2101.08320), section 4.1; arXiv:1902.02634"


class CwolaHunting(ClassifierMethod[ClassifyingHyper]):
    """The nested scheme: each inner fold is the validation set of one part of the ensemble."""

    def fit(
        self, data: Sample, window: Window, *, simulation: Sample | None = None, seed: int
    ) -> Self:
        """Learn to tell the signal region from its sidebands; see :meth:`Method.fit`."""
        del simulation  # everything is learnt from data
        data = data.take((data.mass >= window.sideband_low) & (data.mass < window.sideband_high))
        refuse_few_events(
            window.regions(data.mass),
            data.event,
            window,
            min_events=self.hyper.min_events,
            inner_folds=self.hyper.classifier.inner_folds,
            seed=seed,
        )
        data.refuse_constant_features()
        signal, weight = window.signal(data.mass), balanced_weights(data, window)
        return self._tell_apart(data, signal, weight, seed=seed)


@register_method("cwola")
class CwolaTrees(CwolaHunting):
    """CWoLa hunting with ensembles of gradient-boosted trees: sensitive, and fast on any CPU.

    The published scheme with another classifier: where the paper keeps the best of three networks
    an inner fold, the trees of an inner fold are averaged, since the best of a few is mostly a
    statistical fluctuation.
    """

    source: ClassVar[str] = f"{SOURCE}; boosted trees as in arXiv:2309.13111"
    Hyper: ClassVar[type[ClassifyingHyper]] = ClassifyingHyper
    fast: ClassVar[Mapping[str, Any]] = {"classifier": {"trees": {"events_per_leaf": 20}}}


def balanced_weights(data: Sample, window: Window) -> NDArray[np.float64]:
    """Return weights under which both sidebands count the same, together as the signal region.

    Event weights of the sample are kept within each region. The mean weight is 1
    (arXiv:2101.08320, section 4.1.1).

    Parameters
    ----------
    data : Sample
        Events of the window only.
    window : Window
        Its regions.

    Returns
    -------
    ndarray of float64, shape (n_events,)
    """
    weight = data.weights.copy()
    shares = {window.signal: 0.5, window.lower: 0.25, window.upper: 0.25}
    for region, share in shares.items():
        inside = region(data.mass)
        weight[inside] *= share * len(data) / weight[inside].sum()
    return weight
