"""The invertible transforms of the flow families, on nflows, all conditional."""

from __future__ import annotations

import math
from typing import Literal

import torch
from nflows.transforms import (
    AffineCouplingTransform,
    CompositeTransform,
    MaskedAffineAutoregressiveTransform,
    MaskedPiecewiseRationalQuadraticAutoregressiveTransform,
    PiecewiseRationalQuadraticCouplingTransform,
    ReversePermutation,
    Transform,
)
from torch import Tensor
from torch.nn import functional

from ..core import ConfigError

__all__ = ["FAMILIES", "Family", "build_transform"]

Family = Literal["realnvp", "maf", "rqs_coupling", "rqs_autoregressive"]
FAMILIES: tuple[Family, ...] = ("realnvp", "maf", "rqs_coupling", "rqs_autoregressive")

_UNIT = math.log(math.expm1(1 - 1e-3))  # softplus(_UNIT) + 1e-3, nflows' way to a scale, is 1


def build_transform(
    family: Family,
    features: int,
    *,
    layers: int,
    width: int,
    depth: int,
    bins: int,
    tail: float,
    context: int = 1,
) -> Transform:
    """Return the transform from features to a standard normal; it starts as the identity.

    Parameters
    ----------
    family : {"realnvp", "maf", "rqs_coupling", "rqs_autoregressive"}
        Affine or rational-quadratic spline layers (arXiv:1906.04032), as couplings
        (arXiv:1605.08803) or masked autoregressive (arXiv:1705.07057).
    features : int
        Dimension.
    layers : int
        Layers, each with a network of its own.
    width, depth : int
        Nodes and hidden layers of these networks.
    bins, tail : int, float
        Bins of a spline, which acts between -tail and tail; identity beyond.
    context : int
        Number of conditions.

    Raises
    ------
    ConfigError
        If couplings are asked for and there is one feature only.
    """
    shape = {"context": context, "width": width, "depth": depth}
    if family in ("maf", "rqs_autoregressive"):
        chain: list[Transform] = []
        for _ in range(layers):
            chain += [_autoregressive(family, features, bins, tail), ReversePermutation(features)]
            degrees = torch.arange(1, features + 1)
            bias = _start(family, features * _parameters(family, bins), bins)
            outputs = degrees.repeat_interleave(_parameters(family, bins))
            chain[-2].autoregressive_net = _Network(degrees, outputs, bias, **shape)
        return CompositeTransform(chain)
    if features < 2:
        msg = (
            f"flow family {family!r} transforms one half of the features by the other and needs "
            "two; use 'rqs_autoregressive' or 'maf' for one feature"
        )
        raise ConfigError(msg)

    def network(n_in: int, n_out: int) -> _Network:
        bias = _start(family, n_out, bins)
        return _Network(torch.zeros(n_in), torch.ones(n_out), bias, **shape)

    return CompositeTransform(
        [
            _AffineCoupling(mask, network)
            if family == "realnvp"
            else PiecewiseRationalQuadraticCouplingTransform(
                mask, network, num_bins=bins, tails="linear", tail_bound=tail
            )
            for mask in _masks(features, layers)
        ]
    )


class _Network(torch.nn.Module):
    """The network of one layer: parameters of the transform from features and condition.

    Every input, hidden node and output has a degree, and depends on nodes of a lower degree (the
    outputs) or at most its own (the hidden ones), as in MADE (arXiv:1502.03509); the condition
    has degree 0. nflows' own MADE gives hidden nodes degree 1 and more, so that its first feature
    would not depend on the condition. In a coupling all inputs have degree 0, all outputs 1.
    """

    def __init__(
        self,
        inputs: Tensor,
        outputs: Tensor,
        bias: Tensor,
        *,
        context: int,
        width: int,
        depth: int,
    ) -> None:
        super().__init__()
        self.hidden_features = width  # nflows divides the logits of a spline by its root
        incoming = torch.cat([torch.zeros(context), inputs])
        hidden = torch.arange(width) % int(outputs.max())
        self.layers = torch.nn.ModuleList()
        for _ in range(depth):
            self.layers.append(_MaskedLinear(hidden[:, None] >= incoming))
            incoming = hidden
        last = _MaskedLinear(outputs[:, None] > incoming)
        torch.nn.init.zeros_(last.weight)
        last.bias.data = bias
        self.layers.append(last)

    def forward(self, inputs: Tensor, context: Tensor) -> Tensor:
        x = torch.cat([context, inputs], dim=1)
        *hidden, last = self.layers
        for layer in hidden:
            x = functional.relu(layer(x))
        return last(x)


class _MaskedLinear(torch.nn.Linear):
    """A linear layer in which some inputs do not reach some outputs."""

    mask: Tensor | None

    def __init__(self, mask: Tensor) -> None:
        super().__init__(mask.shape[1], mask.shape[0])
        needed = None if mask.all() else mask.to(self.weight.dtype)
        self.register_buffer("mask", needed, persistent=False)

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - torch calls it so
        weight = self.weight if self.mask is None else self.weight * self.mask
        return functional.linear(input, weight, self.bias)


class _AffineCoupling(AffineCouplingTransform):
    """nflows' coupling with a scale that can start at 1; its own is a sigmoid that cannot."""

    def _scale_and_shift(self, transform_params: Tensor) -> tuple[Tensor, Tensor]:
        shift, scale = transform_params.chunk(2, dim=1)
        return functional.softplus(scale) + 1e-3, shift


def _autoregressive(family: Family, features: int, bins: int, tail: float) -> Transform:
    """Return nflows' layer, with the smallest network: it is replaced by ours."""
    if family == "maf":
        return MaskedAffineAutoregressiveTransform(features, 1, num_blocks=0)
    return MaskedPiecewiseRationalQuadraticAutoregressiveTransform(
        features, 1, num_blocks=0, num_bins=bins, tails="linear", tail_bound=tail
    )


def _parameters(family: Family, bins: int) -> int:
    """Return the parameters of one feature's transform."""
    return 2 if family in ("realnvp", "maf") else 3 * bins - 1


def _start(family: Family, n: int, bins: int) -> Tensor:
    """Return biases of the last layer with which the transform is the identity."""
    bias = torch.zeros(n)
    if family == "realnvp":
        bias[n // 2 :] = _UNIT
    elif family == "maf":
        bias[::2] = _UNIT
    else:
        bias.view(-1, _parameters(family, bins))[:, 2 * bins :] = _UNIT
    return bias


def _masks(features: int, layers: int) -> list[Tensor]:
    """Return which features a coupling transforms: bit after bit of their numbers, and the rest.

    After 2 log2(n) couplings every feature has seen every other (arXiv:2001.05486, section 3.2).
    """
    bits = (features - 1).bit_length()
    number = torch.arange(features)
    return [(number >> (layer // 2 % bits) & 1) ^ (layer % 2) for layer in range(layers)]
