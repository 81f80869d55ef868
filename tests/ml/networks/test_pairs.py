"""A pair of networks: the published layers, and nothing in common but the inputs."""

from __future__ import annotations

import torch

from overdensity.ml.networks.pairs import PairOfNetworks


def test_layers_are_the_published_ones():
    pair = PairOfNetworks(10, nodes=(64, 64, 64))
    for network in pair.networks:
        kinds = [type(layer).__name__ for layer in network]
        assert kinds == ["Linear", "ReLU", "BatchNorm1d", *["Linear", "ReLU"] * 2, "Linear"]
        sizes = [layer.out_features for layer in network if isinstance(layer, torch.nn.Linear)]
        assert sizes == [64, 64, 64, 1]


def test_networks_share_no_weight():
    torch.manual_seed(0)
    pair = PairOfNetworks(3, nodes=(4,))
    pair(torch.rand(5, 3))[:, 0].sum().backward()
    first, second = pair.networks
    assert all(value.grad is not None for value in first.parameters())
    assert not any(value.grad.any() for value in second.parameters())
