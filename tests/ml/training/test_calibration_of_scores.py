from __future__ import annotations

import numpy as np
import pytest

from overdensity.ml import reliability, watch
from overdensity.ml.classifiers.ensemble import ClassifierHyper, fit_classifier
from overdensity.ml.classifiers.network_kind import NetworkHyper
from overdensity.ml.classifiers.trees import BoostingHyper


def drawn(n: int = 40_000) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Probabilities, classes drawn with them, and weights that have nothing to do with either."""
    rng = np.random.default_rng(1)
    p = rng.uniform(0.1, 0.9, n)
    return p, rng.random(n) < p, rng.uniform(0.5, 1.5, n)


def test_true_probabilities_are_found_within_their_errors():
    p, y, weight = drawn()
    curve = reliability(p, y, weight)
    assert len(curve.predicted) == 11
    pulls = (np.array(curve.observed) - curve.predicted) / curve.error
    assert np.abs(pulls).max() < 3.5
    assert 0.5 < np.sqrt(np.mean(pulls**2)) < 1.6  # errors are neither too small nor too large


def test_overconfidence_is_seen():
    p, y, weight = drawn()
    curve = reliability(np.clip(0.5 + 2 * (p - 0.5), 0, 1), y, weight)
    assert curve.observed[0] > curve.predicted[0] + 5 * curve.error[0]
    assert curve.observed[-1] < curve.predicted[-1] - 5 * curve.error[-1]


def test_events_of_one_probability_make_one_point():
    curve = reliability(np.full(100, 0.3), np.arange(100) < 40, np.ones(100))
    assert curve.predicted == (pytest.approx(0.3),)
    assert curve.observed == (0.4,)


def test_events_without_weight_do_not_count():
    p, y, weight = drawn(1000)
    weight[p > 0.5] = 0.0
    assert max(reliability(p, y, weight).predicted) <= 0.5


@pytest.mark.parametrize(
    "hyper",
    [
        ClassifierHyper(settings=BoostingHyper(iterations=30, patience=30, events_per_leaf=5)),
        ClassifierHyper(
            kind="networks", settings=NetworkHyper(epochs=40, patience=40, batch=100, device="cpu")
        ),
    ],
    ids=["trees", "networks"],
)
def test_what_is_learnt_by_heart_is_not_believed(hyper):
    """Classes that nothing tells apart: probabilities spread, and half is found at all of them."""
    rng = np.random.default_rng(3)
    x = rng.normal(size=(2000, 4)).astype(np.float32)
    y = rng.random(2000) < 0.5
    with watch() as seen:
        fitted = fit_classifier(x, y, weight=np.ones(2000), hyper=hyper, seed=1)
    (curve,) = seen.reliability
    assert np.ptp(curve.predicted) > 0.05
    slope = np.polyfit(curve.predicted, curve.observed, 1, w=1 / np.array(curve.error))[0]
    assert slope < 0.5
    by_heart = reliability(fitted.score(x), y, np.ones(2000))
    learnt = np.polyfit(by_heart.predicted, by_heart.observed, 1)[0]
    assert learnt > 1.0
