"""The network of normalised autoencoders on images."""

from __future__ import annotations

import torch

from overdensity.ml.networks.images.normalised_images import NormalisedImages
from overdensity.ml.networks.normalised import ChainHyper, WithNegatives


def network(output: str = "sigmoid") -> NormalisedImages:
    torch.manual_seed(1)
    return NormalisedImages(8, 8, filters=2, dense=6, latent=3, output=output)


def test_errors_are_of_what_is_rebuilt_on_the_sphere() -> None:
    energy, x = network(), torch.rand(4, 8, 8)
    z = torch.nn.functional.normalize(energy.encoder(x[:, None]), dim=1)
    expected = (energy.decode(z) - x).square().mean(dim=(1, 2))
    torch.testing.assert_close(energy.errors(x), expected)


def test_pixels_of_a_sigmoid_lie_between_zero_and_one() -> None:
    z = 10 * torch.randn(50, 3)
    assert network().decode(z).min() >= 0
    assert network().decode(z).max() <= 1
    assert network("linear").decode(100 * z).min() < 0


def test_negative_samples_are_images() -> None:
    both = WithNegatives(
        network("linear"), ChainHyper(latent_steps=1, steps=2, step=50, noise=1e-2)
    )
    found = both.negatives(torch.rand(5, 8, 8))
    assert found.shape == (5, 8, 8)
    assert 0 <= found.min() <= found.max() <= 1


def test_published_size() -> None:
    energy = NormalisedImages(40, 40, filters=8, dense=100, latent=3)
    widths = [layer.out_features for layer in energy.encoder if isinstance(layer, torch.nn.Linear)]
    assert widths == [100, 3]
    assert energy.decode(torch.eye(3)).shape == (3, 40, 40)


def test_convolutions_of_the_decoder_are_transposed_ones_with_mirrored_kernels() -> None:
    """The published ones are transposed, with a stride of one."""
    decoder = network("linear").decoder
    layers = [layer for layer in decoder.modules() if isinstance(layer, torch.nn.Conv2d)]
    assert len(layers) == 4
    for layer in layers:
        x = torch.rand(2, layer.in_channels, 4, 4)
        kernel = layer.weight.flip(2, 3).transpose(0, 1)
        expected = torch.nn.functional.conv_transpose2d(x, kernel, layer.bias, padding=1)
        torch.testing.assert_close(layer(x), expected)
