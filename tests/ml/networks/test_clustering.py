"""Networks that embed and cluster events, against the formulas of UCluster."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch.nn import functional

from overdensity.ml.networks.clustering import ClusteringNetwork, focal_losses, jet_masses
from overdensity.ml.training.engine import seeded


@pytest.fixture
def network():
    with seeded(0):
        made = ClusteringNetwork(2, phi=(8,), f=(6,), embedding=2, clusters=3, classes=5).double()
    made.centroids.data.copy_(torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 2.0]]))
    return made


@pytest.fixture
def jets():
    rng = np.random.default_rng(0)
    jets = rng.normal(0, 0.2, (2, 6, 5, 3))
    jets[..., 0] = rng.dirichlet(np.ones(5), (2, 6))
    return [torch.as_tensor(each) for each in jets]


def test_focal_loss_is_the_cross_entropy_times_the_doubt():
    logits, classes = torch.randn(4, 3), torch.tensor([0, 2, 1, 1])
    entropy = functional.cross_entropy(logits, classes, reduction="none")
    torch.testing.assert_close(focal_losses(logits, classes, gamma=0.0), entropy)
    doubt = 1 - torch.exp(-entropy)
    torch.testing.assert_close(focal_losses(logits, classes, gamma=2.0), doubt**2 * entropy)


def test_mass_of_two_particles_is_that_of_their_angle():
    pair = torch.tensor([[[0.5, 0.0, 0.2], [0.5, 0.0, -0.2], [0.0, 0.0, 0.0]]])
    assert jet_masses(pair).item() == pytest.approx(math.sin(0.2), rel=1e-5)


def test_jets_come_in_order_of_their_mass(network, jets):
    torch.testing.assert_close(network.embedded(*jets), network.embedded(*reversed(jets)))


def test_clusters_pull_by_how_near_they_are(network, jets):
    network.eval()
    embedded = network.embedded(*jets)
    distances = torch.cdist(embedded, network.centroids)
    belongs = torch.softmax(-distances, dim=1)  # alpha is 1 in the first epoch
    expected = network.losses(*jets) + 10 * (belongs * distances**2).sum(1)
    torch.testing.assert_close(network.joint_losses(*jets), expected)


def test_alpha_doubles_with_each_epoch_of_training(network, jets):
    network.per_epoch.fill_(6)
    network.train()
    network.scale.eval()
    losses = [network.joint_losses(*jets).sum().item() for _ in range(40)]
    network.eval()
    nearest = network.nearest(network.embedded(*jets))[1]
    expected = (network.losses(*jets) + 10 * nearest**2).sum().item()
    assert losses[0] > losses[5] > expected
    assert losses[-1] == pytest.approx(expected, rel=1e-4)


def test_an_embedding_that_shrinks_gains_nothing(network, jets):
    last = [layer for layer in network.embed.f.modules() if isinstance(layer, torch.nn.Linear)][-1]
    network.train()
    losses = []
    for factor in (1000.0, 0.1):
        with torch.no_grad():
            last.weight *= factor
            last.bias *= factor
        network.seen.zero_()
        losses.append(network.joint_losses(*jets))
    torch.testing.assert_close(*losses, rtol=1e-3, atol=1e-3)


def test_alpha_is_in_units_of_how_far_events_are_from_their_centroids(network, jets):
    network.eval()
    network.seen.zero_()
    network.apart.fill_(1e-4)  # each event belongs to the nearest
    nearest = network.nearest(network.embedded(*jets))[1]
    expected = network.losses(*jets) + 10 * nearest**2
    torch.testing.assert_close(network.joint_losses(*jets), expected)


def test_a_heavier_jet_than_all_intervals_is_in_the_last(network, jets):
    wide = [torch.cat([jet[..., :1], 5 * jet[..., 1:]], dim=2) for jet in jets]
    assert torch.isfinite(network.losses(*wide)).all()
