"""Recurrent networks, against their definitions step by step."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.distributions import Independent, Normal, kl_divergence

from overdensity.ml.networks.recurrent import JetSequenceNetwork, VariationalRecurrentNetwork
from overdensity.ml.training.engine import seeded


@pytest.fixture(scope="module")
def network():
    with seeded(0):
        return VariationalRecurrentNetwork(3, hidden=6, latent=2, steps=5).double().eval()


@pytest.fixture(scope="module")
def jets():
    jets = torch.as_tensor(np.random.default_rng(0).uniform(0.1, 1.0, (4, 5, 3)))
    jets[0, 3:] = 0.0
    return jets


def test_divergences_are_those_of_the_published_cell(network, jets):
    state = torch.zeros(4, 6, dtype=torch.float64)
    divergences = []
    for x in jets.unbind(1):
        mean, width = network.encoder(torch.cat([network.of_x(x), state], 1)).chunk(2, 1)
        prior = network.prior(state).chunk(2, 1)
        normals = [Independent(Normal(*each), 1) for each in ((mean, width), prior)]
        divergences.append(0.2 * kl_divergence(*normals))  # shares are equal: a fifth each
        state = network.state(torch.cat([network.of_x(x), network.of_z(mean)], 1), state)
    expected = torch.stack(divergences, 1)
    torch.testing.assert_close(network(jets)[0], expected)
    torch.testing.assert_close(network.divergences(jets)[1:], expected[1:].mean(1))
    torch.testing.assert_close(network.divergences(jets)[0], expected[0, :3].mean())


def test_loss_is_the_squared_error_and_a_tenth_of_the_divergence(network, jets):
    divergence, rebuilt = network(jets[1:])
    expected = (rebuilt - jets[1:]).square().mean(2) + 0.1 * divergence
    torch.testing.assert_close(network.losses(jets[1:]), expected.mean(1))


def test_padding_and_other_jets_change_nothing(network, jets):
    torch.testing.assert_close(network.losses(jets[:1, :3]), network.losses(jets)[:1])
    torch.testing.assert_close(network.divergences(jets[1:2]), network.divergences(jets)[1:2])


def test_a_jet_without_constituents_has_no_loss(network, jets):
    assert network.losses(torch.zeros_like(jets)).tolist() == [0.0] * 4


def test_latent_variables_are_drawn_in_training_alone(network, jets):
    assert torch.equal(network.losses(jets), network.losses(jets))
    network.train()
    with seeded(1):
        assert not torch.equal(network.losses(jets), network.losses(jets))
    network.eval()


@pytest.fixture(scope="module")
def sequence():
    with seeded(0):
        return JetSequenceNetwork(4, memory=(5, 6), dense=(4,)).double().eval()


@pytest.fixture(scope="module")
def events():
    rng = np.random.default_rng(0)
    pt = np.sort(rng.uniform(100, 1500, (3, 4)), axis=1)[:, ::-1]
    place = (rng.normal(size=(3, 4)), rng.uniform(-3, 3, (3, 4)))
    jets = np.stack([pt, *place, 0.1 * pt], axis=2)
    jets[0, 2:] = 0.0
    return torch.as_tensor(jets)


def test_jets_that_are_missing_change_nothing(sequence, events):
    with seeded(0):
        short = JetSequenceNetwork(2, memory=(5, 6), dense=(4,)).double().eval()
    torch.testing.assert_close(short(events[:1, :2].flatten(1)), sequence(events[:1].flatten(1)))


def test_neither_rotation_nor_scale_changes_an_event(sequence, events):
    moved = events * torch.tensor([2.0, 1.0, 1.0, 2.0])
    moved[..., 2] += 1.0 * (events[..., 0] > 0)
    torch.testing.assert_close(sequence(moved.flatten(1)), sequence(events.flatten(1)))


def test_in_gev_the_scale_is_seen(events):
    with seeded(0):
        published = JetSequenceNetwork(4, memory=(5, 6), dense=(4,), relative=False).double()
    near_one = events * torch.tensor([1e-3, 1.0, 1.0, 1e-3])
    twice = events * torch.tensor([2e-3, 1.0, 1.0, 2e-3])
    there, back = (published(each.flatten(1)) for each in (near_one, twice))
    assert not torch.allclose(there, back)


def test_an_event_without_jets_has_a_finite_score(sequence):
    assert torch.isfinite(sequence(torch.zeros(1, 16, dtype=torch.float64))).all()
