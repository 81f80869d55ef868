"""CATHODE: masses and samples of the signal region, and the classifier of data and samples."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import ks_2samp

from overdensity.core import ConfigError
from overdensity.ml import Window, make_method
from overdensity.ml.anomaly.densities.cathode import draw_masses

SR = Window(3500.0, 3200.0, 3800.0, 2800.0, 4400.0)


def test_drawn_masses_follow_those_of_the_signal_region():
    rng = np.random.default_rng(1)
    mass = 3200.0 + 600.0 * rng.beta(1.0, 2.0, 20_000)
    drawn = draw_masses(mass, SR, 50_000, bandwidth=0.01, rng=rng)
    assert SR.signal(drawn).all()
    assert ks_2samp(mass, drawn).statistic < 0.02  # 1.6 / sqrt of 14 000 effective events


def test_drawn_masses_follow_the_event_weights():
    mass, weight = np.array([3300.0, 3700.0]), np.array([1.0, 3.0])
    drawn = draw_masses(
        mass, SR, 40_000, bandwidth=0.01, weight=weight, rng=np.random.default_rng(1)
    )
    assert np.mean(drawn > 3500.0) == pytest.approx(0.75, abs=0.01)  # 4.6 standard deviations


def test_mass_on_the_edge_of_the_signal_region_can_be_drawn():
    drawn = draw_masses(np.array([3200.0]), SR, 5, bandwidth=0.01, rng=np.random.default_rng(1))
    np.testing.assert_allclose(drawn, 3200.0, atol=1e-3)


def test_kernel_has_the_bandwidth_in_the_logit():
    rng = np.random.default_rng(1)
    drawn = draw_masses(np.array([3500.0]), SR, 20_000, bandwidth=0.05, rng=rng)
    u = (drawn - 3200.0) / 600.0
    assert np.std(np.log(u / (1 - u))) == pytest.approx(0.05, rel=0.03)  # 6 standard deviations


def test_samples_close_with_the_true_background_of_the_signal_region(moving, moving_flow, window):
    data, truth = moving(40_000, 0, seed=3), moving(40_000, 0, seed=2)
    truth = truth.take(window.signal(truth.mass))
    masses = draw_masses(
        data.mass[window.signal(data.mass)],
        window,
        20_000,
        bandwidth=0.01,
        rng=np.random.default_rng(1),
    )
    samples = moving_flow.sample(masses, seed=3)
    beside = data.features[~window.signal(data.mass)]
    for i, allowed in enumerate((0.1, 0.05)):
        assert ks_2samp(samples[:, i], truth.features[:, i]).statistic < allowed
    assert ks_2samp(beside[:, 0], truth.features[:, 0]).statistic > 0.2


def test_flow_follows_the_mass_through_the_signal_region(moving_flow):
    low, high = (moving_flow.sample(np.full(20_000, m), seed=1)[:, 0] for m in (3300.0, 3700.0))
    assert np.mean(high) - np.mean(low) == pytest.approx(1.0, abs=0.15)


@pytest.mark.parametrize("name", ["oversampling", "bandwidth"])
def test_hyperparameters_that_cannot_be_used_are_refused(name):
    with pytest.raises(ConfigError, match=f"{name} must be above zero, not 0"):
        make_method("cathode", **{name: 0.0})
