"""Variational autoencoders of columns: a few numbers drawn for each event, from which it is rebuilt."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

__all__ = ["VariationalAutoencoder"]


class VariationalAutoencoder(nn.Module):
    r"""An encoder to means and variances of latent numbers, and a decoder of numbers drawn from these.

    D. P. Kingma, M. Welling, arXiv:1312.6114. A flow after the draw makes the posterior other than a
    normal distribution (D. Rezende, S. Mohamed, arXiv:1505.05770); the decoder may be given
    numbers of the event that are not encoded (arXiv:2101.08320, section 3.3).

    Parameters
    ----------
    features : int
        Columns of an event.
    nodes : sequence of int
        Hidden layers of the encoder; the decoder has them backwards.
    latent : int
        Latent numbers.
    activation : callable
        Makes what stands after each hidden layer, such as `torch.nn.SELU`.
    given : int
        Numbers that the decoder is given.
    flow : torch.nn.Module, optional
        Takes (n_events, latent) and conditions, of which there are none, and returns the same and the
        logarithm of its Jacobian.

    Examples
    --------
    >>> network = VariationalAutoencoder(3, nodes=(8, 4), latent=2, activation=nn.SELU).eval()
    >>> rebuilt, divergence = network(torch.zeros(5, 3))
    >>> rebuilt.shape, divergence.shape
    (torch.Size([5, 3]), torch.Size([5]))
    """

    def __init__(
        self,
        features: int,
        *,
        nodes: Sequence[int],
        latent: int,
        activation: Callable[[], nn.Module],
        given: int = 0,
        flow: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.latent, self.flow = latent, flow
        self.encoder = _layers((features, *nodes, 2 * latent), activation)
        self.decoder = _layers((latent + given, *nodes[::-1], features), activation)

    def forward(self, x: Tensor, given: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return events as rebuilt, and how far their posterior is from a standard normal.

        In training latent numbers are drawn, in evaluation they are the means.

        Parameters
        ----------
        x : Tensor, shape (n_events, n_features)
            Standardised columns.
        given : Tensor, shape (n_events, n_given), optional
            What the decoder is given beside the latent numbers.

        Returns
        -------
        rebuilt : Tensor, shape (n_events, n_features)
            The columns as rebuilt.
        divergence : Tensor, shape (n_events,)
            Kullback–Leibler divergence of the posterior from the prior; with a flow, or in
            evaluation, its estimate at the latent numbers.
        """
        mean, log_variance = self.encoder(x).chunk(2, dim=1)
        z, spread = mean, log_variance.exp()
        if self.training:
            z = mean + torch.exp(log_variance / 2) * torch.randn_like(mean)
        outward = mean.square() + spread
        log_jacobian = torch.zeros(len(x), device=x.device)
        if self.flow is not None:
            z, log_jacobian = self.flow(z, z.new_empty(len(z), 0))
            outward = z.square()
        divergence = (outward - 1 - log_variance).sum(dim=1) / 2 - log_jacobian
        seen = z if given is None else torch.cat([z, given], dim=1)
        return self.decoder(seen), divergence

    def means(self, x: Tensor) -> Tensor:
        """Return the means of the latent numbers before the flow, shape (n_events, latent)."""
        return self.encoder(x)[:, : self.latent]


def _layers(shape: Sequence[int], activation: Callable[[], nn.Module]) -> nn.Sequential:
    layers: list[nn.Module] = []
    for n_in, n_out in pairwise(shape):
        layers += [nn.Linear(n_in, n_out), activation()]
    return nn.Sequential(*layers[:-1])
