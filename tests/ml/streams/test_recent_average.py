"""The average over the last part of a series."""

from __future__ import annotations

import numpy as np
import pytest

from overdensity.ml.streams.recent_average import RecentAverage


def series(n: int) -> RecentAverage:
    average = RecentAverage(1)
    for i in range(n):
        average.add(np.array([float(i)]), loss=float(i))
    return average


@pytest.mark.parametrize("n", [1, 3, 40, 41, 87, 1000, 12_345])
def test_a_last_part_of_any_series_is_known_to_a_twentieth(n: int) -> None:
    first = 2 * series(n).mean(0.2)[0] - (
        n - 1
    )  # of an even series, the mean is half the ends' sum
    assert first <= n - 0.2 * n
    assert first >= n - (0.2 + 0.05) * n - 2


def test_the_whole_series_is_averaged_exactly() -> None:
    assert series(1000).mean(1.0)[0] == pytest.approx(499.5)


def test_memory_does_not_grow() -> None:
    sizes = {sum(each.nbytes for each in series(n).arrays().values()) for n in (1, 100, 5000)}
    assert len(sizes) == 1


def test_losses_are_those_of_the_parts() -> None:
    losses = series(100).losses()
    assert losses[0] == (4, 1.5)
    assert losses[-1][0] == 100
    assert len(losses) <= 40


def test_a_series_goes_on_from_its_arrays() -> None:
    whole, again = series(500), RecentAverage(1)
    again.restore(series(333).arrays())
    for i in range(333, 500):
        again.add(np.array([float(i)]), loss=float(i))
    assert again.losses() == whole.losses()
    assert again.mean(0.3) == whole.mean(0.3)
