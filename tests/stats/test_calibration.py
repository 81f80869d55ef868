"""Background alone gives uniform global p-values; a signal gives small ones. Minutes."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import kstest

from overdensity.stats import hunt

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("n_events", "sculpting", "n_datasets"),
    [(30_000, 0.0, 200), (30_000, 1.0, 100), (5_000, 0.0, 200)],
    ids=["plain", "sculpted", "ten events pass"],
)
def test_global_p_is_uniform_on_background(box, n_events, sculpting, n_datasets):
    p_global, p_local = [], []
    for seed in range(n_datasets):
        made = box(1000 + seed, n_events, sculpting=sculpting)
        result = hunt(made.mass, made.levels, **made.scan, pseudo_experiments=1000, seed=seed)
        assert result.global_p is not None
        p_global.append(result.global_p.p_global)
        p_local += [[row.p_local for row in window.selections] for window in result.windows]
    assert kstest(p_global, "uniform").pvalue > 0.01
    # windows overlap: some two p-values of a dataset are independent
    for alpha in (0.1, 0.01):
        rate = (np.array(p_local) < alpha).mean(axis=0)
        assert np.all(rate < alpha + 4 * np.sqrt(alpha / (2 * n_datasets)))


def test_an_injected_signal_is_found_in_most_datasets(box):
    found = 0
    for seed in range(20):
        made = box(3000 + seed, n_signal=100)
        result = hunt(made.mass, made.levels, **made.scan, pseudo_experiments=2000, seed=seed)
        if result.best is None or result.global_p is None:
            continue
        near = abs(result.best.resonance.mass / 3500 - 1) < 0.03
        found += result.global_p.p_global < 1e-2 and near
    assert found >= 15
