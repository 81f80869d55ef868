from __future__ import annotations

import numpy as np
import pytest

from overdensity.core import InputError
from overdensity.stats import selection_levels
from overdensity.stats.selection.conformal import conformal_p, conformal_p_of_new
from overdensity.stats.selection.efficiency import passes, signal_efficiency

WINDOW = (3300.0, 3800.0)


def fold(seed: int, n: int = 20_000):
    """Scores of one fold that rise with the mass."""
    rng = np.random.default_rng(seed)
    log_mass = np.log(2700) + np.minimum(rng.exponential(0.2, n), 0.79)
    return log_mass, rng.normal(size=n) + 0.8 * (log_mass - np.log(3500))


def test_events_of_the_fold_pass_as_they_did() -> None:
    _, scores = fold(1)
    ids = np.random.default_rng(1).permutation(scores.size)
    for values in (scores, np.round(scores, 1)):  # of a tree, too, many of which are equal
        selected = selection_levels(values, np.zeros(scores.size, int), (0.01,), events=ids) == 1
        again = passes(values, ids, 0.01, new_cut_on=values, new_events=ids)
        np.testing.assert_array_equal(again, selected)


def test_calibrated_selection_is_followed_through_the_mass() -> None:
    log_mass, scores = fold(2)
    mass, folds, ids = np.exp(log_mass), np.zeros(scores.size, int), np.arange(scores.size)
    cut_on = -conformal_p(scores, mass, folds, window=WINDOW)
    new = -conformal_p_of_new(
        scores, mass, window=WINDOW, events=ids, new_scores=scores, new_mass=mass, new_events=ids
    )
    for efficiency in (0.1, 0.02):
        selected = selection_levels(cut_on, folds, (efficiency,)) == 1
        again = passes(cut_on, ids, efficiency, new_cut_on=new, new_events=ids)
        assert np.count_nonzero(again != selected) < 0.01 * np.count_nonzero(selected)
        raw = selection_levels(scores, folds, (efficiency,)) == 1
        assert np.count_nonzero(raw != selected) > 0.15 * np.count_nonzero(selected)


@pytest.mark.parametrize("n_signal", [5, 30, 120])
def test_simulated_signal_passes_as_often_as_that_of_the_data(n_signal: int) -> None:
    """Also where it is more than the selection keeps: 33 events of a fold of 1666."""
    rng, there, simulated, efficiency = np.random.default_rng(n_signal), 0.0, 0.0, 0.02
    for _ in range(30):
        log_mass, scores = fold(int(rng.integers(2**31)), 1666 - n_signal)
        mass = np.r_[np.exp(log_mass), rng.normal(3550, 80, n_signal)]
        scores = np.r_[scores, rng.normal(4.0, 1.0, n_signal)]
        new_mass, new_scores = rng.normal(3550, 80, 500), rng.normal(4.0, 1.0, 500)
        ids, folds = rng.permutation(1666), np.zeros(1666, int)
        cut_on = -conformal_p(scores, mass, folds, window=WINDOW, events=ids)
        passed = selection_levels(cut_on, folds, (efficiency,), events=ids) == 1
        there += passed[-n_signal:].mean()
        new = {"new_mass": new_mass, "new_events": rng.permutation(500)}
        new_cut_on = -conformal_p_of_new(
            scores, mass, window=WINDOW, events=ids, new_scores=new_scores, **new
        )
        simulated += passes(
            cut_on, ids, efficiency, new_cut_on=new_cut_on, new_events=new["new_events"]
        ).mean()
    # binomial, of all signal events of the data
    error = np.sqrt(there * (30 - there) / n_signal / 30) / 30
    assert abs(simulated - there) / 30 < 3 * error + 0.01
    assert there < 30 * 33.5 / n_signal


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
    few = {
        "window": WINDOW,
        "events": [1],
        "new_scores": [1.0],
        "new_mass": [3e3],
        "new_events": [2],
    }
    with pytest.raises(
        InputError, match="1 events lie outside 3300-3800 GeV: calibration needs 50"
    ):
        conformal_p_of_new([1.0], [3000.0], **few)
    with pytest.raises(InputError, match="no simulated signal"):
        signal_efficiency(np.zeros((2, 0)), [1, 1])
