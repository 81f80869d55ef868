"""What all taggers share: particles and padding, one network for all jets, and a head for the event."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn
from torch.nn import functional

from .sets import particle_inputs, placed, without_padding

__all__ = [
    "NOMINAL_PT",
    "JetTagger",
    "ParticleNorm",
    "mean_of",
    "pairs_of",
    "placed_inputs",
]

NOMINAL_PT = 600.0
"""Scale in GeV of the momenta of a jet, of which only fractions are known: in the middle of the
550 to 650 GeV of the landscape of top taggers (arXiv:1902.09914)."""


class JetTagger(nn.Module, ABC):
    """A network that gives log-odds; what it makes of each jet goes to one head, side by side.

    The head also sees numbers of the event. With one jet and none of these it is a tagger of jets, as
    published. All jets share the same weights.
    """

    head: nn.Module

    @abstractmethod
    def embedded(self, jet: Tensor, mask: Tensor) -> Tensor:
        """Return what the network makes of a jet of each event, shape (n_events, width).

        Parameters
        ----------
        jet : Tensor, shape (n_events, longest, 3)
            Fraction of pT, eta and phi from the axis; zeros are padding.
        mask : Tensor of bool, shape (n_events, longest)
            Which are there.
        """

    def forward(self, features: Tensor, *jets: Tensor) -> Tensor:
        """Return the log-odds, shape (n_events,).

        Parameters
        ----------
        features : Tensor, shape (n_events, n_features)
            Standardised numbers of the event.
        *jets : Tensor, shape (n_events, longest, 3)
            Normalised constituents of each jet; zeros are padding.
        """
        seen = [self.embedded(*without_padding(jet)) for jet in jets]
        return self.head(torch.cat([features, *seen], dim=1)).squeeze(1)


class ParticleNorm(nn.BatchNorm1d):
    """Batch normalisation over what is there: padding has no part in means and widths, and stays 0.

    Examples
    --------
    >>> norm, mask = ParticleNorm(1), torch.tensor([[True, True, False]])
    >>> norm(torch.tensor([[[1.0], [3.0], [9.0]]]), mask).flatten().round().tolist()
    [-1.0, 1.0, 0.0]
    """

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:  # type: ignore[override]
        """Return normalised values, of the shape of ``x``.

        A single one, which has no width, is normalised by what training has seen so far.

        Parameters
        ----------
        x : Tensor, shape (..., n_channels); without a mask (n_values, n_channels)
            Values.
        mask : Tensor of bool, shape (...), optional
            Which are there; by default all.
        """
        if mask is not None:
            return placed(self(x[mask]), mask)
        if self.training and len(x) > 1:
            return super().forward(x)
        mean, var = self.running_mean, self.running_var
        return functional.batch_norm(x, mean, var, self.weight, self.bias, eps=self.eps)


def placed_inputs(jet: Tensor, mask: Tensor) -> Tensor:
    """Return the inputs of each particle, 0 for padding: :func:`~.sets.particle_inputs`."""
    return placed(particle_inputs(jet[mask]), mask)


def mean_of(x: Tensor, mask: Tensor) -> Tensor:
    """Return the mean of what is there along the last axis but one; 0 where nothing is.

    Examples
    --------
    >>> mean_of(torch.tensor([[[1.0], [3.0], [9.0]]]), torch.tensor([[True, True, False]])).tolist()
    [[2.0]]
    """
    total = (x * mask[..., None]).sum(dim=-2)
    return total / mask.sum(dim=-1, keepdim=True).clamp(min=1)


def pairs_of(mask: Tensor) -> Tensor:
    """Return which pairs are of two different particles that are there, shape (..., n, n).

    Examples
    --------
    >>> pairs_of(torch.tensor([[True, True, False]])).int().tolist()
    [[[0, 1, 0], [1, 0, 0], [0, 0, 0]]]
    """
    place = torch.arange(mask.shape[-1], device=mask.device)
    return mask[..., :, None] & mask[..., None, :] & (place[:, None] != place)
