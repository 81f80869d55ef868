"""The invertible transforms of the flow families, on nflows, all conditional.

Couplings and autoregressive layers are those of nflows. The element-wise maps in them are ours: the
spline of nflows takes about twice the time, and its inverse fails in float32 where rounding makes a
discriminant negative; its affine coupling cannot start as the identity.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from nflows.transforms import CompositeTransform, ReversePermutation, Transform
from nflows.transforms.autoregressive import AutoregressiveTransform
from nflows.transforms.coupling import CouplingTransform
from torch import Tensor
from torch.nn import functional

from ...core import ConfigError
from .flow_shape import Family

__all__ = ["Affine", "Spline", "build_transform"]

_LEAST = 1e-3  # the smallest scale or slope, and the smallest width of a bin in units of all
_UNIT = math.log(math.expm1(1 - _LEAST))  # softplus(_UNIT) + _LEAST is 1


class Affine:
    """x → scale x + shift, two parameters a feature."""

    start = (_UNIT, 0.0)

    def __call__(self, x: Tensor, parameters: Tensor, *, inverse: bool) -> tuple[Tensor, Tensor]:
        """Return y and log |dy/dx|, both (n_events, n_features).

        Parameters
        ----------
        x : Tensor, shape (n_events, n_features)
            Input.
        parameters : Tensor, shape (n_events, n_features, 2)
            Scale before a softplus, and shift.
        inverse : bool
            Whether to go back.
        """
        scale, shift = functional.softplus(parameters[..., 0]) + _LEAST, parameters[..., 1]
        if inverse:
            return (x - shift) / scale, -scale.log()
        return x * scale + shift, scale.log()


class Spline:
    """Monotonic rational-quadratic spline between -tail and tail, identity beyond.

    C. Durkan et al., arXiv:1906.04032, equations 4 to 8; 3 bins - 1 parameters a feature.

    Parameters
    ----------
    bins : int
        Number of bins.
    tail : float
        Where it ends.
    """

    def __init__(self, bins: int, tail: float) -> None:
        self.bins, self.tail = bins, tail
        self.start = (*[0.0] * (2 * bins), *[_UNIT] * (bins - 1))

    def __call__(self, x: Tensor, parameters: Tensor, *, inverse: bool) -> tuple[Tensor, Tensor]:
        """Return y and log |dy/dx|, both (n_events, n_features).

        Parameters
        ----------
        x : Tensor, shape (n_events, n_features)
            Input.
        parameters : Tensor, shape (n_events, n_features, 3 bins - 1)
            Widths and heights of bins before a softmax, slopes at inner edges before a softplus.
        inverse : bool
            Whether to go back.
        """
        x0, y0, slope0, x1, y1, slope1 = self._bin(x, parameters, inverse=inverse)
        width, height = x1 - x0, y1 - y0
        mean = height / width
        bend = slope0 + slope1 - 2 * mean
        if inverse:
            above = x - y0
            a = height * (mean - slope0) + above * bend
            b = height * slope0 - above * bend
            c = -mean * above
            t = 2 * c / (-b - (b.square() - 4 * a * c).clamp(min=0).sqrt())
            t = t.clamp(0, 1)
            y = x0 + t * width
        else:
            t = ((x - x0) / width).clamp(0, 1)
            numerator = height * (mean * t.square() + slope0 * t * (1 - t))
            y = y0 + numerator / (mean + bend * t * (1 - t))
        rest = 1 - t
        slope = slope1 * t.square() + 2 * mean * t * rest + slope0 * rest.square()
        log_slope = slope.log() + 2 * (mean.log() - (mean + bend * t * rest).log())
        inside = x.abs() <= self.tail
        y = torch.where(inside, y, x)
        return y, torch.where(inside, -log_slope if inverse else log_slope, 0.0)

    def _bin(self, x: Tensor, parameters: Tensor, *, inverse: bool) -> tuple[Tensor, ...]:
        """Return the corners of each value's bin and the slopes there: x, y, slope, twice."""
        n, tail = self.bins, self.tail
        parameters = parameters.permute(2, 0, 1).contiguous()  # bins first: that is vectorised
        slopes = functional.softplus(parameters[2 * n :]) + _LEAST
        tables = [torch.cat([torch.ones_like(x)[None], slopes, torch.ones_like(x)[None]])]
        ends = torch.full_like(x, tail)[None]
        for logits in (parameters[n : 2 * n], parameters[:n]):
            sizes = 2 * tail * (_LEAST + (1 - n * _LEAST) * logits.softmax(dim=0))
            inner = sizes[:-1].cumsum(dim=0) - tail
            tables.insert(0, torch.cat([-ends, inner, ends]))
        index = (x >= tables[int(inverse)][1:-1]).sum(dim=0, keepdim=True)
        left = [table.gather(0, index)[0] for table in tables]
        right = [table.gather(0, index + 1)[0] for table in tables]
        return *left, *right


Elementwise = Affine | Spline


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
    spline = family in ("rqs_coupling", "rqs_autoregressive")
    law = Spline(bins, tail) if spline else Affine()
    if family in ("maf", "rqs_autoregressive"):
        chain: list[Transform] = []
        degrees = torch.arange(1, features + 1)
        for _ in range(layers):
            network = _Network(degrees, degrees, law.start, **shape)
            chain += [_Autoregressive(network, law), ReversePermutation(features)]
        return CompositeTransform(chain)
    if features < 2:
        msg = (
            f"flow family {family!r} transforms one half of the features by the other and needs "
            "two; use 'rqs_autoregressive' or 'maf' for one feature"
        )
        raise ConfigError(msg)

    def make(inputs: int, parameters: int) -> _Network:
        outputs = torch.ones(parameters // len(law.start))
        return _Network(torch.zeros(inputs), outputs, law.start, **shape)

    return CompositeTransform([_Coupling(mask, make, law) for mask in _masks(features, layers)])


class _Coupling(CouplingTransform):
    """nflows' coupling with an element-wise map."""

    def __init__(
        self, mask: Tensor, make: Callable[[int, int], _Network], law: Elementwise
    ) -> None:
        self._law = law
        super().__init__(mask, make)

    def _transform_dim_multiplier(self) -> int:
        return len(self._law.start)

    def _coupling_transform_forward(
        self, inputs: Tensor, transform_params: Tensor
    ) -> tuple[Tensor, Tensor]:
        return _apply(self._law, inputs, transform_params, inverse=False)

    def _coupling_transform_inverse(
        self, inputs: Tensor, transform_params: Tensor
    ) -> tuple[Tensor, Tensor]:
        return _apply(self._law, inputs, transform_params, inverse=True)


class _Autoregressive(AutoregressiveTransform):
    """nflows' autoregressive layer with an element-wise map."""

    def __init__(self, network: _Network, law: Elementwise) -> None:
        self._law = law
        super().__init__(network)

    def _output_dim_multiplier(self) -> int:
        return len(self._law.start)

    def _elementwise_forward(
        self, inputs: Tensor, autoregressive_params: Tensor
    ) -> tuple[Tensor, Tensor]:
        return _apply(self._law, inputs, autoregressive_params, inverse=False)

    def _elementwise_inverse(
        self, inputs: Tensor, autoregressive_params: Tensor
    ) -> tuple[Tensor, Tensor]:
        return _apply(self._law, inputs, autoregressive_params, inverse=True)


def _apply(
    law: Elementwise, inputs: Tensor, parameters: Tensor, *, inverse: bool
) -> tuple[Tensor, Tensor]:
    parameters = parameters.view(*inputs.shape, len(law.start))
    outputs, log_slopes = law(inputs, parameters, inverse=inverse)
    return outputs, log_slopes.sum(dim=1)


class _Network(torch.nn.Module):
    """The network of one layer: parameters of the transform from features and condition.

    Every input, hidden node and output has a degree, and depends on nodes of a lower degree (the
    outputs) or at most its own (the hidden ones), as in MADE (arXiv:1502.03509); the condition
    has degree 0. nflows' own MADE gives hidden nodes degree 1 and more, so that its first feature
    would not depend on the condition. In a coupling all inputs have degree 0, all outputs 1.

    Parameters
    ----------
    inputs, outputs : Tensor, shape (n_inputs,), (n_features,)
        Degrees of the features read, and of those whose parameters are returned.
    start : tuple of float
        The parameters of one feature at the start.
    context, width, depth : int
        Number of conditions, nodes, and hidden layers.
    """

    def __init__(
        self,
        inputs: Tensor,
        outputs: Tensor,
        start: tuple[float, ...],
        *,
        context: int,
        width: int,
        depth: int,
    ) -> None:
        super().__init__()
        incoming = torch.cat([torch.zeros(context), inputs])
        hidden = torch.arange(width) % int(outputs.max())
        outputs = outputs.repeat_interleave(len(start))
        self.layers = torch.nn.ModuleList()
        for _ in range(depth):
            self.layers.append(_MaskedLinear(hidden[:, None] >= incoming))
            incoming = hidden
        last = _MaskedLinear(outputs[:, None] > incoming)
        torch.nn.init.zeros_(last.weight)
        last.bias.data = torch.tensor(start).repeat(len(outputs) // len(start))
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


def _masks(features: int, layers: int) -> list[Tensor]:
    """Return which features a coupling transforms: bit after bit of their numbers, and the rest.

    After 2 log2(n) couplings every feature has seen every other (arXiv:2001.05486, section 3.2).
    """
    bits = (features - 1).bit_length()
    number = torch.arange(features)
    return [(number >> (layer // 2 % bits) & 1) ^ (layer % 2) for layer in range(layers)]
