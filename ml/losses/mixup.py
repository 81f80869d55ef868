"""Cross entropy of events that are mixed in pairs, against networks that are too sure."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn
from torch.distributions import Beta
from torch.nn import functional

__all__ = ["mixed_cross_entropy"]


def mixed_cross_entropy(
    network: nn.Module,
    y: Tensor,
    weight: Tensor,
    *columns: Tensor,
    mixup: float,
    smoothing: float,
) -> Tensor:
    r"""Return the weighted cross entropy of each event, shape (n_events,).

    In training each event is mixed with another one of its batch, :math:`\lambda x_i + (1 - \lambda)
    x_j` with :math:`\lambda` from a Beta distribution, its own share the larger (mixup: H. Zhang et
    al., arXiv:1710.09412, equation 2), and classes count :math:`1 - s/2` and :math:`s/2` in place of 1
    and 0 (label smoothing: C. Szegedy et al., arXiv:1512.00567, section 7). Either event keeps
    its own class and weight. In evaluation it is the plain cross entropy.

    Parameters
    ----------
    network : Module
        Gives log-odds of columns.
    y, weight : Tensor, shape (n_events,)
        Class, 1 or 0, and event weight.
    *columns : Tensor, shape (n_events, ...)
        What the network is shown.
    mixup : float
        Both parameters of the Beta distribution; 0 mixes nothing.
    smoothing : float
        s.

    Examples
    --------
    >>> network = torch.nn.Flatten(0).eval()
    >>> y, weight, odds = torch.tensor([1.0, 0.0]), torch.ones(2), torch.tensor([0.0, 0.0])
    >>> mixed_cross_entropy(network, y, weight, odds, mixup=0.4, smoothing=0.1)
    tensor([0.6931, 0.6931])
    """
    if not network.training:
        return weight * _cross_entropy(network(*columns), y)
    y = y * (1 - smoothing) + smoothing / 2
    if not mixup:
        return weight * _cross_entropy(network(*columns), y)
    share = Beta(mixup, mixup).sample((len(y),)).to(y.device)
    share = torch.maximum(share, 1 - share)
    other = torch.randperm(len(y), device=y.device)
    mixed = [_mixed(column, column[other], share) for column in columns]
    loss = partial(_cross_entropy, network(*mixed))
    return share * weight * loss(y) + (1 - share) * weight[other] * loss(y[other])


def _mixed(one: Tensor, other: Tensor, share: Tensor) -> Tensor:
    share = share.reshape(-1, *(1,) * (one.ndim - 1))
    return share * one + (1 - share) * other


def _cross_entropy(logits: Tensor, y: Tensor) -> Tensor:
    return functional.softplus(logits) - y * logits
