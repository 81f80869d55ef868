"""Two dense networks side by side, on the same inputs."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

__all__ = ["PairOfNetworks"]


class PairOfNetworks(nn.Module):
    """Two networks of one shape: ReLU, and a batch normalisation after the first layer.

    Those of double DisCo: G. Kasieczka, B. Nachman, M. D. Schwartz, D. Shih, arXiv:2007.14400.

    Parameters
    ----------
    features : int
        How many inputs.
    nodes : sequence of int
        Hidden layers.

    Examples
    --------
    >>> pair = PairOfNetworks(4, nodes=(8, 8))
    >>> pair(torch.rand(5, 4)).shape
    torch.Size([5, 2])
    """

    def __init__(self, features: int, *, nodes: Sequence[int]) -> None:
        super().__init__()
        self.networks = nn.ModuleList(_network(features, nodes) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        """Return the log-odds of both, shape (n_events, 2)."""
        return torch.cat([network(x) for network in self.networks], dim=1)


def _network(features: int, nodes: Sequence[int]) -> nn.Sequential:
    layers: list[nn.Module] = []
    for number, (n_in, n_out) in enumerate(pairwise((features, *nodes))):
        layers += [nn.Linear(n_in, n_out), nn.ReLU()]
        if number == 0:
            layers.append(nn.BatchNorm1d(n_out))
    return nn.Sequential(*layers, nn.Linear(nodes[-1], 1))
