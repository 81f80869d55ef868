"""Gaps between columns in order: found, taken out and put back, with the Jacobian."""

from __future__ import annotations

import numpy as np
import pytest

from overdensity.ml.flows.gaps import Gaps

N = 2000


@pytest.fixture(scope="module")
def leptons() -> np.ndarray:
    """A mass, three pT in order, a mass that is zero where there is no pair, and numbers of jets in order."""
    rng = np.random.default_rng(1)
    pt = np.sort(10 + rng.exponential(25, (N, 3)), axis=1)[:, ::-1]
    pair = np.where(rng.random(N) < 0.3, 0.0, rng.uniform(0, pt[:, 2]))
    jets = np.sort(rng.poisson(2.0, (N, 2)), axis=1)[:, ::-1]
    return np.column_stack([rng.normal(91, 3, N), pt, pair, jets])


def test_continuous_columns_in_order_are_found(leptons: np.ndarray) -> None:
    assert Gaps.find(leptons).columns.tolist() == [1, 2]


def test_columns_far_apart_or_with_one_exception_are_none(leptons: np.ndarray) -> None:
    apart = np.column_stack([leptons[:, 1] + 1000, leptons[:, 2]])
    assert not len(Gaps.find(apart).columns)
    broken = leptons[:, 1:3].copy()
    broken[7] = broken[7, ::-1]
    assert not len(Gaps.find(broken).columns)


def test_the_inverse_gives_the_columns_back_and_is_always_in_order(leptons: np.ndarray) -> None:
    gaps = Gaps.find(leptons)
    found, _ = gaps.forward(leptons)
    np.testing.assert_allclose(gaps.inverse(found), leptons, rtol=1e-9)
    drawn = gaps.inverse(np.random.default_rng(2).normal(0, 5, (500, leptons.shape[1])))
    assert np.all(np.diff(drawn[:, 1:4], axis=1) <= 0)


def test_the_jacobian_is_that_of_differences(leptons: np.ndarray) -> None:
    gaps, x, step = Gaps.find(leptons), leptons[:20, :4], 1e-5
    jacobian = np.stack(
        [
            (gaps.forward(x + step * each)[0] - gaps.forward(x - step * each)[0]) / (2 * step)
            for each in np.eye(4)
        ],
        axis=2,
    )
    expected = np.linalg.slogdet(jacobian)[1]
    np.testing.assert_allclose(gaps.forward(x)[1], expected, rtol=1e-4)


def test_an_event_out_of_order_has_no_density_and_equal_ones_have_some(leptons: np.ndarray) -> None:
    gaps = Gaps.find(leptons)
    x = leptons[:2].copy()
    x[0, 1:3], x[1, 1:3] = (30.0, 40.0), (30.0, 30.0)
    _, log_jacobian = gaps.forward(x)
    assert log_jacobian[0] == -np.inf
    assert np.isfinite(log_jacobian[1])
