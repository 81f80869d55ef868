"""A term of the loss that makes what a network says independent of a mass, for any network."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from ..hyper_checks import refuse_unusable
from .distance_correlation import squared_distance_correlation

__all__ = ["DecorrelationHyper", "decorrelated_loss"]


@dataclass(frozen=True)
class DecorrelationHyper:
    """The term of G. Kasieczka, D. Shih, arXiv:2001.05310, equation 3.

    Attributes
    ----------
    strength : float
        What multiplies the squared distance correlation; none is zero.
    unbiased : bool
        The U-statistic in place of the published biased value, which is about 1 / n for n
        independent events of a batch: with it small batches do as well as large ones.
    """

    strength: float = 0.0
    unbiased: bool = False

    def __post_init__(self) -> None:
        refuse_unusable("decorrelation", self, strength=0 <= self.strength < math.inf)


def decorrelated_loss(
    loss: Callable[..., tuple[Tensor, Tensor]], hyper: DecorrelationHyper
) -> Callable[..., Tensor]:
    """Return a loss for :func:`~overdensity.ml.training.engine.train` that has the term.

    Parameters
    ----------
    loss : callable
        ``loss(module, *batch)`` returns the losses, shape (n_rows,), and what is to be independent,
        shape (n_rows,) or (n_rows, n_dimensions).
    hyper : DecorrelationHyper
        How much of it.

    Returns
    -------
    callable
        ``loss(module, *batch, mass, share)``, shape (n_rows,). The two columns that it takes beside
        those of the loss are what the output is to be independent of, and event weights in the
        correlation: zero for signal, since background alone is to be independent of its mass.
        The engine multiplies the term, which is that of a batch, by the mean weight of the batch.

    Examples
    --------
    >>> import torch
    >>> def loss(module, x, y):
    ...     said = module(x).squeeze(1)
    ...     return (said - y).square(), said
    >>> network, mass = torch.nn.Linear(2, 1), torch.rand(100)
    >>> batch = torch.rand(100, 2), torch.zeros(100), mass, torch.ones(100)
    >>> with_term = decorrelated_loss(loss, DecorrelationHyper(strength=10.0))
    >>> bool((with_term(network, *batch) > loss(network, *batch[:2])[0]).all())
    True
    """

    def with_term(module: object, *columns: Tensor) -> Tensor:
        *batch, mass, share = columns
        losses, output = loss(module, *batch)
        if not hyper.strength:
            return losses
        term = squared_distance_correlation(output, mass, weight=share, unbiased=hyper.unbiased)
        return losses + hyper.strength * term

    return with_term
