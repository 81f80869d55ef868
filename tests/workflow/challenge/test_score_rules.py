from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import quad

from overdensity.workflow.challenge.score_rules import (
    SAYS_NOTHING,
    interval_score,
    log_score,
    probability_of_signal,
)

ALPHA = 0.31731  # outside one standard deviation


@pytest.mark.parametrize("p", [0.9995, 0.99, 0.5, 0.05, 1e-3, 1e-7])
def test_the_factor_of_a_p_value_is_the_mean_likelihood_ratio(p: float) -> None:
    factor, _ = quad(lambda kappa: kappa * p ** (kappa - 1), 0, 1)
    assert probability_of_signal(p) == pytest.approx(factor / (1 + factor), rel=1e-6)


def test_a_smaller_p_value_is_never_a_smaller_probability() -> None:
    found = [probability_of_signal(p) for p in (1.0, 0.9991, 0.9989, 0.5, 1e-3, 1e-12, 1e-200, 0.0)]
    assert found == sorted(found)
    assert found[-1] < 1


def test_the_factor_has_mean_one_without_signal() -> None:
    def factor(log: float) -> float:  # p = exp(-log)
        probability = probability_of_signal(np.exp(-log))
        return probability / (1 - probability) * np.exp(-log)

    mean = sum(quad(factor, low, high)[0] for low, high in ((0, 1), (1, 20)))
    assert mean + 1 / 20 == pytest.approx(1.0, abs=3e-3)  # the tail goes as 1 / log²


def test_the_log_score_is_best_for_who_says_what_is_so() -> None:
    said = np.linspace(0.05, 0.95, 19)
    true = 0.7
    mean = [
        true * log_score(x, signal=True) + (1 - true) * log_score(x, signal=False) for x in said
    ]
    assert said[np.argmax(mean)] == pytest.approx(true)


def test_a_wrong_certainty_costs_no_more_than_it_is_allowed_to() -> None:
    assert log_score(1.0, signal=False) == pytest.approx(np.log(1e-9))


def test_the_interval_score_is_that_of_gneiting_and_raftery() -> None:
    value, error, truth = 95.0, 2.0, 100.0
    low, high = value - error, value + error
    expected = (high - low) + 2 / ALPHA * (truth - high)
    assert interval_score(value, error, truth) == pytest.approx(expected / truth, rel=1e-4)
    assert interval_score(100.5, 2.0, 100.0) == pytest.approx(0.04)


def test_nothing_said_counts_as_the_interval_from_zero_to_twice_the_truth() -> None:
    assert interval_score(50.0, 50.0, 50.0) == pytest.approx(SAYS_NOTHING)


def test_honest_errors_have_the_best_interval_score() -> None:
    rng = np.random.default_rng(1)
    values = rng.normal(100.0, 5.0, 20_000)
    errors = np.array([1.0, 3.0, 5.0, 8.0, 15.0])
    mean = [np.mean([interval_score(x, error, 100.0) for x in values]) for error in errors]
    assert errors[np.argmin(mean)] == 5.0
