"""LorentzNet: its output does not change when momenta and beams are rotated and boosted together."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from overdensity.ml.networks.graphs import four_momenta
from overdensity.ml.networks.jet_taggers import NOMINAL_PT
from overdensity.ml.networks.lorentz import LorentzBlock, LorentzNetwork, minkowski
from overdensity.ml.training.engine import seeded


@pytest.fixture(scope="module")
def network():
    with seeded(0):
        made = LorentzNetwork(0, 1, hidden=8, layers=3, step=0.5, dropout=0.0).double().eval()
        for block in made.blocks:
            if block.moves is not None:
                torch.nn.init.normal_(block.moves[-1].weight)  # far from where training begins
    return made


@pytest.fixture(scope="module")
def jets():
    rng = np.random.default_rng(0)
    jets = rng.normal(0, 0.3, (3, 5, 3))
    jets[..., 0] = rng.dirichlet(np.ones(5), 3)
    jets[0, 3:] = 0.0
    jets = torch.as_tensor(jets)
    beams = torch.tensor([[1.0, 0, 0, 1], [1, 0, 0, -1]], dtype=torch.float64).expand(3, -1, -1)
    return NOMINAL_PT * four_momenta(jets), jets[..., 0] > 0, beams


def transformed(momenta, rapidity, axis, angle):
    """Return momenta boosted along an axis, and then turned about the next."""
    boost = torch.eye(4, dtype=torch.float64)
    boost[0, 0] = boost[axis, axis] = np.cosh(rapidity)
    boost[0, axis] = boost[axis, 0] = np.sinh(rapidity)
    turn = torch.eye(4, dtype=torch.float64)
    one, other = (i for i in (1, 2, 3) if i != axis % 3 + 1)
    turn[one, one] = turn[other, other] = np.cos(angle)
    turn[one, other], turn[other, one] = -np.sin(angle), np.sin(angle)
    return momenta @ (turn @ boost).T


@pytest.mark.parametrize(("rapidity", "axis"), [(0.7, 1), (-1.2, 2), (1.0, 3), (0.0, 1)])
def test_momenta_and_beams_boosted_together_change_nothing(network, jets, rapidity, axis):
    momenta, mask, beams = jets
    moved, along = (transformed(each, rapidity, axis, 0.8) for each in (momenta, beams))
    found, expected = network.invariants(moved, mask, along), network.invariants(*jets)
    torch.testing.assert_close(found, expected, rtol=1e-7, atol=1e-7)


def test_momenta_boosted_without_the_beams_are_others(network, jets):
    momenta, mask, beams = jets
    moved = network.invariants(transformed(momenta, 0.7, 1, 0.0), mask, beams)
    assert (moved - network.invariants(momenta, mask, beams)).abs().max() > 1e-3


def test_momenta_of_a_block_turn_with_what_it_reads(jets):
    momenta, mask, _ = jets
    with seeded(1):
        block = LorentzBlock(4, 2, step=0.5).double().eval()
        torch.nn.init.normal_(block.moves[-1].weight)
    h, scalars = (torch.ones(3, 5, n, dtype=torch.float64) for n in (4, 2))
    _, after = block(h, momenta, mask, scalars)
    _, of_moved = block(h, transformed(momenta, 0.9, 3, 0.4), mask, scalars)
    torch.testing.assert_close(of_moved, transformed(after, 0.9, 3, 0.4))
    assert (after - momenta).abs().max() > 1.0


def test_product_of_a_momentum_with_itself_is_its_mass_squared():
    momentum = torch.tensor([10.0, 1.0, 2.0, 3.0])
    assert minkowski(momentum, momentum).item() == 100 - 14


def test_size_is_the_published_one():
    """224 thousand (arXiv:2201.08187, table 3), with two classes there."""
    network = LorentzNetwork(0, 1, hidden=72, layers=6, step=5e-3, dropout=0.2)
    assert sum(each.numel() for each in network.parameters()) == pytest.approx(224e3, rel=5e-3)
