"""Shares of trials and their intervals."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom

from overdensity.stats.p_values.shares import counted, share_below, share_of


@pytest.mark.parametrize(("happened", "trials"), [(3, 50), (40, 50), (1, 1000)])
def test_beyond_the_bounds_what_happened_has_half_of_the_rest(happened: int, trials: int) -> None:
    share = share_of(happened, trials, level=0.9)
    assert share.value == happened / trials
    assert binom.sf(happened - 1, trials, share.low) == pytest.approx(0.05)
    assert binom.cdf(happened, trials, share.high) == pytest.approx(0.05)


def test_what_never_or_always_happened_is_bounded_on_one_side() -> None:
    assert share_of(0, 10)[:2] == (0.0, 0.0)
    assert share_of(10, 10)[::2] == (1.0, 1.0)


def test_values_at_alpha_are_not_below_it() -> None:
    share = share_below(np.array([0.05, 0.01, 0.5, 1.0]), 0.05)
    assert share == share_of(1, 4)
    assert share.in_per_cent() == f"25.0 ({100 * share.low:.1f}-{100 * share.high:.1f})"


def test_intervals_cover() -> None:
    rng = np.random.default_rng(5)
    held = []
    for _ in range(400):
        _, low, high = share_below(rng.random(50), 0.1)
        held.append(low < 0.1 < high)
    assert 0.62 < np.mean(held) < 0.9  # at least 68 %, as counts allow
    assert share_below(np.ones(10), 0.5).value == 0.0


def test_a_cell_counts_what_happened_and_bounds_its_share() -> None:
    _, low, high = share_of(2, 5)
    assert (
        counted([True, False, True, False, False])
        == f"2 of 5 ({100 * low:.0f} to {100 * high:.0f} %)"
    )
    assert counted([]) == "-"
