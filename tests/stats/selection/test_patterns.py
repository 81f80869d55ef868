"""Events grouped by what they pass."""

from __future__ import annotations

import numpy as np
import pytest

from overdensity.core import InputError
from overdensity.stats import count_patterns, merge_patterns


def test_spectra_are_the_histograms_of_the_selected_events(box):
    made = box(1, 5000)
    spectra = count_patterns(made.mass, made.levels, made.edges).spectra(3)
    for window in range(10):
        for level in range(4):
            expected, _ = np.histogram(made.mass[made.levels[:, window] >= level], made.edges)
            expected_all, _ = np.histogram(made.mass, made.edges)
            np.testing.assert_array_equal(
                spectra[window, level], expected if level else expected_all
            )


def test_partitions_add_up(box):
    made = box(2, 5000)
    whole = count_patterns(made.mass, made.levels, made.edges)
    parts = [count_patterns(made.mass[i::3], made.levels[i::3], made.edges) for i in range(3)]
    merged = merge_patterns(parts)
    for name in ("bins", "levels", "counts"):
        np.testing.assert_array_equal(getattr(merged, name), getattr(whole, name))


def test_patterns_are_distinct(box):
    made = box(3, 5000)
    patterns = count_patterns(made.mass, made.levels, made.edges)
    rows = np.column_stack([patterns.bins, patterns.levels])
    assert len(np.unique(rows, axis=0)) == len(rows)
    assert patterns.counts.sum() == ((made.mass >= 2632) & (made.mass < 6000)).sum()


def test_events_outside_the_edges_are_dropped():
    patterns = count_patterns([1.0, 5.0, np.inf], np.zeros((3, 1)), [2.0, 4.0, 6.0])
    assert patterns.counts.tolist() == [1]
    assert patterns.bins.tolist() == [1]


def test_overlaps_are_the_correlations_of_passing_in_the_bins_asked_for(box):
    made = box(4, 5000)
    patterns = count_patterns(made.mass, made.levels, made.edges)
    bins = np.arange(16) >= 5
    inside = (made.mass >= made.edges[5]) & (made.mass < made.edges[-1])
    passed = (made.levels[inside][:, :, None] > np.arange(2)).reshape(inside.sum(), -1)
    np.testing.assert_allclose(
        patterns.overlaps(2, bins), np.corrcoef(passed.astype(float).T), atol=1e-9
    )


def test_a_selection_that_no_event_passes_overlaps_with_itself_alone():
    patterns = count_patterns([3.0, 3.1], [[1, 0], [0, 0]], [2.0, 4.0])
    np.testing.assert_array_equal(patterns.overlaps(1, np.array([True])), np.eye(2))
    np.testing.assert_array_equal(patterns.overlaps(1, np.array([False])), np.eye(2))


def test_no_events_make_empty_spectra():
    patterns = count_patterns(np.empty(0), np.empty((0, 2)), [2.0, 4.0])
    assert patterns.spectra(1).shape == (2, 2, 1)
    assert not patterns.spectra(1).any()


def test_a_mass_that_is_not_a_number_is_refused():
    with pytest.raises(InputError, match="event 1"):
        count_patterns([3000.0, np.nan], np.zeros((2, 1)), [2000.0, 4000.0])


def test_shapes_must_agree():
    with pytest.raises(InputError, match="n_windows"):
        count_patterns([3000.0, 3100.0], np.zeros(2), [2000.0, 4000.0])


@pytest.mark.parametrize("level", [-1, 3])
def test_levels_beyond_the_selections_are_refused(level: int) -> None:
    patterns = count_patterns([1.5, 1.5], [[1], [level]], [1.0, 2.0])
    with pytest.raises(InputError, match="with 2 selections they are 0 to 2"):
        patterns.spectra(2)
