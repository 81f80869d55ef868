"""P-CNN: residual convolutions along the particles of a jet in order of their momentum."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from .jet_taggers import JetTagger, ParticleNorm, mean_of, placed_inputs
from .sets import PARTICLE_INPUTS

__all__ = ["ParticleConvolutions", "ResidualUnit"]


class ParticleConvolutions(JetTagger):
    """P-CNN: the network of arXiv:1902.08570, section IV.B, on particles in order of falling pT.

    The network orders them itself. The mean over the sequence goes through a dense layer with dropout.

    Parameters
    ----------
    features, jets : int
        Numbers of the event, may be none; and how many jets.
    first : int
        Width of the first convolution.
    stages : sequence of int
        Width of each stage of two residual units; each but the first halves the sequence.
    dense : int
        Width of the dense layer.
    dropout : float
        After it.

    Examples
    --------
    >>> network = ParticleConvolutions(0, 1, first=4, stages=(8, 8), dense=8, dropout=0.1).eval()
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
        first: int,
        stages: Sequence[int],
        dense: int,
        dropout: float,
    ) -> None:
        super().__init__()
        self.norm = ParticleNorm(PARTICLE_INPUTS)
        self.first = nn.Conv1d(PARTICLE_INPUTS, first, 3, padding=1)
        self.first_norm = ParticleNorm(first)
        self.units, width = nn.ModuleList(), first
        for number, stage in enumerate(stages):
            self.units.append(ResidualUnit(width, stage, stride=1 if number == 0 else 2))
            self.units.append(ResidualUnit(stage, stage))
            width = stage
        self.head = nn.Sequential(
            nn.Linear(features + jets * width, dense),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(dense, 1),
        )

    def embedded(self, jet: Tensor, mask: Tensor) -> Tensor:
        """Return the mean over the sequence after the last unit."""
        order = jet[..., 0].argsort(dim=1, descending=True, stable=True)
        jet = jet.gather(1, order[..., None].expand_as(jet))
        mask = mask.gather(1, order)
        x = self.norm(placed_inputs(jet, mask), mask)
        x = torch.relu(self.first_norm(_along(self.first, x), mask))
        for unit in self.units:
            x, mask = unit(x, mask)
        return mean_of(x, mask)


class ResidualUnit(nn.Module):
    """Two convolutions of three particles with batch normalisation and ReLU, and a shortcut beside.

    Parameters
    ----------
    inputs, outputs : int
        Channels.
    stride : int
        Of the first convolution.

    Examples
    --------
    >>> x, mask = ResidualUnit(4, 8, stride=2)(torch.rand(3, 5, 4), torch.ones(3, 5) > 0)
    >>> x.shape, mask.shape
    (torch.Size([3, 3, 8]), torch.Size([3, 3]))
    """

    def __init__(self, inputs: int, outputs: int, *, stride: int = 1) -> None:
        super().__init__()
        self.stride = stride
        self.first = nn.Conv1d(inputs, outputs, 3, stride=stride, padding=1)
        self.second = nn.Conv1d(outputs, outputs, 3, padding=1)
        self.first_norm, self.second_norm = ParticleNorm(outputs), ParticleNorm(outputs)
        same = inputs == outputs and stride == 1
        self.shortcut = None if same else nn.Linear(inputs, outputs, bias=False)

    def forward(self, x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Return the sequence, shape (n_jets, longest / stride, n_outputs), and which of it is there."""
        beside, after = x[:, :: self.stride], mask[:, :: self.stride]
        x = torch.relu(self.first_norm(_along(self.first, x), after))
        x = torch.relu(self.second_norm(_along(self.second, x), after))
        return x + (beside if self.shortcut is None else self.shortcut(beside)), after


def _along(convolution: nn.Conv1d, x: Tensor) -> Tensor:
    """Return a convolution along the particles; padding is 0 before it."""
    return convolution(x.transpose(1, 2)).transpose(1, 2)
