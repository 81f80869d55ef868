"""Pair features against four-momenta, and the size of the Particle Transformer."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from overdensity.ml.networks.attention import (
    AttentionBlock,
    ParticleTransformerNetwork,
    pair_features,
)
from overdensity.ml.networks.graphs import four_momenta
from overdensity.ml.networks.jet_taggers import NOMINAL_PT
from overdensity.ml.training.engine import seeded


@pytest.fixture(scope="module")
def jets():
    rng = np.random.default_rng(0)
    jets = rng.normal(0, 0.3, (3, 5, 3))
    jets[..., 0] = rng.dirichlet(np.ones(5), 3)
    return torch.as_tensor(jets)


def _pairs(jets):
    return pair_features(jets[:, :, None], jets[:, None])


def test_mass_of_a_pair_is_that_of_its_momenta(jets):
    momenta = NOMINAL_PT * four_momenta(jets)
    energy, *p = (momenta[:, :, None] + momenta[:, None]).unbind(3)
    expected = energy**2 - sum(each**2 for each in p)
    apart = ~torch.eye(5, dtype=torch.bool).expand(3, 5, 5)
    torch.testing.assert_close(_pairs(jets)[..., 3][apart].exp(), expected[apart])


def test_pairs_are_symmetric_and_wrap_in_phi(jets):
    torch.testing.assert_close(_pairs(jets), _pairs(jets).transpose(1, 2))
    turned = jets + torch.tensor([0.0, 0.0, 3.0], dtype=torch.float64)
    turned[..., 2] = torch.remainder(turned[..., 2] + torch.pi, 2 * torch.pi) - torch.pi
    torch.testing.assert_close(_pairs(turned), _pairs(jets))


def test_momentum_of_a_pair_is_the_smaller_times_the_distance(jets):
    kt, z, apart, _ = _pairs(jets)[0, 1, 2].exp()
    (pt, eta, phi), (pt2, eta2, phi2) = jets[0, 1], jets[0, 2]
    torch.testing.assert_close(apart, torch.hypot(eta - eta2, phi - phi2))
    torch.testing.assert_close(kt, NOMINAL_PT * torch.minimum(pt, pt2) * apart)
    torch.testing.assert_close(z, torch.minimum(pt, pt2) / (pt + pt2))


def test_a_bias_decides_who_is_attended_to():
    with seeded(0):
        block = AttentionBlock(8, 2, dropout=0.0).double()
    x, all_four = torch.rand(4, 8, dtype=torch.float64), torch.ones(1, 4, dtype=torch.bool)
    bias = torch.zeros(1, 1, 1, 4, dtype=torch.float64)
    bias[..., 3] = -1e9
    moved = x.clone()
    moved[3] += 1
    found, other = (block(each, each, bias, asking=all_four, there=all_four) for each in (x, moved))
    torch.testing.assert_close(found[:3], other[:3])


def test_size_is_the_published_one():
    """2.14 million (arXiv:2202.03772, table 3), with ten classes and 17 inputs there."""
    network = ParticleTransformerNetwork(
        0,
        1,
        embedding=(128, 512, 128),
        pairs=(64, 64, 64),
        heads=8,
        layers=8,
        class_layers=2,
        dropout=0.1,
    )
    assert sum(each.numel() for each in network.parameters()) == pytest.approx(2.14e6, rel=2e-3)
