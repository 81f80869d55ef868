"""The variational autoencoder: what it draws, what it is told, and how far its posterior is."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from overdensity.ml.networks.variational_autoencoder import VariationalAutoencoder


class Twice(nn.Module):
    """A flow that doubles: log |Jacobian| = latent ln 2."""

    def forward(self, z, nothing):
        return 2 * z, torch.full((len(z),), z.shape[1] * 0.6931472)


def network(**changes):
    torch.manual_seed(0)
    shape = {"nodes": (8, 4), "latent": 2, "activation": nn.SELU} | changes
    return VariationalAutoencoder(3, **shape)


@pytest.fixture
def x():
    return torch.randn(4, 3, generator=torch.Generator().manual_seed(1))


def test_divergence_in_closed_form_is_that_of_normal_distributions(x):
    vae = network().train()
    mean, log_variance = vae.encoder(x).chunk(2, dim=1)
    q = torch.distributions.Normal(mean, torch.exp(log_variance / 2))
    p = torch.distributions.Normal(0.0, 1.0)
    expected = torch.distributions.kl_divergence(q, p).sum(dim=1)
    torch.testing.assert_close(vae(x)[1], expected)


def test_with_a_flow_the_mean_estimate_is_the_divergence_of_the_transformed(x):
    vae = network(flow=Twice()).train()
    mean, log_variance = vae.encoder(x).chunk(2, dim=1)
    q = torch.distributions.Normal(2 * mean, 2 * torch.exp(log_variance / 2))
    expected = torch.distributions.kl_divergence(q, torch.distributions.Normal(0.0, 1.0)).sum(dim=1)
    torch.manual_seed(2)
    with torch.no_grad():
        estimate = torch.stack([vae(x)[1] for _ in range(600)]).mean(dim=0)
    torch.testing.assert_close(estimate, expected, rtol=0.1, atol=0.3)


def test_latent_numbers_are_drawn_in_training_alone(x):
    vae = network().train()
    assert not torch.equal(vae(x)[0], vae(x)[0])
    vae.eval()
    torch.testing.assert_close(vae(x)[0], vae.decoder(vae.means(x)))


def test_the_decoder_sees_what_it_is_given_and_the_encoder_does_not(x):
    vae = network(given=1).eval()
    light, heavy = vae(x, torch.zeros(4, 1)), vae(x, torch.ones(4, 1))
    assert not torch.allclose(light[0], heavy[0])
    torch.testing.assert_close(light[1], heavy[1])
