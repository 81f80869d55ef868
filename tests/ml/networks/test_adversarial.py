"""The autoencoder and its judge: whose turn it is, and that each learns alone."""

from __future__ import annotations

import pytest
import torch

from overdensity.ml.networks.adversarial import AdversarialAutoencoder


@pytest.fixture
def network():
    torch.manual_seed(0)
    return AdversarialAutoencoder(5, nodes=(8, 3), judge=(16, 8), dropout=0.2, turns=(2, 3))


@pytest.fixture
def events():
    return torch.rand(50, 5, generator=torch.Generator().manual_seed(0))


def learns(part):
    return any(value.grad is not None and value.grad.any() for value in part.parameters())


def test_layers_are_those_of_table_3():
    shapes = {"nodes": (30, 20, 10), "judge": (150, 100, 50), "dropout": 0.2, "turns": (10, 4)}
    network = AdversarialAutoencoder(47, **shapes)
    sizes = {
        name: [m.out_features for m in part.modules() if isinstance(m, torch.nn.Linear)]
        for name, part in (("autoencoder", network.autoencoder), ("judge", network.judge))
    }
    assert sizes == {"autoencoder": [30, 20, 10, 20, 30, 47], "judge": [150, 100, 50, 1]}


def test_turns_are_counted_in_epochs_and_stored(network, events):
    whose = []
    for _ in range(7):
        whose.append(network.train().is_judged)
        network.eval()
    assert whose == [False, False, True, True, True, False, False]
    assert int(network.state_dict()["epoch"]) == 6


def test_judge_alone_learns_in_its_turn(network, events):
    network.train().judge_losses(events).mean().backward()
    assert learns(network.judge)
    assert not learns(network.autoencoder)
    assert network.autoencoder.training


def test_autoencoder_alone_learns_to_fool(network, events):
    network.train().fooling_losses(network(events)).mean().backward()
    assert learns(network.autoencoder)
    assert not learns(network.judge)
    assert network.judge.training


def test_losses_are_cross_entropies(network, events):
    network.eval()
    rebuilt = network(events)
    real, fake = (network.judge(x).squeeze(1) for x in (events, rebuilt))
    entropy = torch.nn.functional.binary_cross_entropy_with_logits
    labels = torch.ones(50), torch.zeros(50)
    torch.testing.assert_close(
        network.fooling_losses(rebuilt), entropy(fake, labels[0], reduction="none")
    )
    both = [
        entropy(said, label, reduction="none")
        for said, label in zip((real, fake), labels, strict=True)
    ]
    torch.testing.assert_close(network.eval().judge_losses(events), sum(both) / 2)


def test_figure_of_merit_is_the_distance_and_what_the_judge_doubts(network, events):
    network.eval()
    rebuilt = network(events)
    distance = (rebuilt - events).norm(dim=1)
    expected = distance + 1 - torch.sigmoid(network.judge(rebuilt).squeeze(1))
    torch.testing.assert_close(network.merits(events), expected)


def test_distance_of_a_perfect_copy_has_a_gradient(network, events):
    copy = events.clone().requires_grad_()
    network.distances(events, copy).sum().backward()
    assert torch.isfinite(copy.grad).all()
