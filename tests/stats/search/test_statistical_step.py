"""The rule that picks the smallest p-value, in data and pseudo-experiments."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from overdensity.core import InputError
from overdensity.stats import FitModel, count_patterns, log_edges, spurious_signal, subdivide
from overdensity.stats.p_values.local import z_of_log_p
from overdensity.stats.search.pseudo_experiments import throw_toys
from overdensity.stats.search.statistical_step import (
    StatisticalStep,
    settled_step,
    statistical_step,
)
from overdensity.stats.selection.patterns import Patterns

SHAPE = (10, 4)
EDGES = log_edges(2632.0, 6000.0, 32)
WINDOWS = np.array([(EDGES[2 * i], EDGES[2 * i + 6]) for i in range(2, 12)])


@pytest.fixture(scope="module")
def patterns(box):
    made = box(71, 10_000, n_signal=60)
    return made, count_patterns(made.mass, made.levels, subdivide(made.edges, 2))


@pytest.fixture(scope="module")
def step(patterns):
    made, counted = patterns
    return statistical_step(counted, made.windows, made.efficiencies)


@pytest.fixture(scope="module")
def toys(step):
    return throw_toys(step.scan, step.null, n=250, seed=1, mapper=map)


def changed(step, **values):
    """Return the step with other values in its only partition."""
    return StatisticalStep.of([dataclasses.replace(step.chosen, **values)])


def test_the_best_is_the_smallest_p_value_of_what_counts(step, toys):
    use = step.counted & ~step.flagged(toys)
    assert step.best(toys) == np.where(use, step.log_p, np.inf).argmin()
    of_data, _ = step.smallest(toys)
    assert of_data == step.scan.p_local[step.best(toys)]


def test_the_best_of_all_is_the_best_of_the_windows(step, toys):
    index, log_p = step.best_of_windows(toys)
    assert step.best(toys) == index[log_p.argmin()]
    assert np.all(index // SHAPE[1] == np.arange(SHAPE[0]))


def test_pseudo_experiments_are_asked_what_the_data_are_asked(step, toys):
    use = step.counted & ~toys.bad_fit(step.model.gof_threshold)
    p = np.where(use, toys.p_local, 1.0)
    np.testing.assert_array_equal(step.smallest(toys)[1], p.min(axis=1))
    assert step.smallest_of_windows(toys).shape == (250, 10)


def test_the_unselected_spectrum_counts_on_request(patterns):
    made, counted = patterns
    both = statistical_step(counted, made.windows, (1.0, *made.efficiencies))
    assert both.counted.all()


def test_what_is_refused_counts_neither_in_data_nor_in_pseudo_experiments(patterns, toys):
    made, counted = patterns
    refused = np.ones((10, 3), dtype=bool)
    refused[4, 1] = False
    step = statistical_step(counted, made.windows, made.efficiencies, refused=refused)
    assert step.best(toys) in (None, 4 * SHAPE[1] + 2)
    smallest = step.smallest_of_windows(toys)
    assert np.all(np.delete(smallest, 4, axis=1) == 1.0)
    assert step.refused.reshape(SHAPE)[:, 0].sum() == 0


def test_nothing_left_to_quote_is_no_best(step, toys):
    nothing = changed(step, refused=np.ones(40, dtype=bool))
    assert nothing.best(toys) is None
    assert nothing.smallest(toys)[0] == 1.0
    assert all(row.p_local is None for row in nothing.rows(toys))


def test_rows_have_no_p_value_where_they_are_flagged(step, toys):
    strict = changed(step, model=FitModel(gof_threshold=0.9))
    rows = strict.rows(toys)
    assert any(row.flagged for row in rows)
    for row, p in zip(rows, step.scan.p_local, strict=True):
        assert row.p_local == (None if row.flagged else p)


def test_a_fit_beyond_the_threshold_is_flagged(step, toys):
    goodness = toys.goodness(step.scan.fits.deviance[0])
    strict = changed(step, model=FitModel(gof_threshold=0.5))
    np.testing.assert_array_equal(
        strict.flagged(toys), (goodness < 0.5) | ~step.scan.fits.converged[0]
    )


def test_refusals_have_the_shape_of_the_scan(patterns):
    made, counted = patterns
    with pytest.raises(InputError, match="10 windows of 3 selections"):
        statistical_step(counted, made.windows, made.efficiencies, refused=[[True]])


def inclusive_excess(times, **options):
    """Return the largest z of the unselected spectrum, with so many times 100 events at 3.5 TeV."""
    share = np.exp(-((np.log(np.sqrt(EDGES[1:] * EDGES[:-1]) / 3500) / 0.04) ** 2) / 2)
    counts = np.round(4000 * 0.8 ** np.arange(32) + times * 100 * share / share.sum()).astype(int)
    passes = np.zeros((1, len(WINDOWS)), np.int8)
    events = Patterns(EDGES, np.arange(32), np.repeat(passes, 32, axis=0), counts)
    fraction = None
    if options:
        fraction = spurious_signal(EDGES, counts, WINDOWS, **options).fraction
    step = statistical_step(events, WINDOWS, (1.0, 0.1), spurious=fraction)
    return z_of_log_p(step.log_p.reshape(-1, 2)[:, 0]).max()


def test_a_larger_excess_is_more_significant_unless_it_counts_as_spurious():
    strengths = (0, 2, 4, 8)
    z = [inclusive_excess(times) for times in strengths]
    assert z[0] < 0.5
    assert np.all(np.diff(z) > 1.5)
    hidden = [inclusive_excess(times, neighbours=0) for times in strengths]
    assert max(hidden[2:]) < 2  # z / sqrt(z² - 3) at most, however strong the signal


def test_what_may_not_be_quoted_hides_no_window_from_the_null(patterns, step):
    made, counted = patterns
    assert step.hidden == np.where(step.counted, step.log_p, 0).argmin() // SHAPE[1]
    refused = np.zeros((10, 3), dtype=bool)
    refused[step.hidden] = True
    without = statistical_step(counted, made.windows, made.efficiencies, refused=refused)
    assert without.hidden != step.hidden
    use = without.counted & ~without.refused
    assert without.hidden == np.where(use, without.log_p, 0).argmin() // SHAPE[1]
    assert not np.allclose(without.scan.null, step.scan.null)


def test_the_headline_hides_its_window_where_a_better_fit_is_flagged(step, toys):
    best = step.best(toys) // SHAPE[1]
    other = (best + 5) % SHAPE[0]
    away = dataclasses.replace(
        step, chosen=step.chosen.hiding(other)
    )  # as if that fit were flagged
    found, thrown = settled_step(away, n=250, seed=1, mapper=map)
    assert (away.hidden, found.hidden) == (other, best)
    np.testing.assert_allclose(found.scan.null, step.scan.null, rtol=1e-6)
    again, same = settled_step(found, n=250, seed=1, mapper=map)
    assert again is found
    np.testing.assert_array_equal(same.p_local, thrown.p_local)


def test_no_more_pseudo_experiments_are_thrown_than_the_p_value_needs(patterns):
    made, _ = patterns
    one = count_patterns(made.mass, made.levels[:, :1], subdivide(made.edges, 2))
    weak = statistical_step(one, made.windows[:1], made.efficiencies)
    few, enough = (settled_step(weak, n=1250, seed=1, in_rounds=each)[1] for each in (True, False))
    assert (len(few.p_local), len(enough.p_local)) == (1000, 1250)


def test_the_null_hypothesis_is_found_when_it_is_asked_for(patterns):
    made, counted = patterns
    step = statistical_step(counted, made.windows, made.efficiencies)
    assert "null" not in vars(step)
    assert step.null is step.null


def test_there_is_no_result_where_the_null_hypothesis_is_not_found(step, toys):
    lost = dataclasses.replace(step)
    vars(lost)["null"] = dataclasses.replace(step.null, mismatch=0.9)
    assert lost.best(toys) is None
    assert any("there is no p-value" in sentence for sentence in lost.flags(toys, seed=1))
