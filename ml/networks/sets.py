"""Networks on sets: their output does not depend on the order of the particles."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

__all__ = [
    "PARTICLE_INPUTS",
    "ParticleFlowNetwork",
    "SetNetwork",
    "particle_inputs",
    "placed",
    "without_padding",
]

PARTICLE_INPUTS = 5
"""Numbers of each particle that the networks see."""


class SetNetwork(nn.Module):
    r"""Network on the sets of particles of jets: :math:`F(g, \sum_i \Phi(p_i), \dots)`, one sum a jet.

    P. T. Komiske, E. M. Metodiev, J. Thaler, arXiv:1810.05165, equation (1.1); beside the sums of the
    jets, :math:`F` sees the numbers :math:`g` of the whole event. All jets share :math:`\Phi`.

    Parameters
    ----------
    features : int
        How many numbers of the event there are; may be none.
    jets : int
        How many jets.
    phi, f : sequence of int
        Widths of the layers of both parts; ReLU after each.
    outputs : int
        Numbers that come out.

    Examples
    --------
    >>> network = SetNetwork(0, 1, phi=(8, 4), f=(4,), outputs=2)
    >>> network(torch.empty(1, 0), torch.tensor([[[0.7, 0.1, 0.0], [0.3, -0.2, 0.1]]])).shape
    torch.Size([1, 2])
    """

    def __init__(
        self, features: int, jets: int, *, phi: Sequence[int], f: Sequence[int], outputs: int
    ) -> None:
        super().__init__()
        self.phi = _layers((PARTICLE_INPUTS, *phi))
        self.f = nn.Sequential(_layers((features + jets * phi[-1], *f)), nn.Linear(f[-1], outputs))

    def forward(self, features: Tensor, *jets: Tensor) -> Tensor:
        """Return the outputs, shape (n_events, n_outputs).

        Parameters
        ----------
        features : Tensor, shape (n_events, n_features)
            Standardised numbers of the event.
        *jets : Tensor, shape (n_events, longest, 3)
            Normalised constituents of each jet: fraction of pT, eta and phi from the axis; zeros
            are padding.
        """
        return self.f(torch.cat([features, *(self.summed(jet) for jet in jets)], dim=1))

    def summed(self, jet: Tensor) -> Tensor:
        """Return the sum over the particles of a jet of each event, shape (n_events, phi[-1])."""
        jet, mask = without_padding(jet)
        # Each particle has a place of its own, so that the sum is the same on every run.
        return placed(self.phi(particle_inputs(jet[mask])), mask).sum(dim=1)


class ParticleFlowNetwork(SetNetwork):
    """Particle flow network (arXiv:1810.05165): one number comes out, the log-odds.

    Parameters
    ----------
    features, jets, phi, f
        As of :class:`SetNetwork`.

    Examples
    --------
    >>> network = ParticleFlowNetwork(0, 1, phi=(8, 4), f=(4,))
    >>> jets = torch.tensor([[[0.7, 0.1, 0.0], [0.3, -0.2, 0.1], [0.0, 0.0, 0.0]]])
    >>> there, back = network(torch.empty(1, 0), jets), network(torch.empty(1, 0), jets.flip(1))
    >>> bool(torch.isclose(there, back))
    True
    """

    def __init__(self, features: int, jets: int, *, phi: Sequence[int], f: Sequence[int]) -> None:
        super().__init__(features, jets, phi=phi, f=f, outputs=1)

    def forward(self, features: Tensor, *jets: Tensor) -> Tensor:
        """Return the log-odds, shape (n_events,); see :meth:`SetNetwork.forward`."""
        return super().forward(features, *jets).squeeze(1)


def particle_inputs(particles: Tensor) -> Tensor:
    """Return the inputs of networks for particles, scaled to numbers of order one.

    The inputs of H. Qu, C. Li, S. Qian, arXiv:2202.03772, table 2, with the scales of the authors'
    public code, but for the two that hold pT and energy in GeV: beside fractions of them these
    would be the mass of the event.

    Parameters
    ----------
    particles : Tensor, shape (n_particles, 3)
        Fraction of pT above zero, eta and phi from the axis.

    Returns
    -------
    Tensor, shape (n_particles, 5)
        (ln z + 4.7) 0.7; the same of the fraction of energy where the jet is central, z cosh(eta);
        (ΔR - 0.2) 4; eta; phi.
    """
    share, eta, phi = particles.unbind(dim=1)
    log_share = torch.log(share)
    return torch.stack(
        [
            (log_share + 4.7) * 0.7,
            (log_share + torch.log(torch.cosh(eta)) + 4.7) * 0.7,
            (torch.hypot(eta, phi) - 0.2) * 4.0,
            eta,
            phi,
        ],
        dim=1,
    )


def placed(there: Tensor, mask: Tensor) -> Tensor:
    """Return values where they belong, and 0 for padding, shape (*mask.shape, n_channels).

    Examples
    --------
    >>> placed(torch.tensor([[1.0], [3.0]]), torch.tensor([[True, False, True]])).flatten().tolist()
    [1.0, 0.0, 3.0]
    """
    everywhere = there.new_zeros(*mask.shape, there.shape[1])
    # By places and not by the mask itself, which ONNX would look for in every channel: twice as slow.
    everywhere[mask.nonzero(as_tuple=True)] = there
    return everywhere


def without_padding(jet: Tensor) -> tuple[Tensor, Tensor]:
    """Return jets as long as the longest of them, and a mask of the particles that are there.

    Examples
    --------
    >>> jets = torch.tensor([[[0.7, 0.1, 0.0], [0.3, -0.2, 0.1], [0.0, 0.0, 0.0]]])
    >>> jets, mask = without_padding(jets)
    >>> jets.shape, mask.tolist()
    (torch.Size([1, 2, 3]), [[True, True]])
    """
    mask = jet[..., 0] > 0
    longest = max(1, int(mask.sum(dim=1).max())) if len(mask) else 1
    if not bool(mask[:, longest:].any()):  # padding stands at the end
        jet, mask = jet[:, :longest], mask[:, :longest]
    return jet, mask


def _layers(widths: Sequence[int]) -> nn.Sequential:
    layers: list[nn.Module] = []
    for n_in, n_out in pairwise(widths):
        layers += [nn.Linear(n_in, n_out), nn.ReLU()]
    return nn.Sequential(*layers)
