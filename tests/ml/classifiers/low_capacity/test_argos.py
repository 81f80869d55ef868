"""The choice of a kind without labels: its metric, what it picks, and that it costs no calibration."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import kstest, norm

from overdensity.core import ConfigError
from overdensity.ml.classifiers.ensemble import (
    ClassifierHyper,
    balance_classes,
    classifier_from_arrays,
    fit_classifier,
)
from overdensity.ml.classifiers.low_capacity.argos import ArgosHyper, argos_metric

from .test_quadratic import events, z_of

HYPER = ClassifierHyper(kind="argos", inner_folds=2, members=1)


def two_classes(kind: str, seed: int, n: int = 6000) -> tuple[np.ndarray, np.ndarray]:
    """The first class has 6 % of signal: broad in all features, or a corner that no parabola finds."""
    rng, y = np.random.default_rng(seed), np.arange(n) // 2 % 2 == 0
    x, signal = rng.normal(size=(n, 4)), rng.random(n) < 0.06
    if kind == "broad":
        x[y & signal] += 0.5
    else:
        x[y & signal] = rng.normal([0.7, -0.7, 0.7, -0.7], 0.05, (np.count_nonzero(y & signal), 4))
    return x.astype(np.float32), y


def test_the_metric_of_an_ideal_template_is_the_improvement_times_the_fraction() -> None:
    rng, y = np.random.default_rng(1), np.arange(400_000) % 2 == 0
    signal = y & (rng.random(len(y)) < 0.1)
    score = rng.normal(size=len(y)) + 2 * signal
    efficiency = 0.1
    passed = norm.sf(norm.isf(efficiency) - 2)
    expected = 0.1 * (passed / np.sqrt(efficiency) - np.sqrt(efficiency))
    assert argos_metric(score, y, np.ones(len(y)), (efficiency,)) == pytest.approx(
        expected, abs=5e-3
    )


@pytest.mark.parametrize(("signal", "kind"), [("broad", "quadratic"), ("corner", "trees")])
def test_the_kind_that_sees_the_signal_is_chosen(signal: str, kind: str) -> None:
    x, y = two_classes(signal, seed=3)
    fitted = fit_classifier(x, y, weight=balance_classes(y), hyper=HYPER, seed=1)
    assert str(fitted.arrays()["kind"]) == kind
    again = classifier_from_arrays(fitted.arrays(), HYPER)
    np.testing.assert_array_equal(again.log_odds(x), fitted.log_odds(x))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"kinds": ("argos",)}, "argos: kinds"),
        ({"kinds": ("pfn",)}, "'pfn' needs more than features"),
        ({"kinds": ("forests",)}, "no classifier is called 'forests'"),
        ({"efficiencies": (1.5,)}, "argos: efficiencies"),
    ],
)
def test_what_cannot_be_chosen_from_is_refused(given, message) -> None:
    with pytest.raises(ConfigError, match=message):
        ArgosHyper(**given)


@pytest.mark.slow(seconds=60)
def test_the_choice_costs_neither_calibration_nor_power() -> None:
    z = [z_of(events(3000, 0, seed), "argos", seed=seed) for seed in range(60)]
    assert kstest(norm.sf(z), "uniform").pvalue > 0.01
    found = {
        kind: np.mean([z_of(events(16_000, 260, 900 + k), kind, seed=k) for k in range(4)])
        for kind in ("trees", "quadratic", "argos")
    }
    assert found["argos"] >= min(found["trees"], found["quadratic"])
    assert found["argos"] > max(found["trees"], found["quadratic"]) - 1.0
