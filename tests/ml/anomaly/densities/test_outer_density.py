"""The density outside of the signal region: its training events, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from overdensity.core import ConfigError, InputError
from overdensity.ml import make_method
from overdensity.ml.anomaly.densities import outer_density as outer

NAMES = ("j1_mass", "j2_mass", "j1_tau21", "j2_tau21")


@pytest.fixture
def learnt(monkeypatch):
    """What is handed to the flow, without training one."""
    calls = []
    monkeypatch.setattr(outer, "fit_flow", lambda x, m, **how: calls.append((x, m, how)))
    return calls


def test_all_events_outside_of_the_signal_region_are_learnt_from(learnt, sample, window):
    make_method("cathode").fit_outside(sample, window, seed=1)
    _, mass, _ = learnt[0]
    np.testing.assert_array_equal(mass, sample.mass[~window.signal(sample.mass)])


def test_sidebands_of_the_window_alone_on_request(learnt, sample, window):
    make_method("cathode", sidebands="window").fit_outside(sample, window, seed=1)
    _, mass, _ = learnt[0]
    beside = window.lower(sample.mass) | window.upper(sample.mass)
    np.testing.assert_array_equal(mass, sample.mass[beside])


def test_flow_sees_the_lighter_mass_and_the_difference(learnt, sample, window):
    make_method("cathode").fit_outside(sample, window, seed=1)
    outside = sample.features[~window.signal(sample.mass)]
    masses = np.sort(outside[:, :2], axis=1)
    np.testing.assert_allclose(learnt[0][0][:, 0], masses[:, 0])
    np.testing.assert_allclose(learnt[0][0][:, 1], masses[:, 1] - masses[:, 0], rtol=1e-5)


def test_event_weights_reach_the_flow(learnt, sample, window):
    weight = np.random.default_rng(0).uniform(0.5, 1.5, len(sample))
    make_method("cathode").fit_outside(replace(sample, weight=weight), window, seed=1)
    np.testing.assert_array_equal(learnt[0][2]["weight"], weight[~window.signal(sample.mass)])


def test_misspelt_sidebands_get_the_nearest_name():
    with pytest.raises(ConfigError, match=r"sidebands.*did you mean 'window'"):
        make_method("anode", sidebands="windows")


@pytest.mark.parametrize("region", ["lower", "upper"])
def test_window_without_a_sideband_is_refused(region, sample, window):
    beside = getattr(window, region)(sample.mass)
    with pytest.raises(InputError, match=f"0 events in the {region} sideband"):
        make_method("lacathode").fit(sample.take(~beside), window, seed=1)
