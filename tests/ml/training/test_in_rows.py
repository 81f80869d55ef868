"""What is made of many events is what is made of each."""

from __future__ import annotations

import numpy as np
import torch

from overdensity.ml.training.in_rows import in_rows


class Network(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.Dropout(0.5))

    def errors(self, x):
        return (self.layer(x) - x).square().sum(dim=1)


def test_rows_at_a_time_change_nothing_and_nothing_is_dropped():
    torch.manual_seed(0)
    network = Network()
    x = np.random.default_rng(0).normal(size=(25, 3)).astype(np.float32)
    found = in_rows(network, network.errors, x, device="cpu", rows=10)
    with torch.no_grad():
        expected = network.eval().errors(torch.as_tensor(x)).numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_no_events_have_no_errors():
    network, none = Network(), np.empty((0, 3), np.float32)
    assert in_rows(network, network.errors, none, device="cpu").shape == (0,)


def test_several_columns_make_several_numbers():
    network, rng = Network(), np.random.default_rng(0)
    x, y = rng.normal(size=(2, 7, 3)).astype(np.float32)
    found = in_rows(network, torch.sub, x, y, device="cpu", rows=3, shape=(3,))
    np.testing.assert_array_equal(found, x - y)
