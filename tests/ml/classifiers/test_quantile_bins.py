"""Bins of features: quantiles of weighted events, and what lies in which."""

from __future__ import annotations

import numpy as np
import pytest

from overdensity.ml.classifiers.quantile_bins import OrderedFeatures


def bin_edges(values: np.ndarray, weight: np.ndarray, bins: int) -> np.ndarray:
    return OrderedFeatures.of(values[:, None]).binned(weight, bins).edges[0]


@pytest.fixture
def values() -> np.ndarray:
    return np.random.default_rng(1).normal(size=5000).astype(np.float32)


def test_edges_are_the_quantiles_of_numpy(values: np.ndarray) -> None:
    wanted = np.quantile(
        values.astype(float), np.arange(1, 40) / 40, method="averaged_inverted_cdf"
    )
    np.testing.assert_allclose(bin_edges(values, np.ones(5000), 40), wanted)


def test_a_weight_counts_as_so_many_events(values: np.ndarray) -> None:
    weight = np.random.default_rng(2).integers(0, 4, 5000)
    repeated = np.repeat(values, weight)
    found = bin_edges(values, weight.astype(float), 31)
    np.testing.assert_array_equal(found, bin_edges(repeated, np.ones(len(repeated)), 31))


def test_few_values_have_a_bin_each() -> None:
    values = np.array([5, 1, 1, 2, 5], np.float32)
    np.testing.assert_array_equal(bin_edges(values, np.ones(5), 3), [1.5, 3.5])


def test_a_frequent_value_gives_no_empty_edge(values: np.ndarray) -> None:
    values[:3000] = 0.0
    edges = bin_edges(values, np.ones(5000), 10)
    assert np.all(np.diff(edges) > 0)
    binned = OrderedFeatures.of(values[:, None]).binned(np.ones(5000), 10)
    counts = np.bincount(binned.bins[:, 0])
    assert counts.min() > 0


def test_a_value_on_an_edge_lies_in_the_bin_below() -> None:
    x = np.array([[0.5], [1.0], [1.5], [1.5], [2.0]], np.float32)
    binned = OrderedFeatures.of(x).binned(np.array([1.0, 0.0, 1.0, 1.0, 1.0]), 3)
    np.testing.assert_array_equal(binned.edges[0], [1.0, 1.75])
    np.testing.assert_array_equal(binned.bins[:, 0], [0, 0, 1, 1, 2])


def test_bins_of_sorted_features_are_those_of_each_subset(values: np.ndarray) -> None:
    x = np.stack([values, values.round(1), np.abs(values)], axis=1)
    weight = np.random.default_rng(3).uniform(0.5, 2.0, 5000) * (np.arange(5000) % 4 > 0)
    binned = OrderedFeatures.of(x).binned(weight, 31)
    for i, edges in enumerate(binned.edges):
        alone = bin_edges(x[weight > 0, i], weight[weight > 0], 31)
        np.testing.assert_array_equal(edges, alone)
        np.testing.assert_array_equal(binned.bins[:, i], np.searchsorted(edges, x[:, i]))
    some = binned.of(np.array([2, 0]))
    np.testing.assert_array_equal(some.bins, binned.bins[:, [2, 0]])
    assert some.edges[0] is binned.edges[2]
