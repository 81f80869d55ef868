"""Residual networks on images: sizes, and what they must not depend on."""

from __future__ import annotations

import pytest
import torch

from overdensity.ml.networks.images.residual import ResidualNetwork


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return ResidualNetwork(2, widths=(4, 6), blocks=(2, 1), dense=8).eval()


@pytest.mark.parametrize("pixels", [12, 33])
def test_images_of_any_size_have_log_odds(network, pixels):
    assert network(torch.rand(3, pixels, pixels), torch.rand(3, pixels, pixels)).shape == (3,)


def test_images_are_taken_relative_to_their_brightest_pixel(network):
    one, other = torch.rand(2, 3, 16, 16)
    torch.testing.assert_close(network(5 * one, other / 3), network(one, other))
    assert torch.isfinite(network(torch.zeros(3, 16, 16), other)).all()


def test_published_stages_have_34_layers_with_weights():
    with torch.device("meta"):
        network = ResidualNetwork(1)
    kernels = [m for m in network.body.modules() if isinstance(m, torch.nn.Conv2d)]
    straight = [m for m in kernels if m.kernel_size != (1, 1)]
    assert len(straight) == 33  # and the last of ResNet-34 is its dense layer
    assert len(kernels) - len(straight) == 3
