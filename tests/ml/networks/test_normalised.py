"""Autoencoders as energies: chains that sample what the energy says, and who learns from them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from overdensity.core import ConfigError
from overdensity.ml.networks.normalised import (
    ChainHyper,
    NormalisedNumbers,
    WithNegatives,
)


class Valley(torch.nn.Module):
    """An energy x² / 2 and a decoder that puts the sphere in its own place."""

    latent = 2

    def decode(self, z):
        return z

    def errors(self, x):
        return 0.5 * x.square().sum(dim=1)

    def inside(self, x):
        return x


class Slope(Valley):
    """An energy that depends on the place on the sphere alone."""

    def errors(self, x):
        return x[:, 0]


def sampler(energy, **hyper):
    torch.manual_seed(0)
    return WithNegatives(energy, ChainHyper(**hyper))


def test_chains_sample_the_density_of_the_energy():
    both = sampler(Valley(), latent_steps=0, steps=60, step=0.1, noise=0.2**0.5)
    found = both.negatives(torch.empty(3000, 2)).numpy()
    # exp(-x² / 2T) with T = noise² / (2 step) = 1; a step of 0.1 widens it by 1 / (1 - 0.05)
    np.testing.assert_allclose(found.var(axis=0), 1 / 0.95, rtol=0.1)
    np.testing.assert_allclose(found.mean(axis=0), 0, atol=0.08)


@pytest.mark.parametrize("metropolis", [True, False])
def test_chains_on_the_sphere_sample_it_too(metropolis):
    hyper = {"latent_step": 0.05, "latent_noise": 0.1**0.5, "metropolis": metropolis}
    both = sampler(Slope(), latent_steps=60, steps=0, **hyper)
    found = both.negatives(torch.empty(3000, 2)).numpy()
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, rtol=1e-5)
    # exp(-cos φ) on a circle has the mean cosine -I1(1) / I0(1)
    assert found[:, 0].mean() == pytest.approx(-0.446, abs=0.1)


def test_later_chains_begin_where_earlier_ones_ended():
    both = sampler(Slope(), steps=0, latent_steps=1, buffer=50, replay=1.0)
    before = both.places.clone()
    both.negatives(torch.empty(400, 2))
    moved = (both.places - before).norm(dim=1)
    assert (moved < 0.5).all()
    assert (moved > 0).any()


def test_samples_are_made_without_learning_from_them():
    torch.manual_seed(0)
    network = NormalisedNumbers(3, nodes=(8,), latent=2).train()
    both = WithNegatives(network, ChainHyper(latent_steps=2, steps=2, step=0.1))
    negative = both.negatives(torch.rand(20, 3))
    assert not negative.requires_grad
    assert all(value.grad is None for value in network.parameters())
    assert network.training


@pytest.mark.parametrize("bounds", [1.0, 0.3])
def test_the_loss_is_low_energy_of_events_and_high_energy_of_samples(monkeypatch, bounds):
    both = sampler(Valley(), bounds=bounds)
    x, made = torch.rand(20, 2), torch.rand(20, 2)
    monkeypatch.setattr(both, "negatives", lambda like: made[: len(like)])
    events, samples = 0.5 * x.square().sum(dim=1), 0.5 * made.square().sum(dim=1)
    torch.testing.assert_close(both.losses(x), events - samples + bounds * samples**2)


def test_numbers_stay_within_reach():
    numbers = NormalisedNumbers(2, nodes=(4,), latent=2, reach=3.0)
    found = numbers.inside(torch.tensor([[-9.0, 1.0], [2.5, 9.0]]))
    assert found.tolist() == [[-3.0, 1.0], [2.5, 3.0]]


@pytest.mark.parametrize(("name", "value"), [("step", 0.0), ("replay", 1.5), ("buffer", 0)])
def test_chains_that_cannot_be_made_are_refused(name, value):
    with pytest.raises(ConfigError, match=f"{name} = .*cannot be used"):
        replace(ChainHyper(), **{name: value})
