"""SA-CWoLa learns the ratio of what data have beyond the simulation."""

from __future__ import annotations

import numpy as np
import pytest

from overdensity.core import ConfigError
from overdensity.ml import Sample, Window, make_method

WINDOW = Window(3500.0, 3300.0, 3700.0, 2900.0, 4100.0)
FAST = {
    "members": 1,
    "networks": {"epochs": 15, "batch": 500, "width": 32, "device": "cpu"},
}


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


def moving(n_background: int, n_signal: int, *, tilted: bool, seed: int) -> Sample:
    """Background whose x moves with the mass, tilted or not at all masses; signal around x = 1."""
    rng = np.random.default_rng(seed)
    mass = rng.uniform(2900.0, 4100.0, 2 * n_background)
    x = rng.normal(size=len(mass)) * (1 + ((mass - 3500) / 600) ** 2)
    if tilted:
        kept = rng.random(len(x)) < 1 / (1 + np.exp(-x))
        mass, x = mass[kept], x[kept]
    mass = np.r_[mass[:n_background], rng.uniform(3300.0, 3700.0, n_signal)]
    x = np.r_[x[:n_background], rng.normal(1.0, 0.1, n_signal)]
    first = seed * 10**6
    columns = np.stack([x, rng.normal(size=len(x))], axis=1)
    return Sample.from_arrays(mass, columns, ("x", "y"), event=np.arange(first, first + len(mass)))


def at(x: list[float]) -> Sample:
    """Probe the score along x."""
    columns = np.stack([np.asarray(x), np.zeros(len(x))], axis=1)
    return Sample.from_arrays(np.full(len(x), 3500.0), columns, ("x", "y"))


def test_weights_take_what_both_samples_show_and_leave_the_signal():
    """The data are tilted against the simulation, which cancels in the ratio of its regions."""
    simulation = moving(20_000, 0, tilted=False, seed=2)
    background, probe = [-2.5, -2.0, -1.5, -1.0, -0.5, 0.0, 0.5, 1.5, 2.0, 2.5], at([1.0])
    empty = moving(20_000, 0, tilted=True, seed=1)
    spread = {}
    for name, more in (("cwola", {}), ("sa_cwola_weights", {"simulation": simulation})):
        score = make_method(name).fit(empty, WINDOW, seed=1, **more).score(at(background))
        spread[name] = np.ptp(np.log(score / (1 - score)))
    assert spread["sa_cwola_weights"] < 0.3 * spread["cwola"]
    method = make_method("sa_cwola_weights")
    method.fit(moving(20_000, 700, tilted=True, seed=3), WINDOW, simulation=simulation, seed=1)
    assert method.score(probe)[0] > method.score(at(background)).max()


@pytest.mark.parametrize(("key", "value"), [("strength", 1.0), ("members", 0)])
def test_value_that_cannot_be_used_is_refused(key, value):
    with pytest.raises(ConfigError, match=f"{key} = {value} cannot be used"):
        make_method("sa_cwola", **{key: value})


def test_networks_without_validation_cannot_be_judged_by_it():
    with pytest.raises(ConfigError, match=r"networks\.judge = 'loss' needs some; use judge: last"):
        make_method("sa_cwola", networks={"judge": "loss"})
