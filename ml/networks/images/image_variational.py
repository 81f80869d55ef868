"""Variational autoencoders of images."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["ImageVariationalAutoencoder"]


class ImageVariationalAutoencoder(nn.Module):
    """An encoder of images to means and variances of latent numbers, and a decoder of numbers drawn from these.

    D. P. Kingma, M. Welling, arXiv:1312.6114; on images of jets: K. Fraser et al.,
    arXiv:2110.06948. A block of the encoder has two convolutions of 3 × 3 and halves the image by the
    mean; one of the decoder doubles it and has two convolutions. The last convolution ends in a softmax
    over all pixels, so that what is rebuilt adds up to one as the images do.

    Parameters
    ----------
    height, width : int
        Pixels; divisible by 2 for each block.
    blocks : int
        How often the image is halved.
    filters : int
        Of all convolutions.
    latent : int
        Latent numbers.

    Examples
    --------
    >>> network = ImageVariationalAutoencoder(8, 8, blocks=1, filters=2, latent=3).eval()
    >>> rebuilt, divergence = network(torch.rand(2, 8, 8))
    >>> rebuilt.shape, divergence.shape
    (torch.Size([2, 8, 8]), torch.Size([2]))
    """

    def __init__(self, height: int, width: int, *, blocks: int, filters: int, latent: int) -> None:
        super().__init__()
        self.height, self.width = height, width
        small = (filters, height >> blocks, width >> blocks)
        flat = small[0] * small[1] * small[2]
        down: list[nn.Module] = []
        for block in range(blocks):
            down += [*_convolutions(1 if not block else filters, filters), nn.AvgPool2d(2)]
        up: list[nn.Module] = []
        for _ in range(blocks):
            up += [nn.Upsample(scale_factor=2), *_convolutions(filters, filters)]
        self.encoder = nn.Sequential(*down, nn.Flatten(), nn.Linear(flat, 2 * latent))
        self.decoder = nn.Sequential(
            *(nn.Linear(latent, flat), nn.ReLU(), nn.Unflatten(1, small)),
            *(*up, nn.Conv2d(filters, 1, 3, padding=1)),
        )
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # not in its stubs

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return images as rebuilt, and how far their posterior is from a standard normal.

        In training latent numbers are drawn, in evaluation they are the means.

        Parameters
        ----------
        images : Tensor, shape (n_images, height, width)
            Each adds up to one.

        Returns
        -------
        rebuilt : Tensor, shape (n_images, height, width)
            The images as rebuilt.
        divergence : Tensor, shape (n_images,)
            Kullback–Leibler divergence of the posterior from the prior.
        """
        # Pixels of one image add up to one: on average they are one where the network reads them.
        seen = images[:, None] * (self.height * self.width)
        mean, log_variance = self.encoder(torch.log1p(seen)).chunk(2, dim=1)
        z = mean
        if self.training:
            z = mean + torch.exp(log_variance / 2) * torch.randn_like(mean)
        divergence = (mean.square() + log_variance.exp() - 1 - log_variance).sum(dim=1) / 2
        return self.rebuilt(z), divergence

    def rebuilt(self, z: Tensor) -> Tensor:
        """Return the images of latent numbers, shape (n_images, height, width)."""
        pixels = self.decoder(z)
        return torch.softmax(pixels.flatten(1), dim=1).reshape(len(z), self.height, self.width)


def _convolutions(channels: int, filters: int) -> list[nn.Module]:
    return [
        *(nn.Conv2d(channels, filters, 3, padding=1), nn.ReLU()),
        *(nn.Conv2d(filters, filters, 3, padding=1), nn.ReLU()),
    ]
