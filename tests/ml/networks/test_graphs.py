"""Edge convolutions and the graph autoencoder, against loops over pairs of particles."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from overdensity.ml.networks import graphs
from overdensity.ml.networks.graphs import (
    EdgeConvolution,
    GraphAutoencoder,
    chamfer_errors,
    four_momenta,
)
from overdensity.ml.training.engine import seeded


@pytest.fixture(scope="module")
def network():
    with seeded(0):
        return GraphAutoencoder(widths=(8, 6), latent=2).double().eval()


@pytest.fixture(scope="module")
def jets():
    rng = np.random.default_rng(0)
    jets = rng.normal(0, 0.2, (3, 5, 3))
    jets[..., 0] = rng.dirichlet(np.ones(5), 3)
    jets[0, 3:] = 0.0
    return torch.as_tensor(jets)


def test_a_particle_gets_the_mean_of_what_all_others_send():
    with seeded(0):
        convolution = EdgeConvolution(4, (8, 2), last=True).double()
    particles = torch.as_tensor(np.random.default_rng(1).normal(size=(1, 4, 4)))
    mask = torch.tensor([[True, True, True, False]])
    found = convolution(particles, mask)
    p = particles[0]
    # phi(p_i, p_j - p_i): its first layer is linear, and written out here
    for i in range(3):
        others = [j for j in range(3) if j != i]
        first = [convolution.of_one(p[i]) + convolution.of_other(p[j] - p[i]) for j in others]
        expected = torch.stack([convolution.rest(each) for each in first]).mean(0)
        torch.testing.assert_close(found[0, i], expected)
    assert not found[0, 3].any()


def test_few_pairs_at_once_give_what_all_give(network, jets, monkeypatch):
    expected = network.errors(jets)
    monkeypatch.setattr(graphs, "_PAIRS", 60)  # of jets of 5 particles: two at once
    with torch.no_grad():
        torch.testing.assert_close(network.errors(jets), expected)


def test_sizes_are_the_published_ones():
    published = GraphAutoencoder(widths=(32, 32), latent=2)
    layers = [(8, 32), (32, 32), (32, 2), (4, 32), (32, 32), (32, 4)]
    expected = sum(a * b + b for a, b in layers)
    assert sum(weight.numel() for weight in published.parameters()) == expected


def test_momenta_are_massless_and_add_up_to_the_jet(jets):
    energy, px, py, pz = four_momenta(jets).unbind(2)
    torch.testing.assert_close(energy**2, px**2 + py**2 + pz**2)
    torch.testing.assert_close(torch.hypot(px, py), jets[..., 0])


@pytest.mark.parametrize("chamfer", [False, True])
def test_order_padding_and_other_jets_change_no_error(network, jets, chamfer):
    errors = network.errors(jets, chamfer=chamfer)
    order = torch.tensor([2, 4, 0, 1, 3])
    torch.testing.assert_close(network.errors(jets[:, order], chamfer=chamfer), errors)
    torch.testing.assert_close(network.errors(jets[:1, :3], chamfer=chamfer), errors[:1])
    assert torch.isfinite(network.errors(torch.zeros_like(jets), chamfer=chamfer)).all()


def test_chamfer_distance_is_that_of_nearest_points():
    first = torch.tensor([[[0.0, 0.0], [1.0, 0.0], [9.0, 9.0]]])
    second = torch.tensor([[[0.0, 2.0], [1.0, 1.0], [0.0, 0.0]]])
    mask = torch.tensor([[True, True, False]])
    # first to second: 2 and 1; second to first: 4 and 1
    assert chamfer_errors(first, second, mask).tolist() == [1.5 + 2.5]


def test_mean_squared_error_knows_which_particle_is_which(network, jets):
    target = (four_momenta(jets) - network.mean) / network.width
    expected = (network(jets) - target).square().mean(2)[1:].mean(1)
    torch.testing.assert_close(network.errors(jets)[1:], expected)
