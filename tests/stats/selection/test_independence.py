"""Mutual information of score and mass."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import kstest
from sklearn.metrics import mutual_info_score

from overdensity.core import ConfigError, InputError
from overdensity.stats.selection.conformal import conformal_p
from overdensity.stats.selection.independence import SCORE_TAILS, independence_test

REGION = (2900.0, 4200.0)
WINDOW = (3300.0, 3700.0)


def draw(seed, n=20_000, *, sculpting=0.0, n_signal=0, folds=5):
    rng = np.random.default_rng(seed)
    mass = np.concatenate([2600 + rng.exponential(600, n), rng.normal(3500, 80, n_signal)])
    scores = rng.normal(size=mass.size) + sculpting * np.log(mass / 3500)
    scores[n:] += 3.0
    fold = rng.integers(0, folds, mass.size)
    return scores + 10 * fold, mass, fold  # folds are not comparable


def test_p_values_are_uniform_when_independent():
    p = [
        independence_test(*draw(seed, 3000, folds=2), permutations=99, seed=seed).p_value
        for seed in range(200)
    ]
    # p is discrete, a multiple of 1/100: spread it evenly over the step
    p = np.array(p) - np.random.default_rng(0).random(200) / 100
    assert kstest(p, "uniform").pvalue > 0.01


def test_information_is_that_of_the_table():
    scores, mass, _ = draw(1, 4000, folds=1)
    result = independence_test(scores, mass, np.zeros(mass.size), permutations=9, seed=1)
    rank = np.argsort(np.argsort(-scores))
    rows = (rank[:, None] < np.round(np.array(SCORE_TAILS) * mass.size)).sum(axis=1)
    columns = np.digitize(mass, result.mass_edges[1:-1])
    assert result.information == pytest.approx(mutual_info_score(rows, columns), abs=1e-12)
    assert np.shape(result.excess) == (len(SCORE_TAILS) + 1, 10)


def test_drawn_tables_have_the_law_of_permutations():
    scores, mass, _ = draw(2, 1500, folds=1)
    result = independence_test(scores, mass, np.zeros(mass.size), permutations=2000, seed=1)
    rank = np.argsort(np.argsort(-scores))
    rows = (rank[:, None] < np.round(np.array(SCORE_TAILS) * mass.size)).sum(axis=1)
    columns = np.digitize(mass, result.mass_edges[1:-1])
    rng = np.random.default_rng(3)
    shuffled = [mutual_info_score(rows, rng.permutation(columns)) for _ in range(400)]
    error = np.std(shuffled) / np.sqrt(400)
    assert abs(np.mean(shuffled) - result.expected) < 4 * error
    assert np.std(shuffled) == pytest.approx(result.expected_error, rel=0.2)


def test_a_signal_is_seen():
    found = [
        independence_test(*draw(seed, n_signal=120), region=REGION, permutations=200, seed=1)
        for seed in range(10)
    ]
    assert sum(result.p_value < 0.01 for result in found) >= 9
    where = np.array(found[0].excess)[-2:].sum(axis=0)
    edges = np.array(found[0].mass_edges)
    assert edges[where.argmax()] < 3500 + 200
    assert edges[where.argmax() + 1] > 3500 - 200


def test_a_sculpted_score_is_rejected_and_accepted_once_calibrated():
    scores, mass, folds = draw(4, sculpting=1.0)
    raw = independence_test(scores, mass, folds, permutations=200, seed=1)
    assert raw.is_limit
    assert raw.p_value == 1 / 201
    calibrated = -conformal_p(scores, mass, folds, window=WINDOW)
    flat = independence_test(calibrated, mass, folds, region=REGION, permutations=200, seed=1)
    assert flat.p_value > 0.05


def test_the_result_depends_on_the_seed_alone():
    events = draw(5, 3000)
    first = independence_test(*events, permutations=50, seed=7)
    assert independence_test(*events, permutations=50, seed=7) == first
    assert independence_test(*events, permutations=50, seed=8).expected != first.expected


def test_the_record_survives_json(tmp_path):
    result = independence_test(*draw(6, 1000), permutations=20, seed=1)
    path = result.to_json(tmp_path / "independence.json")
    assert type(result).from_json(path) == result


def test_what_cannot_be_used_is_refused():
    scores, mass, folds = draw(7, 1000)
    with pytest.raises(InputError, match="folds"):
        independence_test(scores, mass, folds[1:], seed=1)
    with pytest.raises(InputError, match="too few"):
        independence_test(scores, mass, folds, region=(9000, 9100), seed=1)
    for keyword in ({"tails": (0.1, 0.5)}, {"tails": ()}, {"mass_bins": 1}, {"permutations": 0}):
        with pytest.raises(ConfigError, match="decreasing tails"):
            independence_test(scores, mass, folds, seed=1, **keyword)
    scores[3] = np.nan
    with pytest.raises(InputError, match="not finite"):
        independence_test(scores, mass, folds, seed=1)
