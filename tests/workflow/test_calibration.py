"""The global p-value of scores that were trained on the data themselves, without any signal."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import kstest

from overdensity.ml import (
    Folding,
    Method,
    Sample,
    Window,
    fold_of,
    scan_edges,
    scan_windows,
    score_fold,
)
from overdensity.stats import FitModel, hunt, selection_levels

logger = logging.getLogger("overdensity.tests")

EVENTS, CELLS, BOXES = 10_000, 100, 100
SELECTIONS = (0.1, 0.01)


@dataclass(frozen=True)
class NoHyper:
    pass


class CellRatio(Method[NoHyper]):
    """CWoLa with the quickest classifier there is: signal region over sidebands, in cells.

    It follows every fluctuation, which a real classifier is kept from: the hardest case.
    """

    name = "cell_ratio"
    source = "this test"
    Hyper = NoHyper

    def fit(self, data, window, *, simulation=None, seed):
        cell = data.features[:, 0].astype(int)
        side = window.lower(data.mass) | window.upper(data.mass)
        region = np.bincount(cell[window.signal(data.mass)], minlength=CELLS)
        self.ratio = (region + 1) / (np.bincount(cell[side], minlength=CELLS) + 2)
        return self

    def score(self, data):
        return self.ratio[data.features[:, 0].astype(int)].astype(np.float32)

    def arrays(self):
        return {"ratio": self.ratio}

    def restore(self, arrays):
        self.ratio = arrays["ratio"]


def p_global(seed: int, *, folds: int, scheme: str) -> float:
    """Search a box of events whose feature knows nothing of the mass."""
    rng = np.random.default_rng(seed)
    edges = scan_edges()
    power = -5.0
    ends = edges[[0, -1]] ** power
    mass = (ends[0] + rng.uniform(size=EVENTS) * (ends[1] - ends[0])) ** (1 / power)
    cell = rng.integers(0, CELLS, EVENTS)
    ids = rng.integers(0, 2**63, EVENTS, dtype=np.uint64)
    sample = Sample.from_arrays(mass, cell[:, None], ["cell"], event=ids)
    fold = fold_of(ids, folds, seed=seed)
    windows = scan_windows()

    def levels(window: Window) -> NDArray[np.int8]:
        scores = np.empty(EVENTS, np.float32)
        for each in range(folds):
            rows, found = score_fold(
                CellRatio(), sample, window, each, Folding(seed=seed, folds=folds, scheme=scheme)
            )
            scores[rows] = found
        return selection_levels(scores, fold, SELECTIONS, events=ids)

    result = hunt(
        mass,
        np.stack([levels(window) for window in windows], axis=1),
        edges=edges,
        windows=[(window.low, window.high) for window in windows],
        efficiencies=SELECTIONS,
        model=FitModel("dijet3"),
        pseudo_experiments=250,
        seed=seed,
    )
    return 1.0 if result.global_p is None else result.global_p.p_global


@pytest.mark.slow(seconds=35)
def test_global_p_of_trained_scores_is_uniform_under_a_tournament() -> None:
    found = [p_global(seed, folds=7, scheme="tournament") for seed in range(BOXES)]
    small = float(np.mean(np.array(found) < 0.05))
    logger.info("tournament: KS p %.3f, p < 0.05 in %.3f", kstest(found, "uniform").pvalue, small)
    assert kstest(found, "uniform").pvalue > 0.01
    assert small < 0.05 + 3 * np.sqrt(0.05 * 0.95 / BOXES)


@pytest.mark.slow(seconds=20)
def test_global_p_is_too_small_where_folds_learn_from_each_other() -> None:
    """The reason for the tournament; should this fail, the flag on ``all`` can go."""
    found = [p_global(seed, folds=5, scheme="all") for seed in range(BOXES // 2)]
    small = float(np.mean(np.array(found) < 0.05))
    logger.info("all: KS p %.2g, p < 0.05 in %.3f", kstest(found, "uniform").pvalue, small)
    assert small > 0.15
