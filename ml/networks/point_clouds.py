"""ParticleNet: edge convolutions on each particle and its nearest neighbors, found anew in each layer."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from .jet_taggers import JetTagger, ParticleNorm, mean_of, pairs_of, placed_inputs
from .sets import PARTICLE_INPUTS, placed

__all__ = ["NearestEdges", "ParticleNetwork", "nearest"]


class ParticleNetwork(JetTagger):
    """ParticleNet: H. Qu, L. Gouskos, arXiv:1902.08570, section III.

    Neighbors of the first edge convolution are near in eta and phi, those of the others in what the
    one before has learnt. The mean over the particles goes through a dense layer with dropout.

    Parameters
    ----------
    features, jets : int
        Numbers of the event, may be none; and how many jets.
    edges : sequence of int
        Width of each edge convolution, three layers each.
    neighbors : int
        Of each particle.
    dense : int
        Width of the dense layer.
    dropout : float
        After it.

    Examples
    --------
    >>> network = ParticleNetwork(0, 1, edges=(8, 8), neighbors=2, dense=8, dropout=0.1).eval()
    >>> jets = torch.tensor([[[0.7, 0.1, 0.0], [0.3, -0.2, 0.1], [0.0, 0.0, 0.0]]])
    >>> there, back = network(torch.empty(1, 0), jets), network(torch.empty(1, 0), jets.flip(1))
    >>> bool(torch.isclose(there, back))
    True
    """

    def __init__(
        self,
        features: int,
        jets: int,
        *,
        edges: Sequence[int],
        neighbors: int,
        dense: int,
        dropout: float,
    ) -> None:
        super().__init__()
        self.neighbors = neighbors
        self.norm = ParticleNorm(PARTICLE_INPUTS)
        self.edges = nn.ModuleList(
            NearestEdges(n_in, (n_out,) * 3) for n_in, n_out in pairwise((PARTICLE_INPUTS, *edges))
        )
        self.head = nn.Sequential(
            nn.Linear(features + jets * edges[-1], dense),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(dense, 1),
        )

    def embedded(self, jet: Tensor, mask: Tensor) -> Tensor:
        """Return the mean over particles after the last edge convolution."""
        points, x = jet[..., 1:], self.norm(placed_inputs(jet, mask), mask)
        for convolution in self.edges:
            x = convolution(x, mask, *nearest(points, mask, self.neighbors))
            points = x
        return mean_of(x, mask)


class NearestEdges(nn.Module):
    r"""Edge convolution :math:`\mathrm{ReLU}(s(p_i) + \mathrm{mean}_j\, \phi(p_i, p_j - p_i))` over neighbors.

    arXiv:1902.08570, figure 1. The first layer of :math:`\phi` is linear in both, so that it is a sum
    of two products for each particle in place of one for each edge.

    Parameters
    ----------
    inputs : int
        Numbers of each particle.
    widths : sequence of int
        Of the layers of :math:`\phi`, each with batch normalisation and ReLU.

    Examples
    --------
    >>> points, mask = torch.rand(3, 5, 4), torch.ones(3, 5, dtype=torch.bool)
    >>> NearestEdges(4, (8, 8))(points, mask, *nearest(points, mask, 2)).shape
    torch.Size([3, 5, 8])
    """

    def __init__(self, inputs: int, widths: Sequence[int]) -> None:
        super().__init__()
        self.of_one = nn.Linear(inputs, widths[0], bias=False)
        self.of_other = nn.Linear(inputs, widths[0], bias=False)
        self.layers = nn.ModuleList(nn.Linear(a, b, bias=False) for a, b in pairwise(widths))
        self.norms = nn.ModuleList(ParticleNorm(width) for width in widths)
        self.shortcut = nn.Linear(inputs, widths[-1], bias=False)
        self.shortcut_norm = ParticleNorm(widths[-1])

    def forward(self, x: Tensor, mask: Tensor, neighbors: Tensor, there: Tensor) -> Tensor:
        """Return new numbers of each particle, shape (n_jets, n_particles, widths[-1]).

        Parameters
        ----------
        x : Tensor, shape (n_jets, n_particles, n_inputs)
            Numbers of each particle.
        mask : Tensor of bool, shape (n_jets, n_particles)
            Which are there.
        neighbors, there : Tensor, shape (n_jets, n_particles, k)
            From :func:`nearest`.
        """
        other = self.of_other(x)
        jet = torch.arange(x.shape[0], device=x.device)[:, None, None]
        messages = ((self.of_one(x) - other)[:, :, None] + other[jet, neighbors])[there]
        messages = torch.relu(self.norms[0](messages))
        for layer, norm in zip(self.layers, list(self.norms)[1:], strict=True):
            messages = torch.relu(norm(layer(messages)))
        mean = mean_of(placed(messages, there), there)
        return torch.relu(self.shortcut_norm(self.shortcut(x), mask) + mean) * mask[..., None]


@torch.no_grad()
def nearest(points: Tensor, mask: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Return the k nearest others of each particle, and which of them are there.

    Parameters
    ----------
    points : Tensor, shape (n_jets, n_particles, n_dimensions)
        Where particles are.
    mask : Tensor of bool, shape (n_jets, n_particles)
        Which are there; padding is nobody's neighbor and has none.
    k : int
        How many; fewer where a jet has not so many others.

    Returns
    -------
    neighbors : Tensor of int64, shape (n_jets, n_particles, k)
        Places of the neighbors, the nearest first.
    there : Tensor of bool, shape (n_jets, n_particles, k)
        Which of them are.

    Examples
    --------
    >>> places, there = nearest(torch.tensor([[[0.0], [1.0], [5.0]]]), torch.ones(1, 3) > 0, 1)
    >>> places.flatten().tolist(), bool(there.all())
    ([1, 0, 1], True)
    """
    points = points.detach()
    points = points if points.dtype == torch.float64 else points.float()
    apart = torch.cdist(points, points, compute_mode="donot_use_mm_for_euclid_dist")
    apart = apart.masked_fill(~pairs_of(mask), torch.inf)
    found = apart.topk(min(k, mask.shape[1]), dim=2, largest=False)
    return found.indices, torch.isfinite(found.values)
