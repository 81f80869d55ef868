"""The convolutional autoencoder of images."""

from __future__ import annotations

import pytest
import torch

from overdensity.ml.networks.images.convolutions import (
    ConvolutionalAutoencoder,
    ConvolutionalClassifier,
    UpsampledConvolution,
)


@pytest.fixture(autouse=True)
def _weights_of_every_run() -> None:
    """Give each test the same initial weights: with others, all units of a small network may be dead."""
    torch.manual_seed(1)


@pytest.fixture(scope="module")
def published():
    return ConvolutionalAutoencoder(40, 40, filters=(32, 16, 4), dense=16, latent=6)


def test_rebuilt_images_are_fractions_that_add_up_to_one(published):
    rebuilt = published(torch.rand(3, 40, 40))
    assert rebuilt.shape == (3, 40, 40)
    assert (rebuilt > 0).all()
    torch.testing.assert_close(rebuilt.sum(dim=(1, 2)), torch.ones(3))


def test_errors_are_squared_differences_summed_over_pixels(published):
    images = torch.rand(2, 40, 40)
    expected = ((published(images) - images) ** 2).flatten(1).sum(1)
    torch.testing.assert_close(published.errors(images), expected)


def test_errors_and_gradients_are_those_of_the_layers_one_by_one():
    network = ConvolutionalAutoencoder(16, 8, filters=(6, 4, 2), dense=8, latent=3).double()
    layers: list[torch.nn.Module] = []
    for module in [*network.encoder.modules(), *network.decoder.modules()]:
        if isinstance(module, UpsampledConvolution):
            plain = torch.nn.Conv2d(module.in_channels, module.out_channels, 3, padding=1)
            plain.weight, plain.bias = module.weight, module.bias
            layers += [torch.nn.Upsample(scale_factor=2), plain]
        elif isinstance(module, torch.nn.MaxPool2d):
            layers += [torch.nn.ReLU(), module]
        elif not isinstance(module, torch.nn.Sequential):
            layers.append(module)
    images = torch.rand(20, 16, 8, dtype=torch.float64)
    images[images < 0.8] = 0.0  # few pixels are lit, so that many maxima are shared
    images /= images.sum(dim=(1, 2), keepdim=True)
    pixels = torch.nn.Sequential(*layers)(images[:, None]).flatten(1)
    expected = (torch.softmax(pixels, dim=1) - images.flatten(1)).square().sum(dim=1)
    found = network.errors(images)
    torch.testing.assert_close(found, expected)
    weights = list(network.parameters())
    for one, other in zip(
        torch.autograd.grad(found.sum(), weights),
        torch.autograd.grad(expected.sum(), weights),
        strict=True,
    ):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-14)


def test_weights_are_as_many_as_in_the_published_code(published):
    # Keras' count of the layers in the public code: convolutions of 3 x 3, dense layers, biases.
    convolutions = [(1, 32), (32, 16), (16, 4), (4, 4), (4, 16), (16, 1)]
    dense = [(400, 16), (16, 6), (6, 16), (16, 400)]
    expected = sum(9 * a * b + b for a, b in convolutions) + sum(a * b + b for a, b in dense)
    assert sum(weight.numel() for weight in published.parameters()) == expected


def test_pixels_are_standardised_and_those_that_are_never_lit_stay_dark():
    network = ConvolutionalClassifier(1, 8, 8, filters=(4, 4, 2, 2), dense=4).eval()
    images = torch.rand(5, 8, 8)
    network.mean.fill_(0.5)
    network.spread.fill_(2.0)
    moved = ConvolutionalClassifier(1, 8, 8, filters=(4, 4, 2, 2), dense=4).eval()
    moved.layers.load_state_dict(network.layers.state_dict())
    torch.testing.assert_close(moved((images - 0.5) / 2), network(images))
    network.mean.zero_()
    network.spread.zero_()
    assert torch.isfinite(network(torch.zeros(2, 8, 8))).all()


def test_a_pixel_that_no_training_image_had_lit_decides_nothing():
    network = ConvolutionalClassifier(1, 8, 8, filters=(4, 4, 2, 2), dense=4).eval()
    network.spread.fill_(0.01)
    network.spread[0, 0, 0] = 0.0
    images = torch.rand(50, 8, 8) / 100
    images[:, 0, 0] = 0.0
    lit = images.clone()
    lit[:, 0, 0] = 0.01
    assert (network(lit) - network(images)).abs().max() < network(images).std()
