"""SALAD corrects simulation in the sidebands, and predicts the background of a selection."""

from __future__ import annotations

import numpy as np
import pytest

from overdensity.ml import Folding, Sample, Window, make_method
from overdensity.ml.anomaly.weak_supervision.salad import predict_background

NAMES = ("x", "y")
WINDOW = Window(3500.0, 3300.0, 3700.0, 2900.0, 4100.0)
NETWORKS = {"epochs": 4, "patience": 4, "batch": 500, "width": 32, "device": "cpu"}
FAST = {
    "classifier": {"inner_folds": 2, "members": 1, "trees": {"leaves": 8}},
    "reweighting": {"inner_folds": 2, "members": 1, "networks": NETWORKS},
}


def events(n: int, seed: int, slope: float, first: int = 0) -> Sample:
    """Background whose x moves with the mass in data (slope 1) and not in simulation (slope 0)."""
    rng = np.random.default_rng(seed)
    mass = rng.uniform(2800.0, 4200.0, n)
    x = rng.normal(slope * (0.4 + (mass - 3500.0) / 1000.0), 1.0)
    columns = np.stack([x, rng.normal(size=n)], axis=1)
    return Sample.from_arrays(mass, columns, NAMES, event=np.arange(first, first + n))


@pytest.fixture(scope="module")
def data() -> Sample:
    return events(14_000, 1, slope=1.0)


@pytest.fixture(scope="module")
def simulation() -> Sample:
    return events(14_000, 2, slope=0.0, first=10**6)


@pytest.fixture(scope="module")
def fitted(data, simulation):
    return make_method("salad", **FAST).fit(data, WINDOW, simulation=simulation, seed=1)


def test_weights_learnt_in_the_sidebands_hold_in_the_signal_region(fitted):
    """The ratio of two normal densities a distance s apart is exp(s x - s²/2)."""
    fresh = events(20_000, 3, slope=0.0, first=2 * 10**6)
    fresh = fresh.take(WINDOW.signal(fresh.mass) & (abs(fresh.features[:, 0]) < 2))
    shift = 0.4 + (fresh.mass - 3500.0) / 1000.0
    error = np.log(fitted.weights(fresh)) - (shift * fresh.features[:, 0] - shift**2 / 2)
    assert abs(error.mean()) < 0.1
    assert error.std() < 0.2  # that of the logarithm itself is 0.4


def test_event_weights_of_the_simulation_count(fitted, simulation):
    few = simulation.take(np.arange(10))
    double = Sample.from_arrays(few.mass, few.features, NAMES, weight=np.full(10, 2.0))
    np.testing.assert_allclose(fitted.weights(double), 2 * fitted.weights(few), rtol=1e-6)


def test_predicted_background_is_that_of_data_without_signal(data, simulation):
    found = predict_background(
        make_method("salad", **FAST),
        data,
        simulation,
        WINDOW,
        Folding(seed=1, folds=3),
        efficiencies=(1.0, 0.1),
    )
    assert found[0].observed == np.count_nonzero(WINDOW.signal(data.mass))
    assert 0.07 < found[1].observed / found[0].observed < 0.101  # events of equal score fail
    for each in found:
        spread = np.hypot(each.error, np.sqrt(each.observed))
        systematic = 0.1 * each.observed  # of a correction by small networks
        assert abs(each.predicted - each.observed) < 4 * spread + systematic
    assert found[0].error < 0.1 * found[0].predicted


def test_data_against_uncorrected_simulation_would_be_wrong(fitted):
    """What the correction is for: without it the selection's background is far off."""
    fresh = events(20_000, 3, slope=0.0, first=2 * 10**6)
    fresh = fresh.take(WINDOW.signal(fresh.mass))
    weight = fitted.weights(fresh)
    corrected = np.average(fresh.features[:, 0], weights=weight)
    assert abs(fresh.features[:, 0].mean()) < 0.05
    assert corrected == pytest.approx(0.4, abs=0.1)
