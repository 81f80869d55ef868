"""Pseudo-experiments: seeds, batches, counting."""

from __future__ import annotations

import pickle
from functools import partial

import numpy as np
import pytest

from overdensity.stats import count_patterns, subdivide
from overdensity.stats.p_values.local import p_of_z
from overdensity.stats.search import pseudo_experiments
from overdensity.stats.search.null import null_hypothesis
from overdensity.stats.search.pseudo_experiments import (
    BATCH,
    Toys,
    global_p,
    throw_batch,
    throw_toys,
    toys_in_rounds,
)
from overdensity.stats.search.scanning import scan
from overdensity.stats.selection.contradiction import contradicted


@pytest.fixture(scope="module")
def search(box):
    made = box(31)
    patterns = count_patterns(made.mass, made.levels, subdivide(made.edges, 2))
    fits = scan(patterns, made.windows, made.efficiencies)
    return fits, null_hypothesis(patterns, fits)


def test_the_result_does_not_depend_on_who_runs_the_batches(search):
    fits, null = search
    threads = throw_toys(fits, null, n=3 * BATCH, seed=1)
    plain = throw_toys(fits, null, n=3 * BATCH, seed=1, mapper=map)
    backwards = throw_toys(
        fits,
        null,
        n=3 * BATCH,
        seed=1,
        mapper=lambda f, tasks: reversed([f(k) for k in reversed(tasks)]),
    )
    for other in (plain, backwards):
        np.testing.assert_array_equal(threads.p_local, other.p_local)
        np.testing.assert_array_equal(threads.deviance, other.deviance)


def test_batches_and_seeds_differ(search):
    fits, null = search
    task = partial(throw_batch, null=null, problem=fits.problem, spurious=fits.spurious)
    assert not np.array_equal(task(0, seed=1).p_local, task(1, seed=1).p_local)
    assert not np.array_equal(task(0, seed=1).p_local, task(0, seed=2).p_local)


def test_a_spurious_signal_is_thrown_and_known(search):
    """Thrown as often as the p-value allows for it, it leaves the p-value calibrated."""
    fits, null = search
    spurious = np.full(40, 0.05)
    batch = partial(throw_batch, null=null, problem=fits.problem, seed=3)
    p = np.concatenate([batch(k, spurious=spurious).p_local for k in range(8)])[:, ::4]
    without = batch(0, spurious=fits.spurious).p_local[:, ::4]
    assert not np.allclose(p[:BATCH], without)
    for alpha in (0.2, 0.05, 0.01):
        # the Gamma prior of the local p-value has longer tails than what is thrown
        assert 0.5 * alpha < (p < alpha).mean() < 1.15 * alpha


def test_a_batch_travels_to_another_process(search):
    fits, null = search
    task = partial(throw_batch, null=null, problem=fits.problem, spurious=fits.spurious, seed=3)
    copied = pickle.loads(pickle.dumps(task))
    np.testing.assert_array_equal(copied(2).p_local, task(2).p_local)


def test_pseudo_experiments_are_refused_what_the_data_are_refused(search, monkeypatch):
    """An excess that the spectrum of all events cannot hide counts in neither."""
    fits, null = search
    batch = partial(throw_batch, null=null, problem=fits.problem, spurious=fits.spurious, seed=3)
    as_they_are = batch(0).p_local.reshape(-1, 4)
    assert (as_they_are[:, 1:] == 1.0).mean() < 0.02
    monkeypatch.setattr(
        pseudo_experiments, "contradicted", partial(contradicted, threshold=0.0)
    )  # so strict that some are refused
    strict = batch(0).p_local.reshape(-1, 4)
    refused = strict != as_they_are
    assert np.all(strict[refused] == 1.0)
    assert 0.1 < refused[:, 1:].mean() < 0.6
    assert not refused[:, 0].any()


def test_no_more_are_thrown_than_needed(search):
    fits, null = search
    first = next(toys_in_rounds(fits, null, n=10_000, seed=1))
    assert len(first.p_local) == 1000
    np.testing.assert_array_equal(first.p_local, throw_toys(fits, null, n=1000, seed=1).p_local)


def test_local_p_values_are_not_too_small_even_with_few_events(search):
    """In the null, p < α may happen in at most α of the cases, whatever the selection."""
    fits, null = search
    p = throw_toys(fits, null, n=4000, seed=5).p_local.reshape(-1, 10, 4)
    for alpha in (0.2, 0.05, 0.01, 0.001):
        rate = (p < alpha).mean(axis=(0, 1))
        assert np.all(rate < alpha * 1.15 + 4 * np.sqrt(alpha / 40_000))
    # and with many events exactly so often
    assert (p[:, :, 0] < 0.05).mean() == pytest.approx(0.05, rel=0.15)


def test_global_p_counts():
    smallest = np.linspace(0.001, 0.1, 100)
    result = global_p(0.01, smallest)
    assert result.exceedances == 10
    assert result.p_global == pytest.approx(11 / 101)
    assert not result.is_limit
    assert p_of_z(result.z_global) == pytest.approx(result.p_global)


def test_no_exceedance_gives_a_limit():
    result = global_p(1e-9, np.linspace(0.001, 0.1, 999))
    assert result.is_limit
    assert result.p_global == pytest.approx(1e-3)


def test_goodness_of_fit_flags_as_many_pseudo_experiments_as_the_threshold_says():
    rng = np.random.default_rng(0)
    toys = Toys(np.ones((5000, 3)), rng.chisquare(10, (5000, 3)))
    assert toys.bad_fit(0.01).mean() == pytest.approx(0.01, abs=1e-3)
    assert toys.goodness(np.array([0.0, 10.0, 100.0])) == pytest.approx(
        [1.0, 0.44, 1 / 5001], abs=0.03
    )
