"""P-CNN: residual units against convolutions without padding, and its size."""

from __future__ import annotations

import pytest
import torch

from overdensity.ml.networks.ordered_particles import ParticleConvolutions, ResidualUnit
from overdensity.ml.training.engine import seeded


@pytest.mark.parametrize("stride", [1, 2])
def test_a_unit_sees_a_short_jet_as_if_it_were_alone(stride):
    with seeded(0):
        unit = ResidualUnit(3, 4, stride=stride).double().eval()
    x = torch.rand(1, 7, 3, dtype=torch.float64)
    mask = torch.arange(7)[None] < 5
    padded, after = unit(x * mask[..., None], mask)
    alone, _ = unit(x[:, :5], mask[:, :5])
    torch.testing.assert_close(padded[:, : alone.shape[1]], alone)
    assert after.sum() == alone.shape[1]
    assert not padded[:, alone.shape[1] :].any()


def test_size_is_the_published_one():
    """354 thousand (arXiv:2202.03772, table 3), with ten classes and 17 inputs there."""
    network = ParticleConvolutions(0, 1, first=32, stages=(64, 64, 128), dense=512, dropout=0.5)
    fewer = 9 * 513 + 12 * (3 * 32 + 2)  # weights of nine classes and twelve inputs
    found = sum(each.numel() for each in network.parameters())
    assert found + fewer == pytest.approx(354e3, rel=5e-3)
