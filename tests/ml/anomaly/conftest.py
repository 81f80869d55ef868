"""What tests of several methods ask: whether one finds an excess where there is none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from overdensity.ml import Folding, Method, Sample, Window, cross_fit
from overdensity.ml.contract import toy_sample
from overdensity.stats.selection.conformal import conformal_p


@pytest.fixture(scope="session")
def without_signal() -> Sample:
    """The toy search, its signal left out."""
    return toy_sample(signal=0, seed=4)


@pytest.fixture(scope="session")
def excess_of(window: Window) -> Callable[..., float]:
    """The excess of selected events in the signal region, in its standard deviations."""

    def excess(
        method: Method[Any],
        events: Sample,
        *,
        simulation: Sample | None = None,
        efficiency: float = 0.05,
    ) -> float:
        folding = Folding(seed=3, folds=2, scheme="all")
        scores = cross_fit(method, events, window, folding, simulation=simulation)
        fold = folding.of(events.event)
        p = conformal_p(scores, events.mass, fold, window=(window.low, window.high))
        inside = window.signal(events.mass)
        expected = efficiency * np.count_nonzero(inside)
        found = np.count_nonzero(p[inside] <= efficiency)
        beside = np.count_nonzero(inside) / np.count_nonzero(~inside)  # calibrates, and fluctuates
        return float((found - expected) / np.sqrt(expected * (1 + beside)))

    return excess
