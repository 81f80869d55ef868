"""What holds for all taggers, whatever their weights: order, padding, and jets that are empty."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from overdensity.ml.networks.attention import ParticleTransformerNetwork
from overdensity.ml.networks.jet_taggers import ParticleNorm, placed_inputs
from overdensity.ml.networks.lorentz import LorentzNetwork
from overdensity.ml.networks.ordered_particles import ParticleConvolutions
from overdensity.ml.networks.point_clouds import ParticleNetwork
from overdensity.ml.networks.sets import particle_inputs
from overdensity.ml.training.engine import seeded

NETWORKS = {
    "particlenet": lambda: ParticleNetwork(2, 2, edges=(8, 6), neighbors=3, dense=8, dropout=0.1),
    "part": lambda: ParticleTransformerNetwork(
        2, 2, embedding=(8, 8), pairs=(4,), heads=2, layers=2, class_layers=1, dropout=0.1
    ),
    "lorentznet": lambda: LorentzNetwork(2, 2, hidden=6, layers=2, step=5e-3, dropout=0.2),
    "pcnn": lambda: ParticleConvolutions(2, 2, first=4, stages=(6, 8), dense=8, dropout=0.5),
}


@pytest.fixture(scope="module", params=NETWORKS)
def network(request):
    with seeded(0):
        made = NETWORKS[request.param]().double()
        for norm in made.modules():
            if isinstance(norm, nn.BatchNorm1d):  # as after a training
                norm.running_mean.normal_()
                norm.running_var.uniform_(0.5, 2.0)
    return made.eval()


@pytest.fixture
def events():
    rng = np.random.default_rng(0)
    jets = rng.normal(0, 0.2, (2, 5, 6, 3))
    jets[..., 0] = rng.dirichlet(np.ones(6), (2, 5))
    jets[0, 0, 2:] = 0.0
    return [torch.as_tensor(rng.normal(size=(5, 2))), *map(torch.as_tensor, jets)]


def test_order_of_the_particles_changes_nothing(network, events):
    features, first, second = events
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    torch.testing.assert_close(network(features, first[:, order], second), network(*events))


def test_padding_changes_nothing(network, events):
    features, first, second = events
    among = torch.cat([first[:, :1], torch.zeros(5, 4, 3), first[:, 1:]], dim=1)
    torch.testing.assert_close(network(features, among, second), network(*events))


def test_padding_changes_nothing_while_it_learns(network, events):
    dropped = [each for each in network.modules() if hasattr(each, "p")]
    before = [each.p for each in dropped]
    for each in dropped:
        each.p = 0.0  # what is dropped is drawn anew for another shape
    longer = torch.cat([events[1], torch.zeros(5, 4, 3)], dim=1)
    network.train()
    torch.testing.assert_close(
        *(network.embedded(jet, jet[..., 0] > 0) for jet in (longer, events[1]))
    )
    network.eval()
    for each, p in zip(dropped, before, strict=True):
        each.p = p


def test_other_events_of_a_batch_change_nothing(network, events):
    alone = torch.cat([network(*(column[i : i + 1] for column in events)) for i in range(5)])
    torch.testing.assert_close(alone, network(*events))


def test_an_empty_jet_and_one_of_one_particle_give_finite_numbers(network, events):
    features, first, second = events
    one = torch.cat([first[:, :1], torch.zeros_like(first)[:, 1:]], dim=1)
    for jet in (torch.zeros_like(first), one):
        assert torch.isfinite(network(features, jet, second)).all()


def test_every_weight_learns(network, events):
    with seeded(2):
        network.train()
        network(*events).square().sum().backward()
        network.eval()
    steepest = {name: each.grad.abs().max() for name, each in network.named_parameters()}
    assert all(torch.isfinite(slope) for slope in steepest.values())
    # a constant added before a normalisation, or to every key of an attention, changes nothing
    assert all(slope > 1e-9 for name, slope in steepest.items() if not name.endswith("bias"))
    network.zero_grad()


def test_padding_has_no_part_in_means_and_widths():
    norm, mask = ParticleNorm(1), torch.tensor([[True, True, False]])
    norm(torch.tensor([[[1.0], [3.0], [1e6]]]), mask)
    assert norm.running_mean.item() == pytest.approx(0.2)
    assert norm.running_var.item() == pytest.approx(0.9 + 0.1 * 2.0)


def test_inputs_are_those_of_each_particle_and_zero_for_padding(events):
    jet = events[1]
    inputs = placed_inputs(jet, jet[..., 0] > 0)
    torch.testing.assert_close(inputs[0, :2], particle_inputs(jet[0, :2]))
    assert not inputs[0, 2:].any()
