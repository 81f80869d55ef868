"""Convolutional networks on images of jets."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = [
    "IMAGES_AT_A_TIME",
    "ConvolutionalAutoencoder",
    "ConvolutionalClassifier",
    "UpsampledConvolution",
]

IMAGES_AT_A_TIME = 70
"""So many of 40 × 40 pixels that 32 filters make 14 MB of them; more are slower on a CPU, or no faster."""

_NEVER_LIT = (
    1e-6  # pixels that spread less are left as they are: one that is lit later is not blown up
)


class ConvolutionalAutoencoder(nn.Module):
    """An autoencoder of images whose pixels are fractions that add up to one.

    Layers of the public code of Tag N' Train (O. Amram, C. M. Suarez, arXiv:2002.12376; LHC
    Olympics 2020, arXiv:2101.08320, section 4.3): 3 × 3 convolutions with maximum pooling between
    them, dense layers to the bottleneck and back, convolutions with upsampling between them, and a
    softmax over all pixels.

    Parameters
    ----------
    height, width : int
        Pixels; divisible by 4.
    filters : sequence of three int
        Of the convolutions of the encoder; the decoder has the last two backwards.
    dense, latent : int
        Nodes of the dense layer and of the bottleneck.

    Examples
    --------
    >>> images = torch.rand(2, 8, 8)
    >>> rebuilt = ConvolutionalAutoencoder(8, 8, filters=(4, 2, 2), dense=4, latent=2)(images)
    >>> rebuilt.shape, bool(torch.allclose(rebuilt.sum(dim=(1, 2)), torch.ones(2)))
    (torch.Size([2, 8, 8]), True)
    """

    def __init__(
        self, height: int, width: int, *, filters: Sequence[int], dense: int, latent: int
    ) -> None:
        super().__init__()
        self.height, self.width = height, width
        first, second, third = filters
        small = (third, height // 4, width // 4)
        flat = third * (height // 4) * (width // 4)
        self.encoder = nn.Sequential(
            *(_convolution(1, first, pooled=True), _convolution(first, second, pooled=True)),
            *(_convolution(second, third), nn.Flatten()),
            *(nn.Linear(flat, dense), nn.ReLU()),
            nn.Linear(dense, latent),
        )
        self.decoder = nn.Sequential(
            *(nn.Linear(latent, dense), nn.ReLU(), nn.Linear(dense, flat), nn.ReLU()),
            *(nn.Unflatten(1, small), _convolution(third, third)),
            *(UpsampledConvolution(third, second), nn.ReLU(), UpsampledConvolution(second, 1)),
        )
        # Few filters on many pixels: twice as fast on a CPU with the filters innermost.
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # not in its stubs

    def forward(self, images: Tensor) -> Tensor:
        """Return the images as rebuilt, shape (n_images, height, width)."""
        pixels = self.decoder(self.encoder(images[:, None]))
        return torch.softmax(pixels.flatten(1), dim=1).reshape(images.shape)

    def errors(self, images: Tensor) -> Tensor:
        """Return the squared error of each image, summed over its pixels: shape (n_images,)."""
        return (self(images) - images).square().sum(dim=(1, 2))


class ConvolutionalClassifier(nn.Module):
    """Log-odds of images: the classifier of the public code of Tag N' Train (arXiv:2002.12376).

    Two convolutions of 3 × 3 and maximum pooling, twice, and two dense layers. Each pixel is
    standardised by ``mean`` and ``spread``, which whoever trains it sets.

    Parameters
    ----------
    images, height, width : int
        Images of an event, and their pixels.
    filters : sequence of four int
        Of the convolutions.
    dense : int
        Nodes of the dense layer.

    Examples
    --------
    >>> network = ConvolutionalClassifier(1, 8, 8, filters=(4, 2, 2, 2), dense=4)
    >>> network(torch.rand(3, 8, 8)).shape
    torch.Size([3])
    """

    mean: Tensor
    spread: Tensor

    def __init__(
        self, images: int, height: int, width: int, *, filters: Sequence[int], dense: int
    ) -> None:
        super().__init__()
        self.height, self.width = height, width
        self.register_buffer("mean", torch.zeros(images, height, width))
        self.register_buffer("spread", torch.ones(images, height, width))
        first, second, third, fourth = filters
        self.layers = nn.Sequential(
            *(_convolution(images, first), _convolution(first, second, pooled=True)),
            *(_convolution(second, third), _convolution(third, fourth, pooled=True)),
            *(nn.Flatten(), nn.Linear(fourth * (height // 4) * (width // 4), dense)),
            *(nn.ReLU(), nn.Linear(dense, 1)),
        )
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # not in its stubs

    def forward(self, *images: Tensor) -> Tensor:
        """Return log-odds, shape (n_events,), of images of shape (n_events, height, width)."""
        pixels = torch.stack(images, dim=1) - self.mean
        lit = self.spread > _NEVER_LIT
        return self.layers(pixels / torch.where(lit, self.spread, 1.0)).squeeze(1)


class UpsampledConvolution(nn.Conv2d):
    """A convolution of 3 × 3 on an image twice as large, each pixel of which has become four.

    The large image is not made. What becomes of the four are four filters on the small one: two or all
    three pixels that a kernel reads in a row are the same, and their weights add up.

    Parameters
    ----------
    channels, filters : int
        That are read, and that are made.

    Examples
    --------
    >>> images, doubled = torch.rand(1, 2, 4, 4), nn.Upsample(scale_factor=2)
    >>> layer, plain = UpsampledConvolution(2, 3), nn.Conv2d(2, 3, 3, padding=1)
    >>> _ = plain.load_state_dict(layer.state_dict())
    >>> bool(torch.allclose(layer(images), plain(doubled(images)), atol=1e-6))
    True
    """

    added: Tensor

    def __init__(self, channels: int, filters: int) -> None:
        super().__init__(channels, filters, 3, padding=1)
        # which of three weights in a row meet which of three small pixels, for both large ones
        rows = torch.tensor([[[1, 0, 0], [0, 1, 1], [0, 0, 0]], [[0, 0, 0], [1, 1, 0], [0, 0, 1]]])
        added = torch.einsum("aik,bjl->klabij", rows, rows).reshape(9, 36).float()
        self.register_buffer("added", added, persistent=False)

    def forward(self, images: Tensor) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Return what the filters make of images once they are doubled.

        Parameters
        ----------
        images : Tensor, shape (n_images, n_channels, height, width)
            As small as they are.

        Returns
        -------
        Tensor, shape (n_images, n_filters, 2 height, 2 width)
        """
        filters, channels = self.weight.shape[:2]
        four = (self.weight.flatten(2) @ self.added).view(filters, channels, 4, 3, 3)
        kernels = four.transpose(1, 2).reshape(4 * filters, channels, 3, 3)
        bias = None if self.bias is None else self.bias.repeat_interleave(4)
        return functional.pixel_shuffle(functional.conv2d(images, kernels, bias, padding=1), 2)


def _convolution(channels: int, filters: int, *, pooled: bool = False) -> nn.Sequential:
    # the largest of four is rectified, not each of the four: the same, of a quarter of the numbers
    pool = [nn.MaxPool2d(2)] if pooled else []
    return nn.Sequential(nn.Conv2d(channels, filters, 3, padding=1), *pool, nn.ReLU())
