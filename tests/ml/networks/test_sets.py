"""Networks on sets, against properties that hold whatever their weights."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from overdensity.ml.networks.sets import ParticleFlowNetwork, particle_inputs


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return ParticleFlowNetwork(2, 2, phi=(16, 8), f=(8,)).double()


@pytest.fixture
def events():
    rng = np.random.default_rng(0)
    jets = rng.normal(0, 0.2, (2, 5, 6, 3))
    jets[..., 0] = rng.dirichlet(np.ones(6), (2, 5))
    return [torch.as_tensor(rng.normal(size=(5, 2))), *map(torch.as_tensor, jets)]


def test_order_of_the_particles_changes_nothing(network, events):
    features, first, second = events
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    torch.testing.assert_close(network(features, first[:, order], second), network(*events))


def test_padding_changes_nothing(network, events):
    features, first, second = events
    padded = torch.cat([first, torch.zeros(5, 4, 3)], dim=1)
    torch.testing.assert_close(network(features, padded, second), network(*events))


def test_other_events_of_a_batch_change_nothing(network, events):
    alone = torch.cat([network(*(column[i : i + 1] for column in events)) for i in range(5)])
    torch.testing.assert_close(alone, network(*events))


def test_an_empty_jet_gives_a_finite_number(network, events):
    features, first, second = events
    assert torch.isfinite(network(features, torch.zeros_like(first), second)).all()


def test_output_is_the_function_of_the_sum_over_particles(network, events):
    features, *jets = events
    sums = [
        network.phi(particle_inputs(jet.reshape(-1, 3))).reshape(5, 6, -1).sum(1) for jet in jets
    ]
    torch.testing.assert_close(network(*events), network.f(torch.cat([features, *sums], 1))[:, 0])


def test_inputs_have_the_scales_of_the_source():
    particle = torch.tensor([[np.exp(-4.7), 0.2, 0.0], [1.0, 0.3, 0.4]], dtype=torch.float64)
    inputs = particle_inputs(particle)
    np.testing.assert_allclose(inputs[0], [0, 0.7 * np.log(np.cosh(0.2)), 0, 0.2, 0], atol=1e-12)
    np.testing.assert_allclose(inputs[1, [0, 2]], [0.7 * 4.7, 4 * 0.3])
