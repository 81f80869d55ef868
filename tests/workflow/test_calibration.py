"""The global p-value of scores that were trained on the data themselves, without any signal.

The study is benchmarks/folds.py, here with fewer datasets.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from scipy.stats import kstest

BOXES = 100


@pytest.fixture(scope="module")
def study() -> Iterator[ModuleType]:
    path = Path(__file__).parents[2] / "benchmarks" / "folds.py"
    spec = importlib.util.spec_from_file_location("folds_study", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


@pytest.mark.slow(seconds=35)
def test_global_p_of_trained_scores_is_uniform_under_a_tournament(study: ModuleType) -> None:
    found = [study.p_global(seed, folds=7, scheme="tournament") for seed in range(BOXES)]
    assert kstest(found, "uniform").pvalue > 0.01
    assert np.mean(np.array(found) < 0.05) < 0.05 + 3 * np.sqrt(0.05 * 0.95 / BOXES)


@pytest.mark.slow(seconds=20)
def test_global_p_is_too_small_where_folds_learn_from_each_other(study: ModuleType) -> None:
    """The reason for the tournament; should this fail, the flag on ``all`` can go."""
    found = [study.p_global(seed, folds=5, scheme="all") for seed in range(BOXES // 2)]
    assert np.mean(np.array(found) < 0.05) > 0.15
