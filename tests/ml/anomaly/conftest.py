"""What tests of several methods ask: whether one finds an excess where there is none."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
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


@pytest.fixture(scope="session")
def reference(shared_data: Path) -> Callable[..., Sample]:
    """Labelled events of the reference sample: rows of background, then rows of a signal."""

    def events(
        background: slice, signal: slice, features: Sequence[str], *, kind: str = "signal"
    ) -> Sample:
        parts = []
        for name, rows in (("background", background), (kind, signal)):
            file = shared_data / "reference" / f"rnd_{name}.parquet"
            table = pq.read_table(file, columns=["mjj", *features])
            parts.append(np.stack([column.to_numpy() for column in table.columns], axis=1)[rows])
        label = np.repeat([0, 1], [len(part) for part in parts])
        rows = np.concatenate(parts)
        return Sample.from_arrays(rows[:, 0], rows[:, 1:], features, label=label)

    return events
