"""Particle Transformer: attention among particles, with a bias for each pair of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from .jet_taggers import NOMINAL_PT, JetTagger, ParticleNorm
from .sets import PARTICLE_INPUTS, particle_inputs, placed

__all__ = ["AttentionBlock", "ParticleTransformerNetwork", "pair_features"]

_PAIR_FEATURES = 4
_TINY = 1e-8  # of the authors' code, below which no logarithm is taken
_NEVER = -1e9  # attention to padding


class ParticleTransformerNetwork(JetTagger):
    """Particle Transformer: H. Qu, C. Li, S. Qian, arXiv:2202.03772, section 4.

    Parameters
    ----------
    features, jets : int
        Numbers of the event, may be none; and how many jets.
    embedding : sequence of int
        Widths of the layers that embed a particle; the last is that of the attention.
    pairs : sequence of int
        Widths of the layers that embed a pair; one more leads to a number for each head.
    heads : int
        Of each attention.
    layers, class_layers : int
        Blocks of attention among particles, and of the class token to them.
    dropout : float
        In the blocks among particles; those of the class token have none.

    Examples
    --------
    >>> shape = {"embedding": (8,), "pairs": (4,), "heads": 2, "layers": 1, "class_layers": 1}
    >>> network = ParticleTransformerNetwork(0, 1, **shape, dropout=0.1).eval()
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
        embedding: Sequence[int],
        pairs: Sequence[int],
        heads: int,
        layers: int,
        class_layers: int,
        dropout: float,
    ) -> None:
        super().__init__()
        width = embedding[-1]
        self.norm = ParticleNorm(PARTICLE_INPUTS)
        self.embedding = nn.Sequential()
        for n_in, n_out in pairwise((PARTICLE_INPUTS, *embedding)):
            self.embedding.extend([nn.LayerNorm(n_in), nn.Linear(n_in, n_out), nn.GELU()])
        self.pairs = _PairEmbedding((_PAIR_FEATURES, *pairs, heads))
        self.layers = nn.ModuleList(
            AttentionBlock(width, heads, dropout=dropout) for _ in range(layers)
        )
        self.class_layers = nn.ModuleList(
            AttentionBlock(width, heads, dropout=0.0) for _ in range(class_layers)
        )
        self.token = nn.Parameter(torch.empty(1, 1, width))
        nn.init.trunc_normal_(self.token, std=0.02)
        self.last_norm = nn.LayerNorm(width)
        self.head = nn.Linear(features + jets * width, 1)

    def embedded(self, jet: Tensor, mask: Tensor) -> Tensor:
        """Return the class token of each jet, after it has attended to the particles."""
        x = self.embedding(self.norm(particle_inputs(jet[mask])))
        padding = torch.zeros_like(mask, dtype=x.dtype).masked_fill(~mask, _NEVER)[:, None, None]
        bias = self.pairs(jet, mask) + padding
        for block in self.layers:
            x = block(x, x, bias, asking=mask, there=mask)
        token = self.token[0].to(x.dtype).expand(mask.shape[0], -1)
        one, there = mask.new_ones(mask.shape[0], 1), functional.pad(mask, (1, 0), value=True)
        seen, particles = functional.pad(padding, (1, 0)), placed(x, mask)
        for block in self.class_layers:
            told = torch.cat([token[:, None], particles], dim=1)[there]
            token = block(token, told, seen, asking=one, there=there)
        return self.last_norm(token)


class AttentionBlock(nn.Module):
    """A block of attention with norms before and after, arXiv:2202.03772, figure 3, as in its code.

    Heads and the residual have learnt scales (NormFormer, arXiv:2110.09456).

    Parameters
    ----------
    width, heads : int
        Of the attention; the dense layer in between is four times as wide.
    dropout : float
        Of attention, activation and both outputs.

    Examples
    --------
    >>> mask = torch.tensor([[True, True, True], [True, True, False]])
    >>> block, x = AttentionBlock(8, 2, dropout=0.0), torch.rand(5, 8)
    >>> block(x, x, torch.zeros(2, 1, 3, 3), asking=mask, there=mask).shape
    torch.Size([5, 8])
    """

    def __init__(self, width: int, heads: int, *, dropout: float) -> None:
        super().__init__()
        self.heads, self.width, self.p = heads, width // heads, dropout
        self.norm = nn.LayerNorm(width)
        self.query, self.key, self.value = (nn.Linear(width, width) for _ in range(3))
        self.out = nn.Linear(width, width)
        self.scale_heads = nn.Parameter(torch.ones(heads, 1))
        self.scale_residual = nn.Parameter(torch.ones(width))
        self.after = nn.Sequential(nn.LayerNorm(width), nn.Dropout(dropout))
        self.dense = nn.Sequential(
            nn.LayerNorm(width),
            nn.Linear(width, 4 * width),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.LayerNorm(4 * width),
            nn.Linear(4 * width, width),
            nn.Dropout(dropout),
        )

    def forward(
        self, asks: Tensor, told: Tensor, bias: Tensor, *, asking: Tensor, there: Tensor
    ) -> Tensor:
        """Return what asks with what it has learnt added, of its shape.

        Parameters
        ----------
        asks : Tensor, shape (n_asking, width)
            The particles of all jets, without padding; or the class tokens, which are not normalised.
        told : Tensor, shape (n_told, width)
            What they attend to.
        bias : Tensor, shape (n_jets, n_heads or 1, longest or 1, longest)
            Is added to the attention before the softmax.
        asking, there : Tensor of bool, shape (n_jets, longest)
            Where in its jet each of ``asks`` and ``told`` stands.
        """
        keys = self.norm(told)
        q = self._of_jets(self.query(keys if asks is told else asks), asking)
        k, v = (self._of_jets(layer(keys), there) for layer in (self.key, self.value))
        shape = (q.shape[0], self.heads, q.shape[2], k.shape[2])
        found = functional.scaled_dot_product_attention(
            q, k, v, bias.to(q.dtype).expand(shape), dropout_p=self.p if self.training else 0.0
        )
        found = self.out(found.transpose(1, 2).flatten(2)[asking])
        found = (found.reshape(found.shape[0], self.heads, self.width) * self.scale_heads).flatten(
            1
        )
        x = asks + self.after(found)
        return self.scale_residual * x + self.dense(x)

    def _of_jets(self, x: Tensor, mask: Tensor) -> Tensor:
        """Return x by jet and head, shape (n_jets, n_heads, longest, width of a head)."""
        longest = placed(x, mask)
        return longest.reshape(
            longest.shape[0], longest.shape[1], self.heads, self.width
        ).transpose(1, 2)


class _PairEmbedding(nn.Module):
    """Pairs of particles as one number for each head; each layer has batch normalisation and GELU.

    Each pair of two particles that are there is taken once, and a particle with itself, as in the authors' code.
    """

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        self.first = ParticleNorm(widths[0])
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(widths))
        self.norms = nn.ModuleList(ParticleNorm(width) for width in widths[1:])

    def forward(self, jet: Tensor, mask: Tensor) -> Tensor:
        """Return the bias of the attention, shape (n_jets, n_heads, n_particles, n_particles)."""
        place = torch.arange(mask.shape[1], device=mask.device)
        once = mask[:, :, None] & mask[:, None] & (place[:, None] >= place)  # a pair is symmetric
        event, i, j = once.nonzero(as_tuple=True)
        x = self.first(pair_features(jet[event, i], jet[event, j]))
        for layer, norm in zip(self.layers, self.norms, strict=True):
            x = functional.gelu(norm(layer(x)))
        bias = x.new_zeros(*once.shape, x.shape[1])
        bias[event, i, j] = bias[event, j, i] = x
        return bias.permute(0, 3, 1, 2)


def pair_features(one: Tensor, other: Tensor) -> Tensor:
    r"""Return :math:`\ln k_T`, :math:`\ln z`, :math:`\ln \Delta` and :math:`\ln m^2` of pairs of particles.

    arXiv:2202.03772, equation 3: :math:`\Delta` is the distance, :math:`k_T = \min(p_{T,i}, p_{T,j})
    \Delta`, :math:`z` the smaller share of the transverse momentum, and :math:`m` the mass of two massless particles. Momenta
    are those of a jet of 600 GeV.

    Parameters
    ----------
    one, other : Tensor, shape (..., 3)
        Fraction of pT, eta and phi from the axis, of both.

    Returns
    -------
    Tensor, shape (..., 4)

    Examples
    --------
    >>> pairs = pair_features(torch.tensor([0.5, 0.0, 0.0]), torch.tensor([0.5, 0.3, 0.4]))
    >>> [round(float(each), 2) for each in pairs]
    [5.01, -0.69, -0.69, 10.02]
    """
    (pt, eta, phi), (other_pt, other_eta, other_phi) = one.unbind(-1), other.unbind(-1)
    pt, other_pt = NOMINAL_PT * pt, NOMINAL_PT * other_pt
    deta = eta - other_eta
    dphi = torch.remainder(phi - other_phi + math.pi, 2 * math.pi) - math.pi
    apart = torch.sqrt(deta.square() + dphi.square())
    smaller, total = torch.minimum(pt, other_pt), pt + other_pt
    mass2 = 4 * pt * other_pt * (torch.sinh(deta / 2).square() + torch.sin(dphi / 2).square())
    found = [smaller * apart, smaller / total.clamp(min=_TINY), apart, mass2]
    return torch.log(torch.stack(found, dim=-1).clamp(min=_TINY))
