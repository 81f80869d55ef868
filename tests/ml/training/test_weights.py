"""Weights survive as plain arrays, among those of others."""

from __future__ import annotations

import numpy as np
import torch

from overdensity.core.arrays import within
from overdensity.ml.training.weights import weights_of, with_weights


def network() -> torch.nn.Module:
    return torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2), torch.nn.Dropout())


def test_weights_come_back_from_among_others():
    one, x = network(), torch.randn(5, 3)
    one(x)  # moves the running mean
    arrays = {"names": np.array(["a"])} | weights_of(one, "one.") | weights_of(network(), "other.")
    back = with_weights(network(), within(arrays, "one."))
    assert not back.training
    torch.testing.assert_close(back(x), one.eval()(x), rtol=0, atol=0)
