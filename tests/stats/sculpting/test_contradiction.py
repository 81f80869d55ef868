"""Signal that passes a selection was there before it."""

from __future__ import annotations

import numpy as np
import pytest

from overdensity.stats import contradicted, hunt


def found(made):
    return contradicted(hunt(made.mass, made.levels, **made.scan, pseudo_experiments=250, seed=1))


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
    assert found(made)[4, 0]


def test_a_larger_threshold_finds_fewer(box):
    result = hunt(*(made := box(8, 20_000)).__dict__.values(), **made.scan, pseudo_experiments=250)
    counts = [contradicted(result, threshold=t).sum() for t in (-3.0, 0.0, 3.0)]
    assert counts == sorted(counts, reverse=True)
    assert counts[0] == pytest.approx(30, abs=10)
