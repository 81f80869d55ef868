"""Residual networks on images."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["ResidualNetwork"]

_DARKEST = 1e-12  # an image without a lit pixel stays dark


class ResidualNetwork(nn.Module):
    """Log-odds of images: a residual network with the head of the deep ensemble.

    K. He et al., arXiv:1512.03385: a convolution of 7 × 7 pixels with stride 2 and maximum pooling,
    then stages of blocks of two convolutions of 3 × 3 with a shortcut, each stage but the first with
    half of the pixels. The head (LHC Olympics 2020, arXiv:2101.08320, section 5.1) has the mean
    and the maximum over pixels side by side, batch normalization, dropout, and two dense layers.

    Parameters
    ----------
    channels : int
        Images of an event.
    widths, blocks : sequence of int
        Filters and number of blocks of each stage; those of ResNet-34 are the defaults.
    dense : int
        Nodes of the dense layer.
    dropout : float
        Before it.

    Examples
    --------
    >>> network = ResidualNetwork(1, widths=(4, 8), blocks=(1, 1), dense=8).eval()
    >>> network(torch.rand(5, 16, 16)).shape
    torch.Size([5])
    """

    def __init__(
        self,
        channels: int,
        *,
        widths: Sequence[int] = (64, 128, 256, 512),
        blocks: Sequence[int] = (3, 4, 6, 3),
        dense: int = 512,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        first, last = widths[0], widths[-1]
        layers: list[nn.Module] = [
            nn.Conv2d(channels, first, 7, stride=2, padding=3, bias=False),
            *(nn.BatchNorm2d(first), nn.ReLU(), nn.MaxPool2d(3, stride=2, padding=1)),
        ]
        before = first
        for stage, (width, number) in enumerate(zip(widths, blocks, strict=True)):
            for block in range(number):
                stride = 2 if stage and not block else 1
                layers.append(_ResidualBlock(before, width, stride=stride))
                before = width
        self.body = nn.Sequential(*layers)
        self.head = nn.Sequential(
            *(nn.BatchNorm1d(2 * last), nn.Dropout(dropout)),
            *(nn.Linear(2 * last, dense), nn.ReLU(), nn.Linear(dense, 1)),
        )
        # a quarter less time on a CPU with few filters, two fifths where nothing is learnt
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # not in its stubs

    def forward(self, *images: Tensor) -> Tensor:
        """Return log-odds, shape (n_events,).

        Parameters
        ----------
        *images : Tensor, shape (n_events, height, width)
            Each is taken relative to its brightest pixel.
        """
        pixels = torch.stack(images, dim=1)
        brightest = pixels.amax(dim=(2, 3), keepdim=True).clamp(min=_DARKEST)
        seen = self.body(pixels / brightest)
        pooled = torch.cat([seen.mean(dim=(2, 3)), seen.amax(dim=(2, 3))], dim=1)
        return self.head(pooled).squeeze(1)


class _ResidualBlock(nn.Module):
    """Two convolutions, to which their input is added."""

    def __init__(self, channels: int, filters: int, *, stride: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(channels, filters, 3, stride=stride, padding=1, bias=False),
            *(nn.BatchNorm2d(filters), nn.ReLU()),
            nn.Conv2d(filters, filters, 3, padding=1, bias=False),
            nn.BatchNorm2d(filters),
        )
        self.shortcut: nn.Module = nn.Identity()
        if stride > 1 or channels != filters:
            self.shortcut = nn.Sequential(
                nn.Conv2d(channels, filters, 1, stride=stride, bias=False),
                nn.BatchNorm2d(filters),
            )

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(self.layers(x) + self.shortcut(x))
