"""LaCATHODE: CATHODE in the latent space of its flow, where background is the same at all masses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ....core.windows import Window
from ...method import register_method
from .cathode import FEW_SAMPLES, CathodeHyper, DataAgainstSamples

__all__ = ["LaCathode"]


@register_method("lacathode")
class LaCathode(DataAgainstSamples[CathodeHyper]):
    """LaCATHODE: data of the SR, mapped to the latent space of the flow, against a normal.

    The flow maps background of every mass to the same standard normal distribution. A classifier
    that works there cannot prefer background of one mass to that of another: the spectrum it leaves
    is not sculpted, inside of the signal region or outside.
    """

    source: ClassVar[str] = (
        "LaCATHODE, A. Hallin et al., arXiv:2210.14924; classifier by boosted trees as in "
        "arXiv:2309.13111"
    )
    Hyper: ClassVar[type[CathodeHyper]] = CathodeHyper
    fast: ClassVar[Mapping[str, Any]] = FEW_SAMPLES

    def _learn(
        self,
        x: NDArray[np.float32],
        mass: NDArray[np.float64],
        weight: NDArray[np.float64] | None,
        window: Window,
        seed: int,
    ) -> None:
        del window
        rng = np.random.default_rng(seed)
        of_classifier = int(rng.integers(2**32))
        normal = rng.standard_normal((self._n_samples(len(x)), x.shape[1]), dtype=np.float32)
        self._classify(self._flow.latent(x, mass), weight, normal, of_classifier)

    def _log_ratio(self, x: NDArray[np.float32], mass: NDArray[np.float64]) -> NDArray[np.float32]:
        return self._classifier.log_odds(self._flow.latent(x, mass))
