"""Networks on graphs of the particles of a jet, in which each is joined to each other one."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

__all__ = [
    "EdgeConvolution",
    "GraphAutoencoder",
    "chamfer_errors",
    "four_momenta",
    "graphs_at_a_time",
]

_PAIRS = 2**14  # whose messages are made at a time: 2 MB a layer of 32, which caches hold


class EdgeConvolution(nn.Module):
    r"""Edge convolution on a fully connected graph, :math:`h_i = \mathrm{mean}_{j \ne i}\, \phi(p_i, p_j - p_i)`.

    Y. Wang et al., arXiv:1801.07829, with the mean of LHC Olympics 2020, arXiv:2101.08320, equation
    3.8. The first layer of :math:`\phi` is linear in both, so that it is a sum of two products for
    each particle in place of one for each pair.

    Parameters
    ----------
    inputs : int
        Numbers of each particle.
    widths : sequence of int
        Widths of the layers of :math:`\phi`; ReLU after each but the last.
    last : bool
        ReLU after the last, too.

    Examples
    --------
    >>> convolution = EdgeConvolution(4, (8, 2))
    >>> particles, mask = torch.rand(3, 5, 4), torch.ones(3, 5, dtype=torch.bool)
    >>> convolution(particles, mask).shape
    torch.Size([3, 5, 2])
    """

    def __init__(self, inputs: int, widths: Sequence[int], *, last: bool = False) -> None:
        super().__init__()
        self.of_one = nn.Linear(inputs, widths[0])
        self.of_other = nn.Linear(inputs, widths[0], bias=False)
        layers: list[nn.Module] = []
        for n_in, n_out in pairwise(widths):
            layers += [nn.ReLU(), nn.Linear(n_in, n_out)]
        self.rest = nn.Sequential(*layers, *([nn.ReLU()] if last else []))

    def forward(self, particles: Tensor, mask: Tensor) -> Tensor:
        """Return what each particle has got from all others, shape (n_jets, n_particles, widths[-1]).

        Parameters
        ----------
        particles : Tensor, shape (n_jets, n_particles, n_inputs)
            Padded.
        mask : Tensor of bool, shape (n_jets, n_particles)
            Which are there; the others neither send nor get anything.
        """
        if torch.is_grad_enabled():
            return self._got(particles, mask)
        jets = graphs_at_a_time(mask.shape[1])
        parts = zip(particles.split(jets), mask.split(jets), strict=True)
        return torch.cat([self._got(*part) for part in parts])

    def _got(self, particles: Tensor, mask: Tensor) -> Tensor:
        other = self.of_other(particles)
        one = self.of_one(particles) - other
        messages = self.rest(one[:, :, None] + other[:, None])
        pairs = mask[:, :, None] & mask[:, None] & ~_diagonal(mask)
        total = torch.einsum("nijf,nij->nif", messages, pairs.to(messages.dtype))
        return total / pairs.sum(dim=2).clamp(min=1)[..., None]


class GraphAutoencoder(nn.Module):
    """An autoencoder of the four-momenta of the particles of a jet, particle by particle.

    S. Tsan, J. Duarte, J.-R. Vlimant, M. Pierini, arXiv:2111.12849; LHC Olympics 2020,
    arXiv:2101.08320, section 3.7: an edge convolution to two numbers a particle, with ReLU, and one
    back. Four-momenta are standardised by ``mean`` and ``width``, and so are the errors.

    Parameters
    ----------
    widths : sequence of int
        Of the hidden layers of both.
    latent : int
        Numbers a particle in between.

    Examples
    --------
    >>> network = GraphAutoencoder(widths=(8,), latent=2)
    >>> jets = torch.tensor([[[0.7, 0.1, 0.0], [0.3, -0.2, 0.1], [0.0, 0.0, 0.0]]])
    >>> network(jets).shape, network.errors(jets).shape
    (torch.Size([1, 3, 4]), torch.Size([1]))
    """

    mean: Tensor
    width: Tensor

    def __init__(self, *, widths: Sequence[int], latent: int) -> None:
        super().__init__()
        self.encoder = EdgeConvolution(4, (*widths, latent), last=True)
        self.decoder = EdgeConvolution(latent, (*widths, 4))
        self.register_buffer("mean", torch.zeros(4))
        self.register_buffer("width", torch.ones(4))

    def forward(self, jets: Tensor) -> Tensor:
        """Return the four-momenta as rebuilt, standardised, shape (n_jets, n_particles, 4)."""
        mask = jets[..., 0] > 0
        return self.decoder(self.encoder(self._standard(jets), mask), mask)

    def errors(self, jets: Tensor, *, chamfer: bool = False) -> Tensor:
        """Return the error of each jet, shape (n_jets,).

        The squared error, meaned over particles and components, or the Chamfer distance
        (:func:`chamfer_errors`), of standardised four-momenta.

        Parameters
        ----------
        jets : Tensor, shape (n_jets, n_particles, 3)
            Share of pT, eta and phi from the axis; zeros are padding.
        chamfer : bool
            The Chamfer distance.
        """
        mask = jets[..., 0] > 0
        target, rebuilt = self._standard(jets), self(jets)
        if chamfer:
            return chamfer_errors(rebuilt, target, mask)
        squares = (rebuilt - target).square().mean(dim=2)
        return _mean(squares, mask)

    def _standard(self, jets: Tensor) -> Tensor:
        return (four_momenta(jets) - self.mean) / self.width


def graphs_at_a_time(particles: int) -> int:
    """Return of how many jets of so many particles the messages are best made at a time.

    Examples
    --------
    >>> graphs_at_a_time(15), graphs_at_a_time(100)
    (72, 1)
    """
    return max(1, _PAIRS // particles**2)


def four_momenta(jets: Tensor) -> Tensor:
    """Return E, px, py and pz of massless particles; the axis of the jet is that of px.

    Examples
    --------
    >>> four_momenta(torch.tensor([[[0.5, 0.0, 0.0]]])).tolist()
    [[[0.5, 0.5, 0.0, 0.0]]]
    """
    pt, eta, phi = jets.unbind(dim=-1)
    sinh, cosh = torch.sinh(eta), torch.cosh(eta)
    return torch.stack([pt * cosh, pt * torch.cos(phi), pt * torch.sin(phi), pt * sinh], dim=-1)


def chamfer_errors(first: Tensor, second: Tensor, mask: Tensor) -> Tensor:
    """Return the Chamfer distance of two sets of points, shape (n_sets,).

    The mean squared distance of each point from the nearest one of the other set, of both sets
    (arXiv:2101.08320, equation 3.9): it does not depend on the order of either.

    Parameters
    ----------
    first, second : Tensor, shape (n_sets, n_points, n_dimensions)
        Padded.
    mask : Tensor of bool, shape (n_sets, n_points)
        Which points of both are there.

    Examples
    --------
    >>> points, mask = torch.rand(1, 4, 2), torch.ones(1, 4, dtype=torch.bool)
    >>> bool(torch.allclose(chamfer_errors(points, points.flip(1), mask), torch.zeros(1), atol=1e-6))
    True
    """
    norms = first.square().sum(dim=2)[:, :, None] + second.square().sum(dim=2)[:, None]
    squares = (norms - 2 * first @ second.transpose(1, 2)).clamp(min=0)
    squares = squares.masked_fill(~(mask[:, :, None] & mask[:, None]), torch.inf)
    return _mean(squares.amin(dim=2), mask) + _mean(squares.amin(dim=1), mask)


def _mean(values: Tensor, mask: Tensor) -> Tensor:
    """Return the mean over the particles that are there; 0 for a jet without any."""
    return values.masked_fill(~mask, 0.0).sum(dim=1) / mask.sum(dim=1).clamp(min=1)


def _diagonal(mask: Tensor) -> Tensor:
    return torch.eye(mask.shape[1], dtype=torch.bool, device=mask.device)
