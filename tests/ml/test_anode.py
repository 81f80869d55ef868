"""ANODE: the ratio of densities against the analytic one."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from overdensity.ml import make_method


def test_ratio_is_the_analytic_one(moving, moving_flow, fast_flow, window):
    data = moving(20_000, 1000, seed=1).without_label()
    method = make_method("anode", inner=fast_flow).fit_inside(moving_flow, data, window, seed=1)
    test = moving(20_000, 1000, seed=2)
    test = test.take(window.signal(test.mass))
    x, y = test.features.T
    background = norm.pdf(x, (test.mass - 3500) / 400, 0.5) * norm.pdf(y)
    signal = norm.pdf(x, 0.5, 0.1) * norm.pdf(y, 1.5, 0.1)
    fraction = test.label.mean()
    expected = np.log(1 - fraction + fraction * signal / background)
    found = method.score(test)
    of_signal = test.label == 1
    assert np.median(found[~of_signal]) == pytest.approx(np.median(expected[~of_signal]), abs=0.1)
    assert np.corrcoef(found, expected)[0, 1] > 0.8
    assert np.median(found[of_signal]) > 0.5 * np.median(expected[of_signal])
