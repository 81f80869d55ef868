"""Distance correlation: against its definition term by term, its gradient, and its meaning."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
import torch

from overdensity.core import InputError
from overdensity.ml.losses.distance_correlation import (
    distance_correlation,
    squared_distance_correlation,
    squared_distance_covariance,
)


def events(n, seed=0, ties=False):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    y = x**2 + rng.normal(size=n)
    if ties:
        x, y = x.round(), y.round()
    return torch.as_tensor(x), torch.as_tensor(y), torch.as_tensor(rng.uniform(0.2, 2.0, n))


def v_statistic(x, y, w):
    """Mean product of the doubly centered distances, arXiv:0803.4101, definition 4, weighted."""
    w = (w / w.sum()).numpy()
    centered = []
    for v in (x.numpy().reshape(len(w), -1), y.numpy().reshape(len(w), -1)):
        d = np.sqrt(((v[:, None] - v[None]) ** 2).sum(axis=2))
        row = d @ w
        centered.append(d - row[:, None] - row[None] + w @ row)
    return float(w @ (centered[0] * centered[1]) @ w)


def u_statistic(x, y, w):
    """Sums over two, three and four events that differ, one by one."""
    a, b = abs(x[:, None] - x[None]).numpy(), abs(y[:, None] - y[None]).numpy()
    w = w.numpy()

    def mean(k, term):
        chosen = list(permutations(range(len(w)), k))
        weights = np.array([np.prod(w[list(c)]) for c in chosen])
        return np.average([term(*c) for c in chosen], weights=weights)

    pairs = mean(2, lambda i, j: a[i, j] * b[i, j])
    triples = mean(3, lambda i, j, k: a[i, j] * b[i, k])
    fours = mean(4, lambda i, j, k, m: a[i, j] * b[k, m])
    return pairs - 2 * triples + fours


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("n", [4, 5, 64, 101])
def test_covariance_is_that_of_its_definition(n, ties):
    x, y, w = events(n, ties=ties)
    assert float(squared_distance_covariance(x, y, weight=w)) == pytest.approx(v_statistic(x, y, w))


def test_unbiased_covariance_is_the_sum_over_events_that_differ():
    x, y, w = events(7)
    found = squared_distance_covariance(x, y, weight=w, unbiased=True)
    assert float(found) == pytest.approx(u_statistic(x, y, w))


def test_values_are_those_of_another_library():
    # dcor 0.7: distance_covariance_sqr, u_distance_covariance_sqr, their correlations
    x = torch.tensor([0.0, 1.0, 3.0, 6.0, 6.5, 9.0], dtype=torch.float64)
    y = torch.tensor([2.0, -1.0, 4.0, 4.5, 1.0, 0.0], dtype=torch.float64)
    found = [
        squared_distance_covariance(x, y),
        squared_distance_covariance(x, y, unbiased=True),
        squared_distance_correlation(x, y),
        squared_distance_correlation(x, y, unbiased=True),
    ]
    expected = [0.9976851851851869, -0.9888888888888836, 0.24591641434019773, -0.2299380838417401]
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_vectors_have_euclidean_distances():
    x, y, w = events(60)
    vectors = torch.stack([x, y, x * y], dim=1)
    found = squared_distance_covariance(vectors, y, weight=w)
    assert float(found) == pytest.approx(v_statistic(vectors, y, w))


@pytest.mark.parametrize("unbiased", [False, True])
def test_numbers_and_vectors_with_one_dimension_that_counts_agree_with_their_gradients(unbiased):
    x, y, w = events(90)
    x.requires_grad_()
    y.requires_grad_()
    flat = torch.stack([x, torch.zeros(90)], dim=1)
    fast = squared_distance_correlation(x, y, weight=w, unbiased=unbiased)
    slow = squared_distance_correlation(flat, y, weight=w, unbiased=unbiased)
    torch.testing.assert_close(fast, slow)
    for one, other in zip(
        torch.autograd.grad(fast, (x, y)), torch.autograd.grad(slow, (x, y)), strict=True
    ):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("unbiased", [False, True])
def test_gradient_is_that_of_finite_differences(unbiased):
    x, y, w = events(12)
    inputs = x.requires_grad_(), y.requires_grad_(), w.requires_grad_()
    assert torch.autograd.gradcheck(
        lambda x, y, w: squared_distance_correlation(x, y, weight=w, unbiased=unbiased), inputs
    )


def test_unbiased_value_of_independent_events_is_zero_in_the_mean_and_the_other_is_not():
    rng = np.random.default_rng(0)
    found = []
    for _ in range(60):
        x, y = torch.as_tensor(rng.normal(size=(2, 20)))
        found.append([squared_distance_correlation(x, y, unbiased=u) for u in (False, True)])
    biased, unbiased = np.mean(found, axis=0)
    error = np.std(found, axis=0)[1] / np.sqrt(60)
    assert abs(unbiased) < 4 * error
    assert biased > 10 * error


def test_weight_of_two_counts_as_two_events():
    x, y, _ = events(50)
    w = torch.cat([torch.full((20,), 2.0), torch.ones(30)])
    twice = [torch.cat([v[:20], v]) for v in (x, y)]
    torch.testing.assert_close(
        squared_distance_correlation(x, y, weight=w), squared_distance_correlation(*twice)
    )


@pytest.mark.parametrize("unbiased", [False, True])
def test_events_without_weight_do_not_count(unbiased):
    x, y, w = events(50)
    w[30:] = 0
    torch.testing.assert_close(
        squared_distance_correlation(x, y, weight=w, unbiased=unbiased),
        squared_distance_correlation(x[:30], y[:30], weight=w[:30], unbiased=unbiased),
    )


@pytest.mark.parametrize("unbiased", [False, True])
def test_nothing_to_correlate_gives_zero_and_no_gradient(unbiased):
    x = torch.full((50,), 0.1, requires_grad=True)
    y = torch.rand(50)
    for value in (
        squared_distance_correlation(x, y, unbiased=unbiased),
        squared_distance_correlation(x * y, y, weight=torch.zeros(50), unbiased=unbiased),
    ):
        assert float(value.detach()) == 0
        (gradient,) = torch.autograd.grad(value, x)
        assert not gradient.any()


def test_correlation_is_the_root_of_its_square():
    x, y, w = events(50)
    square = squared_distance_correlation(x, y, weight=w)
    torch.testing.assert_close(distance_correlation(x, y, weight=w) ** 2, square)


def test_single_precision_of_large_masses_loses_nothing():
    rng = np.random.default_rng(0)
    mass = torch.as_tensor(3500 + rng.normal(size=500).astype(np.float32))
    exact = squared_distance_correlation(mass.double(), mass.double() ** 2)
    found = squared_distance_correlation(mass, mass.double() ** 2)
    assert found.dtype == torch.float32
    assert float(found) == pytest.approx(float(exact), rel=1e-6)


@pytest.mark.parametrize(
    ("x", "y", "w", "said"),
    [
        (torch.rand(5), torch.rand(6), None, r"found \(5,\) and \(6,\)"),
        (torch.rand(3), torch.rand(3), None, "at least 4"),
        (torch.rand(5, 2, 2), torch.rand(5), None, r"\(5, 2, 2\)"),
        (torch.rand(5), torch.rand(5), torch.rand(4), r"5 events and weights of shape \(4,\)"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(x, y, w, said):
    with pytest.raises(InputError, match=said):
        squared_distance_correlation(x, y, weight=w)
