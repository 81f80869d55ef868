"""Signal that passes a selection was there before it."""

from __future__ import annotations

import numpy as np
import pytest

from overdensity.stats import count_patterns, subdivide
from overdensity.stats.search.scanning import scan
from overdensity.stats.selection.contradiction import contradicted


def found(made, **options):
    patterns = count_patterns(made.mass, made.levels, subdivide(made.edges, 2))
    fits = scan(patterns, made.windows, made.efficiencies)
    inside = (fits.observed, fits.fits.expected[0], fits.fits.error[0])
    return contradicted(*inside, n_levels=4, **options).reshape(10, 4)


def test_an_honest_selection_contradicts_nothing(box):
    assert not found(box(7, 20_000)).any()


def test_a_signal_contradicts_nothing(box):
    assert not found(box(7, 20_000, n_signal=200)).any()


def test_a_selection_with_more_excess_than_the_spectrum_hides_is_a_contradiction(box):
    made = box(7, 20_000)
    low, high = made.windows[4]
    rng, inside = np.random.default_rng(1), (made.mass >= low) & (made.mass < high)
    # a third of all events of one window more: far too many to have come from nowhere
    made.levels[inside & (rng.random(made.mass.size) < 0.3), 4] = 1
    assert found(made)[4, 1]
    assert not found(made)[:, 0].any()


def test_a_larger_threshold_finds_fewer(box):
    made = box(8, 20_000)
    counts = [found(made, threshold=t).sum() for t in (-3.0, 0.0, 3.0)]
    assert counts == sorted(counts, reverse=True)
    assert counts[0] == pytest.approx(30, abs=10)


def test_many_datasets_are_asked_at_once():
    rng = np.random.default_rng(1)
    b, error = np.tile([1000.0, 100.0], 3), np.tile([10.0, 3.0], 3)
    n = rng.poisson(b * rng.uniform(0.5, 4, (5, 6)))
    each = [contradicted(row, b, error, n_levels=2) for row in n.astype(float)]
    at_once = contradicted(n, np.tile(b, (5, 1)), np.tile(error, (5, 1)), n_levels=2)
    np.testing.assert_array_equal(at_once, each)
    assert 0 < at_once.sum() < 15


@pytest.mark.parametrize(("before", "hidden"), [(1000, 0), (900, 0), (1050, 50)])
def test_the_allowed_difference_is_that_of_the_docstring(before: int, hidden: int) -> None:
    expected, error = np.array([1000.0, 100.0]), np.array([10.0, 4.0])
    allowed = 3 * np.sqrt(1000 - 100 + 10**2 + 4**2)
    for excess, moved in ((allowed + hidden - 0.1, False), (allowed + hidden + 0.1, True)):
        observed = np.array([before, 100 + excess])
        assert contradicted(observed, expected, error, n_levels=2).tolist() == [False, moved]
