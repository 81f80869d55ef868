"""Autoencoders of images as energies: the network of normalised autoencoders on jets."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.parametrizations import spectral_norm

__all__ = ["NormalisedImages"]


class NormalisedImages(nn.Module):
    """An autoencoder of images with pixels from 0 to 1 whose latent space is a sphere; PReLU.

    B. M. Dillon, L. Favaro, T. Plehn, P. Sorrenson, M. Krämer, arXiv:2206.14225, and their public code: four
    3 × 3 convolutions, with a mean over 2 × 2 after the second, one of a single channel, dense layers to the sphere and
    back, four transposed convolutions with a doubling after the second, and a sigmoid. Layers of the encoder have spectral
    norms. Those of the decoder have none: with a norm of one on a sphere of radius one, all pixels would be
    rebuilt near the same value.

    Parameters
    ----------
    height, width : int
        Pixels; even numbers.
    filters : int
        Of the convolutions.
    dense : int
        Nodes of the dense layer between image and sphere.
    latent : int
        Dimensions in which the sphere lies.
    output : {"sigmoid", "linear"}
        What the last layer ends in. A sigmoid has all but no gradient where a pixel is dark, and
        few steps may leave all pixels dark.

    Examples
    --------
    >>> network = NormalisedImages(8, 8, filters=2, dense=10, latent=3)
    >>> network.errors(torch.rand(5, 8, 8)).shape, network.decode(torch.eye(3)).shape
    (torch.Size([5]), torch.Size([3, 8, 8]))
    """

    def __init__(
        self,
        height: int,
        width: int,
        *,
        filters: int,
        dense: int,
        latent: int,
        output: str = "sigmoid",
    ) -> None:
        super().__init__()
        self.output = output
        self.height, self.width, self.latent = height, width, latent
        small = (1, height // 2, width // 2)
        flat = small[1] * small[2]

        def convolution(n_in: int, n_out: int) -> nn.Sequential:
            layer = spectral_norm(nn.Conv2d(n_in, n_out, 3, padding=1))
            return nn.Sequential(layer, nn.PReLU())

        # transposed with a stride of one is an ordinary convolution, whose kernel is mirrored
        def mirrored(n_in: int, n_out: int) -> nn.Sequential:
            return nn.Sequential(nn.Conv2d(n_in, n_out, 3, padding=1), nn.PReLU())

        self.encoder = nn.Sequential(
            *(convolution(1, filters), convolution(filters, filters), nn.AvgPool2d(2)),
            *(convolution(filters, filters), convolution(filters, filters)),
            *(convolution(filters, 1), nn.Flatten()),
            *(spectral_norm(nn.Linear(flat, dense)), nn.PReLU()),
            spectral_norm(nn.Linear(dense, latent)),
        )
        self.decoder = nn.Sequential(
            *(nn.Linear(latent, dense), nn.PReLU(), nn.Linear(dense, flat), nn.PReLU()),
            *(nn.Unflatten(1, small), mirrored(1, filters), mirrored(filters, filters)),
            nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False),
            *(mirrored(filters, filters), nn.Conv2d(filters, 1, 3, padding=1)),
            nn.Flatten(0, 1),
        )
        # twice as quick; a keyword that the overloads of torch do not know
        self.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]

    def decode(self, z: Tensor) -> Tensor:
        """Return the images at places of the sphere, shape (n_images, height, width)."""
        pixels = self.decoder(z)
        return torch.sigmoid(pixels) if self.output == "sigmoid" else pixels

    def errors(self, x: Tensor) -> Tensor:
        """Return the squared error of each image, averaged over its pixels: shape (n_images,)."""
        rebuilt = self.decode(functional.normalize(self.encoder(x[:, None]), dim=1))
        return (rebuilt - x).square().mean(dim=(1, 2))

    def inside(self, x: Tensor) -> Tensor:
        """Return the images with pixels between 0 and 1."""
        return x.clamp(0, 1)
