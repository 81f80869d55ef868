"""Recurrent networks on sequences of constituents, and of jets."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["JET_COLUMNS", "JetSequenceNetwork", "VariationalRecurrentNetwork"]

JET_COLUMNS = 4
"""Columns of each jet in a sequence of jets: pT, eta, phi and mass."""


class VariationalRecurrentNetwork(nn.Module):
    r"""A recurrent network with a variational autoencoder at each step.

    J. Chung et al., arXiv:1506.02216, with the sizes and the loss of A. Kahn et al., LHC Olympics
    2020, arXiv:2101.08320, section 3.1: at step t the state h of the steps before gives the prior
    of the latent variables z, and x and h their posterior; z and h rebuild x, and a gated recurrent
    unit makes the next state of h, x and z. All normal distributions are diagonal.

    Parameters
    ----------
    inputs : int
        Numbers of each constituent.
    hidden, latent : int
        Width of the layers and of the state; number of latent variables.
    steps : int
        The longest sequence.
    strength : float
        Weight of the divergence in the loss.

    Examples
    --------
    >>> network = VariationalRecurrentNetwork(3, hidden=4, latent=2, steps=5)
    >>> jets = torch.rand(2, 5, 3)
    >>> network.losses(jets).shape, network.divergences(jets).shape
    (torch.Size([2]), torch.Size([2]))
    """

    shares: Tensor

    def __init__(
        self, inputs: int, *, hidden: int, latent: int, steps: int, strength: float = 0.1
    ) -> None:
        super().__init__()
        self.latent, self.strength = latent, strength
        self.of_x = _layers(inputs, hidden, hidden)
        self.of_z = _layers(latent, hidden)
        self.encoder = nn.Sequential(_layers(2 * hidden, hidden, hidden), _Normal(hidden, latent))
        self.prior = nn.Sequential(_layers(hidden, hidden), _Normal(hidden, latent))
        self.decoder = nn.Sequential(_layers(2 * hidden, hidden, hidden), nn.Linear(hidden, inputs))
        self.state = nn.GRUCell(2 * hidden, hidden)
        self.register_buffer("shares", torch.full((steps,), 1 / steps))

    def losses(self, jets: Tensor) -> Tensor:
        r"""Return the loss of each jet, shape (n_jets,).

        The mean over its constituents of :math:`\mathrm{MSE}(t) + 0.1\, \bar{p}_T(t)\,
        D_\mathrm{KL}(t)` (equation 3.2), where :math:`\bar{p}_T(t)` is the mean share of pT of
        constituent t (``shares``).

        Parameters
        ----------
        jets : Tensor, shape (n_jets, n_steps, n_inputs)
            Sequences; a constituent whose first number is not above zero is padding.
        """
        divergence, rebuilt = self(jets)
        error = (rebuilt - jets).square().mean(dim=2)
        return _mean(error + self.strength * divergence, jets)

    def divergences(self, jets: Tensor) -> Tensor:
        """Return the mean of the weighted divergence over the constituents of each jet, (n_jets,)."""
        return _mean(self(jets)[0], jets)

    def forward(self, jets: Tensor) -> tuple[Tensor, Tensor]:
        """Return the divergence of each constituent, weighted, and the constituents as rebuilt.

        In training the latent variables are drawn from the posterior; in evaluation they are its
        mean, so that a jet has one score.
        """
        seen = self.of_x(jets)
        state = seen.new_zeros(len(jets), seen.shape[2])
        states, posteriors, drawn = [], [], []
        for x in seen.unbind(dim=1):  # one gradient of all steps, not one of its size for each
            posterior = self.encoder(torch.cat([x, state], dim=1))
            mean, width = posterior.chunk(2, dim=1)
            z = mean + width * torch.randn_like(mean) if self.training else mean
            of_z = self.of_z(z)
            states.append(state)
            posteriors.append(posterior)
            drawn.append(of_z)
            state = self.state(torch.cat([x, of_z], dim=1), state)
        before = torch.stack(states, dim=1)
        divergence = _divergence(torch.stack(posteriors, dim=1), self.prior(before))
        divergence = divergence * self.shares[: jets.shape[1]]
        return divergence, self.decoder(torch.cat([torch.stack(drawn, dim=1), before], dim=2))


class JetSequenceNetwork(nn.Module):
    """Two layers of long short-term memory on the jets of an event, and dense layers: log-odds.

    Z. Dong, LHC Olympics 2020, arXiv:2101.08320, section 5.4. Jets are read in the order in which
    they come, which is that of falling pT; the state after the last jet that is there decides.

    Parameters
    ----------
    jets : int
        How many jets there may be.
    memory, dense : sequence of int
        Widths of the two recurrent layers, and of the dense ones; ReLU after each.
    relative : bool
        pT and mass of a jet over the pT of the first, so that no sum of them is the scale of the
        event.

    Examples
    --------
    >>> network = JetSequenceNetwork(3, memory=(4, 4), dense=(4,))
    >>> event = [1400.0, 0.2, 0.1, 300.0, 1300.0, -0.3, -3.0, 90.0, 0.0, 0.0, 0.0, 0.0]
    >>> network(torch.tensor([event])).shape
    torch.Size([1])
    """

    mean: Tensor
    width: Tensor

    def __init__(
        self, jets: int, *, memory: Sequence[int], dense: Sequence[int], relative: bool = True
    ) -> None:
        super().__init__()
        self.jets, self.relative = jets, relative
        first, second = memory
        self.first = nn.LSTM(JET_COLUMNS, first, batch_first=True)
        self.second = nn.LSTM(first, second, batch_first=True)
        self.dense = nn.Sequential(_layers(second, *dense), nn.Linear(dense[-1], 1))
        self.register_buffer("mean", torch.zeros(JET_COLUMNS))
        self.register_buffer("width", torch.ones(JET_COLUMNS))

    def forward(self, columns: Tensor) -> Tensor:
        """Return the log-odds, shape (n_events,).

        Parameters
        ----------
        columns : Tensor, shape (n_events, 4 n_jets)
            pT, eta, phi and mass of the first jet, then of the second; zeros where there is none.
        """
        jets, there = self.inputs(columns)
        jets = torch.where(there[..., None], (jets - self.mean) / self.width, 0.0)
        states = functional.relu(self.second(functional.relu(self.first(jets)[0]))[0])
        last = (there.sum(dim=1) - 1).clamp(min=0)
        return self.dense(states[torch.arange(len(states)), last]).squeeze(1)

    def inputs(self, columns: Tensor) -> tuple[Tensor, Tensor]:
        """Return what is read of each jet, before it is standardised, and which jets there are.

        Azimuths are those from the first jet; see ``relative``.
        """
        jets = columns.unflatten(1, (self.jets, JET_COLUMNS))
        pt, eta, phi, mass = jets.unbind(dim=2)
        phi = torch.remainder(phi - phi[:, :1] + torch.pi, 2 * torch.pi) - torch.pi
        if self.relative:
            unit = torch.where(pt[:, :1] > 0, pt[:, :1], 1.0)
            pt, mass = pt / unit, mass / unit
        return torch.stack([pt, eta, phi, mass], dim=2), jets[..., 0] > 0


class _Normal(nn.Module):
    """The mean and the width of a diagonal normal distribution, one after the other."""

    def __init__(self, inputs: int, dimensions: int) -> None:
        super().__init__()
        self.both = nn.Linear(inputs, 2 * dimensions)

    def forward(self, x: Tensor) -> Tensor:
        mean, width = self.both(x).chunk(2, dim=-1)
        return torch.cat([mean, functional.softplus(width) + 1e-6], dim=-1)


def _divergence(posterior: Tensor, prior: Tensor) -> Tensor:
    """Return the Kullback-Leibler divergence of diagonal normal distributions, summed over z."""
    (mean, width), (mean0, width0) = posterior.chunk(2, dim=-1), prior.chunk(2, dim=-1)
    ratio = width / width0
    shift = (mean - mean0) / width0
    return (0.5 * (ratio.square() + shift.square() - 1) - torch.log(ratio)).sum(dim=-1)


def _mean(values: Tensor, jets: Tensor) -> Tensor:
    """Return the mean over the constituents that are there; 0 for a jet without any."""
    mask = jets[..., 0] > 0
    return torch.where(mask, values, 0.0).sum(dim=1) / mask.sum(dim=1).clamp(min=1)


def _layers(inputs: int, *widths: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for width in widths:
        layers += [nn.Linear(inputs, width), nn.ReLU()]
        inputs = width
    return nn.Sequential(*layers)
