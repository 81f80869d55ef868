"""ANODE: the ratio of densities against the analytic one."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from overdensity.core import ConfigError
from overdensity.ml import Sample, make_method


def analytic_ratio(test: Sample, n_background: int, n_signal: int):
    """Return log R(x|m) of the toy, whose fraction of signal depends on the mass."""
    x, y = test.features.T
    background = norm.pdf(x, (test.mass - 3500) / 400, 0.5) * norm.pdf(y)
    signal = norm.pdf(x, 0.5, 0.2) * norm.pdf(y, 1.5, 0.2)
    n_b = n_background * np.exp(-(test.mass - 2600) / 700) / 700
    n_s = n_signal * norm.pdf(test.mass, 3500, 60)
    fraction = n_s / (n_s + n_b)
    return np.log(1 - fraction + fraction * signal / background)


def test_ratio_is_the_analytic_one(moving, moving_flow, fast_flow, window):
    data = moving(20_000, 1000, seed=1).without_label()
    inner = fast_flow | {"epochs": 25, "batch": 256}
    method = make_method("anode", flow=inner, inner=inner).fit_inside(
        moving_flow, data, window, seed=1
    )
    test = moving(20_000, 1000, seed=2)
    test = test.take(window.signal(test.mass))
    found, expected = method.score(test), analytic_ratio(test, 20_000, 1000)
    signal = test.label == 1
    assert np.corrcoef(found, expected)[0, 1] > 0.7
    assert np.median(found[signal]) == pytest.approx(np.median(expected[signal]), abs=0.6)
    assert np.median(found[~signal]) == pytest.approx(np.median(expected[~signal]), abs=0.15)


def test_events_beyond_the_range_of_a_flow_count_as_background(
    moving, moving_flow, fast_flow, window
):
    data = moving(20_000, 1000, seed=1)
    inner = fast_flow | {"epochs": 1}
    method = make_method("anode", flow=inner, inner=inner).fit_inside(
        moving_flow, data, window, seed=1
    )
    far = Sample.from_arrays([3500.0, 3500.0], [[0.0, 99.0], [-99.0, 0.0]], data.names)
    np.testing.assert_array_equal(method.score(far), 0.0)


def test_the_flow_inside_begins_with_the_one_outside(moving, moving_flow, fast_flow, window):
    data = moving(20_000, 0, seed=1).without_label()
    barely = fast_flow | {"epochs": 1, "learning_rate": 1e-9}
    near, far = (
        make_method("anode", flow=fast_flow, inner=barely, start=start)
        .fit_inside(moving_flow, data, window, seed=1)
        .score(data.take(window.signal(data.mass)))
        for start in ("outer", "random")
    )
    assert np.abs(near).max() < 1e-3  # the ratio is one where nothing was learnt
    assert np.abs(far).max() > 1


@pytest.mark.parametrize(
    ("wrong", "says"),
    [({"start": "outside"}, "start: no such choice"), ({"inner": {"width": 7}}, "the same family")],
)
def test_what_the_inner_flow_cannot_begin_with_is_said(wrong, says):
    with pytest.raises(ConfigError, match=says):
        make_method("anode", **wrong)
