"""The combined significance of several partitions into folds has the variance that is claimed."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import ndtr

from overdensity.stats.p_values.repeats import combined_z, distances, shared_variance


def test_shared_events_give_the_variance_of_the_mean() -> None:
    rng = np.random.default_rng(7)
    means = []
    for _ in range(2000):  # one selection of a tenth, half of whose events all partitions share
        common = rng.random(1000) < 0.5
        own = rng.random((5, 1000)) < 0.1
        levels = np.where(common, own[0], own)[..., None].astype(int)
        means.append((levels.sum(axis=(1, 2)).mean() - 100) / np.sqrt(90))
    variance = shared_variance(np.zeros(1000), levels, [[1.0, 2.0]], 1)[0, 1]
    expected = 0.5 + 0.5 * (1 + 4 * 0.1) / 5  # the others are shared by chance
    assert variance == pytest.approx(expected, abs=0.07)
    assert np.var(means) == pytest.approx(0.5 + 0.5 / 5, rel=0.1)


def test_a_signal_that_all_partitions_select_changes_no_variance() -> None:
    window, rng = [[3000.0, 3500.0]], np.random.default_rng(2)
    mass = 2500 / rng.random(4000) ** 0.2
    levels = (rng.random((5, 4000, 1)) < 0.1).astype(np.int8)
    with_signal = np.append(levels, np.ones((5, 300, 1), np.int8), axis=1)
    more = np.append(mass, np.full(300, 3250.0))
    one, other = (shared_variance(*x, window, 1) for x in ((mass, levels), (more, with_signal)))
    np.testing.assert_array_equal(one, other)


def test_fewer_partitions_have_the_variance_of_fewer() -> None:
    z, good = np.ones((4, 1)), np.array([[True], [True], [False], [False]])
    four = (1 + 3 * 0.5) / 4  # any two share half of their events
    assert combined_z(z, good, four)[0] == pytest.approx(((1 + 0.5) / 2) ** -0.25)
    good[1] = False
    assert combined_z(z, good, four)[0] == 1


def test_mean_of_correlated_normals_is_bounded_by_one_of_them() -> None:
    rng = np.random.default_rng(5)
    for share in (0.0, 0.5, 1.0):
        common, own = rng.normal(size=(1, 20_000)), rng.normal(size=(5, 20_000))
        z = np.sqrt(share) * common + np.sqrt(1 - share) * own
        p = ndtr(-combined_z(z, np.ones_like(z, bool)))
        for level in (0.05, 0.01):
            assert (p < level).mean() < level * 1.1
    # the law of total variance, which the docstring of the module quotes
    z = np.sqrt(0.4) * common + np.sqrt(0.6) * own
    assert z.mean(axis=0).var() == pytest.approx(
        1 - (1 - 1 / 5) * z.var(axis=0, ddof=1).mean(), rel=0.03
    )


def test_a_partition_that_does_not_count_may_be_infinite() -> None:
    assert combined_z([[1.0], [np.inf]], [[True], [False]])[0] == 1


def test_only_partitions_that_are_asked_for_have_a_distance_to_the_mean_of_those_that_count() -> (
    None
):
    z, counts = np.array([[1.0], [2.0], [9.0]]), np.array([[True], [True], [False]])
    found = distances(z, counts, np.array([[True], [False], [True]]))
    assert found.ravel().tolist() == [0.5, np.inf, 7.5]
