"""Variational autoencoders of images."""

from __future__ import annotations

import pytest
import torch

from overdensity.ml.networks.images.image_variational import ImageVariationalAutoencoder


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return ImageVariationalAutoencoder(16, 8, blocks=3, filters=8, latent=3)


@pytest.fixture(scope="module")
def images():
    pixels = torch.rand(5, 16, 8)
    return pixels / pixels.sum(dim=(1, 2), keepdim=True)


def test_rebuilt_images_add_up_to_one(network, images):
    rebuilt, divergence = network(images)
    torch.testing.assert_close(rebuilt.sum(dim=(1, 2)), torch.ones(5))
    assert (divergence >= 0).all()


def test_latent_numbers_are_drawn_in_training_alone(network, images):
    network.train()
    assert not torch.equal(network(images)[0], network(images)[0])
    network.eval()
    assert torch.equal(network(images)[0], network(images)[0])
