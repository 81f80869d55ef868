"""SA-CWoLa learns the ratio of what data have beyond the simulation."""

from __future__ import annotations

import numpy as np
import pytest

from overdensity.core import ConfigError
from overdensity.ml import Sample, Window, make_method

WINDOW = Window(3500.0, 3300.0, 3700.0, 2900.0, 4100.0)
FAST = {"epochs": 15, "batch": 500, "width": 32, "networks": 1, "device": "cpu"}


def flat(n_background: int, n_signal: int, seed: int) -> Sample:
    """Background flat in x and the mass; signal in the SR, around x = 0."""
    rng = np.random.default_rng(seed)
    signal = np.arange(n_background + n_signal) >= n_background
    mass = np.where(
        signal, rng.uniform(3300.0, 3700.0, len(signal)), rng.uniform(2900.0, 4100.0, len(signal))
    )
    x = np.where(signal, rng.uniform(-0.2, 0.2, len(signal)), rng.uniform(-1.0, 1.0, len(signal)))
    columns = np.stack([x, rng.normal(size=len(signal))], axis=1)
    first = seed * 10**6
    return Sample.from_arrays(mass, columns, ("x", "y"), event=np.arange(first, first + len(mass)))


@pytest.mark.parametrize("strength", [0.0, 0.5])
def test_odds_are_those_of_data_less_simulation(strength):
    """Odds (p_SR - λ b) / (p_SB - λ b): p_SR is 0.8 b beside the signal and 1.8 b under it."""
    data, simulation = flat(18_000, 1500, seed=1), flat(18_000, 0, seed=2)
    method = make_method("sa_cwola", strength=strength, **FAST)
    method.fit(data, WINDOW, simulation=simulation, seed=1)
    rng = np.random.default_rng(3)
    x = np.r_[rng.uniform(-0.1, 0.1, 500), rng.uniform(0.4, 0.9, 500)]
    probe = Sample.from_arrays(
        np.full(1000, 3500.0), np.stack([x, rng.normal(size=1000)], axis=1), ("x", "y")
    )
    score = method.score(probe).astype(float)
    log_odds = np.log(score / (1 - score))
    expected = np.log((1.8 - strength) / (1 - strength)), np.log((0.8 - strength) / (1 - strength))
    assert log_odds[:500].mean() == pytest.approx(expected[0], abs=0.2)
    assert log_odds[500:].mean() == pytest.approx(expected[1], abs=0.2)


@pytest.mark.parametrize(("key", "value"), [("strength", 1.0), ("networks", 0), ("epochs", 0)])
def test_value_that_cannot_be_used_is_refused(key, value):
    with pytest.raises(ConfigError, match=f"{key} = {value} cannot be used"):
        make_method("sa_cwola", **{key: value})
