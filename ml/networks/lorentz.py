"""LorentzNet: messages among four-momenta, made of nothing but Lorentz invariants."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .graphs import four_momenta
from .jet_taggers import NOMINAL_PT, JetTagger, ParticleNorm, mean_of, pairs_of

__all__ = ["LorentzBlock", "LorentzNetwork", "minkowski"]

_SCALARS = 2  # what a node is: a particle, or a beam
_BEAMS = ((1.0, 0.0, 0.0, 1.0), (1.0, 0.0, 0.0, -1.0))


class LorentzNetwork(JetTagger):
    """LorentzNet: S. Gong et al., arXiv:2201.08187, section 3.

    Two beam particles, (1, 0, 0, ±1), stand beside the particles of a jet: they break the symmetry to
    rotations about the beam and boosts along it. If they are boosted with the particles, the output does not
    change.

    Parameters
    ----------
    features, jets : int
        Numbers of the event, may be none; and how many jets.
    hidden : int
        Width of all layers.
    layers : int
        Blocks.
    step : float
        How far momenta move in a block (c of equation 3.4).
    dropout : float
        In the head.

    Examples
    --------
    >>> network = LorentzNetwork(0, 1, hidden=8, layers=2, step=5e-3, dropout=0.2).eval()
    >>> jets = torch.tensor([[[0.7, 0.1, 0.0], [0.3, -0.2, 0.1], [0.0, 0.0, 0.0]]])
    >>> there, back = network(torch.empty(1, 0), jets), network(torch.empty(1, 0), jets.flip(1))
    >>> bool(torch.isclose(there, back))
    True
    """

    beams: Tensor

    def __init__(
        self, features: int, jets: int, *, hidden: int, layers: int, step: float, dropout: float
    ) -> None:
        super().__init__()
        self.register_buffer("beams", torch.tensor(_BEAMS), persistent=False)
        self.embedding = nn.Linear(_SCALARS, hidden)
        self.blocks = nn.ModuleList(
            LorentzBlock(hidden, _SCALARS, step=step, last=i == layers - 1) for i in range(layers)
        )
        self.head = nn.Sequential(
            nn.Linear(features + jets * hidden, hidden),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, 1),
        )

    def embedded(self, jet: Tensor, mask: Tensor) -> Tensor:
        """Return what is learnt of the momenta of each jet, those of one with 600 GeV."""
        beams = self.beams.to(jet.dtype).expand(jet.shape[0], -1, -1)
        return self.invariants(NOMINAL_PT * four_momenta(jet), mask, beams)

    def invariants(self, momenta: Tensor, mask: Tensor, beams: Tensor) -> Tensor:
        """Return numbers that no Lorentz transformation of momenta and beams together changes.

        Parameters
        ----------
        momenta : Tensor, shape (n_jets, n_particles, 4)
            E, px, py and pz in GeV.
        mask : Tensor of bool, shape (n_jets, n_particles)
            Which are there.
        beams : Tensor, shape (n_jets, n_beams, 4)
            The momenta of the beams.

        Returns
        -------
        Tensor, shape (n_jets, hidden)
        """
        x = torch.cat([beams, momenta], dim=1)
        there = torch.cat([mask.new_ones(beams.shape[:2]), mask], dim=1)
        is_beam = torch.arange(x.shape[1], device=x.device) < beams.shape[1]
        scalars = torch.stack([is_beam, ~is_beam], dim=1).to(x.dtype).expand(x.shape[0], -1, -1)
        h = self.embedding(scalars)
        for block in self.blocks:
            h, x = block(h, x, there, scalars)
        return mean_of(h, there)


class LorentzBlock(nn.Module):
    r"""Lorentz group equivariant block, arXiv:2201.08187, equations 3.2 to 3.5.

    The message from j to i is :math:`\phi_e(h_i, h_j, \psi(|x_i - x_j|^2), \psi(x_i \cdot x_j))` with
    :math:`\psi(z) = \mathrm{sgn}(z) \ln(|z| + 1)`, and counts as much as :math:`\phi_m` says.

    Parameters
    ----------
    hidden, scalars : int
        Numbers of a node that are learnt, and given.
    step : float
        How far momenta move.
    last : bool
        The last block moves no momenta.

    Examples
    --------
    >>> block, there = LorentzBlock(8, 2, step=5e-3), torch.ones(3, 5, dtype=torch.bool)
    >>> h, x = block(torch.rand(3, 5, 8), torch.rand(3, 5, 4), there, torch.rand(3, 5, 2))
    >>> h.shape, x.shape
    (torch.Size([3, 5, 8]), torch.Size([3, 5, 4]))
    """

    def __init__(self, hidden: int, scalars: int, *, step: float, last: bool = False) -> None:
        super().__init__()
        self.step = step
        self.to_one, self.from_other = (nn.Linear(hidden, hidden, bias=False) for _ in range(2))
        self.of_pair = nn.Linear(2, hidden, bias=False)
        self.pair_norm, self.node_norm = ParticleNorm(hidden), ParticleNorm(hidden)
        self.message = nn.Sequential(nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU())
        self.counts = nn.Sequential(nn.Linear(hidden, 1), nn.Sigmoid())
        self.node = nn.Linear(2 * hidden + scalars, hidden)
        self.out = nn.Linear(hidden, hidden)
        self.moves = None if last else _moves(hidden)

    def forward(self, h: Tensor, x: Tensor, mask: Tensor, scalars: Tensor) -> tuple[Tensor, Tensor]:
        """Return the new numbers and momenta of each node.

        Parameters
        ----------
        h : Tensor, shape (n_jets, n_nodes, hidden)
            What was learnt.
        x : Tensor, shape (n_jets, n_nodes, 4)
            Momenta.
        mask : Tensor of bool, shape (n_jets, n_nodes)
            Which are there.
        scalars : Tensor, shape (n_jets, n_nodes, n_scalars)
            What was given.
        """
        pairs = pairs_of(mask)
        apart = x[:, :, None] - x[:, None]
        squares, products = minkowski(apart, apart), minkowski(x[:, :, None], x[:, None])
        seen = self.of_pair(torch.stack([_compressed(squares), _compressed(products)], dim=3))
        seen = seen + self.to_one(h)[:, :, None] + self.from_other(h)[:, None]
        m = self.message(self.pair_norm(seen, pairs))
        m = m * self.counts(m) * pairs[..., None]
        if self.moves is not None:
            x = x + self.step * mean_of(apart * self.moves(m), pairs)
        node = self.node(torch.cat([h, m.sum(dim=2), scalars], dim=2))
        return h + self.out(torch.relu(self.node_norm(node, mask))), x


def minkowski(p: Tensor, q: Tensor) -> Tensor:
    """Return the Minkowski product of momenta E, px, py and pz, of their shape but for the last axis.

    Examples
    --------
    >>> float(minkowski(torch.tensor([5.0, 0.0, 0.0, 3.0]), torch.tensor([5.0, 0.0, 0.0, 3.0])))
    16.0
    """
    product = p * q
    return product[..., 0] - product[..., 1:].sum(dim=-1)


def _compressed(z: Tensor) -> Tensor:
    return torch.sign(z) * torch.log1p(z.abs())


def _moves(hidden: int) -> nn.Sequential:
    """Return how far a momentum moves towards another: hardly at all before training."""
    last = nn.Linear(hidden, 1, bias=False)
    nn.init.xavier_uniform_(last.weight, gain=0.001)
    return nn.Sequential(nn.Linear(hidden, hidden), nn.ReLU(), last)
