from __future__ import annotations

import numpy as np
import pytest

from overdensity.core import InputError
from overdensity.stats import selection_levels
from overdensity.stats.selection.conformal import conformal_p
from overdensity.stats.selection.efficiency import passes, signal_efficiency


def fold(seed: int, n: int = 20_000):
    """Scores of one fold that rise with the mass."""
    rng = np.random.default_rng(seed)
    log_mass = np.log(2700) + np.minimum(rng.exponential(0.2, n), 0.79)
    return log_mass, rng.normal(size=n) + 0.8 * (log_mass - np.log(3500))


def test_events_of_the_fold_pass_as_they_did() -> None:
    log_mass, scores = fold(1)
    selected = selection_levels(scores, np.zeros(scores.size, int), (0.01,)) == 1
    again = passes(scores, scores, log_mass, 0.01, new_scores=scores, new_log_mass=log_mass)
    assert np.count_nonzero(again != selected) <= 1


def test_calibrated_selection_is_followed_through_the_mass() -> None:
    log_mass, scores = fold(2)
    folds = np.zeros(scores.size, int)
    cut_on = -conformal_p(scores, np.exp(log_mass), folds, window=(3300.0, 3800.0))
    for efficiency in (0.1, 0.02):
        selected = selection_levels(cut_on, folds, (efficiency,)) == 1
        again = passes(
            scores, cut_on, log_mass, efficiency, new_scores=scores, new_log_mass=log_mass
        )
        assert np.count_nonzero(again != selected) < 0.05 * np.count_nonzero(selected)
        raw = selection_levels(scores, folds, (efficiency,)) == 1
        assert np.count_nonzero(raw != selected) > 0.15 * np.count_nonzero(selected)


def test_efficiency_of_another_sample_is_that_of_its_scores() -> None:
    log_mass, scores = fold(3)
    rng = np.random.default_rng(4)
    new_log_mass = rng.normal(np.log(3500), 0.03, 5000)
    new = rng.normal(size=5000) + 0.8 * (new_log_mass - np.log(3500)) + 2.0
    passed = passes(scores, scores, log_mass, 0.01, new_scores=new, new_log_mass=new_log_mass)
    assert (
        np.array_equal(passed, new > np.sort(scores)[-200])
        or np.count_nonzero(passed != (new > np.sort(scores)[-200])) < 30
    )


def test_equal_scores_of_a_tree_do_not_hurt() -> None:
    log_mass, scores = fold(5)
    rounded = np.round(scores, 1)
    passed = passes(
        rounded, rounded, log_mass, 0.1, new_scores=[-9.0, 9.0], new_log_mass=[8.1, 8.1]
    )
    assert passed.tolist() == [False, True]


def test_errors_of_an_efficiency() -> None:
    rng = np.random.default_rng(6)
    same = np.tile(rng.random(1000) < 0.3, (5, 1))
    found = signal_efficiency(same, np.ones(5))
    p = same[0].mean()
    assert found.value == pytest.approx(p)
    assert found.simulation_error == pytest.approx(np.sqrt(p * (1 - p) / 1000))
    assert found.model_error == 0
    folds = np.array([0.1, 0.2, 0.3])
    differing = rng.random((3, 100_000)) < folds[:, None]
    found = signal_efficiency(differing, [1, 1, 2])
    assert found.value == pytest.approx(0.225, abs=0.003)
    assert found.model_error == pytest.approx(0.1 / np.sqrt(3), rel=0.05)


def test_too_few_events_are_refused() -> None:
    with pytest.raises(InputError, match="needs 60"):
        passes([1.0], [1.0], [8.0], 0.1, new_scores=[1.0], new_log_mass=[8.0])
    with pytest.raises(InputError, match="no simulated signal"):
        signal_efficiency(np.zeros((2, 0)), [1, 1])
