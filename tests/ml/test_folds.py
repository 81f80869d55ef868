"""Folds depend on the event id and the seed, and on nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import chi2_contingency, chisquare

from overdensity.core import ConfigError
from overdensity.core.identity import row_ids
from overdensity.ml.folds import fold_of, training_folds


def test_fold_of_an_event_does_not_depend_on_the_order_or_the_chunk():
    event = row_ids("a.parquet", 0, 1000)
    fold = fold_of(event, 5, seed=1)
    order = np.random.default_rng(0).permutation(1000)
    np.testing.assert_array_equal(fold_of(event[order], 5, seed=1), fold[order])
    np.testing.assert_array_equal(fold_of(event[300:400], 5, seed=1), fold[300:400])


def test_folds_are_equally_full_also_for_consecutive_ids():
    counts = np.bincount(fold_of(np.arange(100_000, dtype=np.uint64), 5, seed=1))
    assert chisquare(counts).pvalue > 1e-3


@pytest.mark.parametrize("other", [{"seed": 2}, {"salt": "inner"}])
def test_another_seed_or_salt_divides_independently(other):
    event = np.arange(100_000, dtype=np.uint64)
    a, b = fold_of(event, 5, seed=1), fold_of(event, 5, **({"seed": 1} | other))
    table = np.bincount(5 * a + b, minlength=25).reshape(5, 5)
    assert chi2_contingency(table).pvalue > 1e-3


def test_one_fold_is_refused():
    with pytest.raises(ConfigError, match="at least 2"):
        fold_of(np.zeros(3, np.uint64), 1, seed=0)


@pytest.mark.parametrize("folds", range(3, 13))
def test_no_two_folds_of_a_tournament_learn_from_each_other(folds):
    learns_from = {fold: set(training_folds(fold, folds)) for fold in range(folds)}
    for fold, others in learns_from.items():
        assert fold not in others
        assert len(others) == (folds - 1) // 2
        assert all(fold not in learns_from[other] for other in others)


def test_in_the_published_scheme_a_fold_learns_from_all_others():
    assert set(training_folds(2, 5, "all")) == {0, 1, 3, 4}


@pytest.mark.parametrize(("folds", "scheme"), [(2, "tournament"), (1, "all")])
def test_too_few_folds_to_learn_from_are_refused(folds, scheme):
    with pytest.raises(ConfigError, match=f"cross_fitting: {scheme} needs at least"):
        training_folds(0, folds, scheme)


def spread_without_signal(folds, scheme, n=400, events=8000, cells=50):
    """Rms of the excess, over its Poisson error, in the cell that the other folds find richest."""
    rng = np.random.default_rng(1)
    z = []
    for _ in range(n):
        counts = rng.poisson(
            events / folds / cells / 2, (2, folds, cells)
        )  # sideband, signal region
        kept = np.zeros(2)
        for fold in range(folds):
            side, signal = counts[:, list(training_folds(fold, folds, scheme))].sum(axis=1)
            kept += counts[:, fold, np.argmax((signal + 1) / (side + 1))]
        z.append((kept[1] - kept[0]) / np.sqrt(kept.sum()))
    return np.sqrt(np.mean(np.square(z)))


def test_yields_of_a_tournament_have_the_spread_of_poisson():
    assert spread_without_signal(7, "tournament") == pytest.approx(1, abs=0.1)  # 3 sigma


def test_yields_of_folds_that_learn_from_each_other_spread_wider():
    assert spread_without_signal(5, "all") > 1.25
