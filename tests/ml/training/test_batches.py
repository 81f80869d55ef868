"""Batches of a training, and parts of a batch."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from overdensity.ml.training import batches
from overdensity.ml.training.batches import Batches, parts_of

N = 103


@pytest.fixture
def columns():
    return [np.arange(N), np.random.default_rng(1).normal(size=(N, 4, 3))]


def test_batches_hold_the_rows_in_their_order_whatever_is_gathered_at_once(columns, monkeypatch):
    weight, rows = np.arange(N) + 1.0, np.random.default_rng(2).permutation(N)[:90]
    made = Batches(columns, weight, 2.0, torch.device("cpu"))
    for at_once in (1, 25, N):
        monkeypatch.setattr(batches, "_BLOCK_ROWS", at_once)
        found = list(made.shuffled(rows, 7))
        assert [len(w) for _, w in found] == [13, 13, 13, 12, 13, 13, 13]
        assert torch.cat([row for (row, _), _ in found]).tolist() == rows.tolist()
        of_all = torch.cat([x for (_, x), _ in found])
        assert of_all.dtype == torch.float32
        np.testing.assert_array_equal(of_all, columns[1][rows].astype(np.float32))
        np.testing.assert_array_equal(torch.cat([w for _, w in found]), weight[rows] / 2)


def test_rows_that_are_large_are_gathered_few_at_a_time(columns, monkeypatch):
    asked = []

    class Column:
        dtype, shape = np.dtype(np.float32), (N, 4, 3)

        def __len__(self):
            return N

        def __getitem__(self, which):
            asked.append(len(which))
            return columns[1][which]

    monkeypatch.setattr(batches, "_BLOCK_BYTES", 20 * 4 * 12)
    made = Batches([Column()], None, 1.0, torch.device("cpu"))
    assert len(list(made.shuffled(np.arange(N), 10))) == 10
    assert max(asked) <= 20


@pytest.mark.parametrize("most", [None, 1, 4, 9, 10, 11])
def test_parts_of_a_batch_are_small_and_together_the_batch(most):
    x, weight = torch.rand(10, 2), torch.rand(10)
    parts = list(parts_of((x, x.sum(dim=1)), weight, most))
    assert max(len(w) for _, w in parts) <= (most or 10)
    torch.testing.assert_close(torch.cat([part for (part, _), _ in parts]), x)
    torch.testing.assert_close(torch.cat([w for _, w in parts]), weight)
    assert all(w is None for _, w in parts_of((x,), None, most))
