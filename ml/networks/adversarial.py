"""An autoencoder and its judge, which is to tell rebuilt events from real ones."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["AdversarialAutoencoder"]

_TINY = 1e-12  # a squared distance whose root has a gradient


class AdversarialAutoencoder(nn.Module):
    """GAN-AE: an autoencoder that a judge of rebuilt events trains, and the judge.

    Both learn in turns of whole epochs, the judge first (L. Vaslin, J. Donini, LHC Olympics 2020,
    arXiv:2101.08320, section 3.4; L. Vaslin, V. Barra, J. Donini, arXiv:2305.15179). An epoch begins
    with each call of :meth:`train`; their number is a buffer, stored with the weights.

    Parameters
    ----------
    features : int
        How many numbers between 0 and 1 an event has.
    nodes : sequence of int
        Hidden layers of the encoder, the last one the bottleneck; the decoder has the others
        backwards. ReLU; a sigmoid at the end.
    judge : sequence of int
        Hidden layers of the judge: leaky ReLU.
    dropout : float
        In the hidden layers of both, where they learn.
    turns : (int, int)
        Epochs in which the judge learns, and then the autoencoder.

    Examples
    --------
    >>> network = AdversarialAutoencoder(4, nodes=(8, 2), judge=(8,), dropout=0.2, turns=(2, 1))
    >>> whose = [network.train().is_judged for _ in range(6)]
    >>> whose
    [False, False, True, False, False, True]
    """

    epoch: Tensor

    def __init__(
        self,
        features: int,
        *,
        nodes: Sequence[int],
        judge: Sequence[int],
        dropout: float,
        turns: tuple[int, int],
    ) -> None:
        super().__init__()
        widths = (features, *nodes, *nodes[-2::-1])
        hidden = [_layer(*pair, nn.ReLU(), dropout) for pair in pairwise(widths)]
        self.autoencoder = nn.Sequential(*hidden, nn.Linear(widths[-1], features), nn.Sigmoid())
        layers = [_layer(*pair, nn.LeakyReLU(), dropout) for pair in pairwise((features, *judge))]
        self.judge = nn.Sequential(*layers, nn.Linear(judge[-1], 1))
        self.turns = turns
        self.register_buffer("epoch", torch.tensor(-1))

    def train(self, mode: bool = True) -> Self:  # noqa: FBT001, FBT002 - as torch has it
        """Begin an epoch of training, or end it."""
        super().train(mode)
        if mode:
            self.epoch += 1
        return self

    @property
    def is_judged(self) -> bool:
        """Whether this is an epoch in which the autoencoder learns, not the judge."""
        return int(self.epoch) % sum(self.turns) >= self.turns[0]

    def forward(self, x: Tensor) -> Tensor:
        """Return the events as rebuilt."""
        return self.autoencoder(x)

    def distances(self, x: Tensor, rebuilt: Tensor | None = None) -> Tensor:
        """Return the Euclidean distance of events and what is rebuilt: shape (n_events,)."""
        return (
            ((self(x) if rebuilt is None else rebuilt) - x)
            .square()
            .sum(dim=1)
            .clamp(min=_TINY)
            .sqrt()
        )

    def judge_losses(self, x: Tensor) -> Tensor:
        """Return the cross entropy of the judge on real and rebuilt events, half of each."""
        self.autoencoder.eval()
        with torch.no_grad():
            rebuilt = self(x)
        self.autoencoder.train()
        return 0.5 * (
            _entropy(self.judge(x), real=True) + _entropy(self.judge(rebuilt), real=False)
        )

    def fooling_losses(self, rebuilt: Tensor) -> Tensor:
        """Return the cross entropy of taking rebuilt events for real, which the judge does not learn."""
        fixed = {name: value.detach() for name, value in self.judge.named_parameters()}
        self.judge.eval()
        log_odds = torch.func.functional_call(self.judge, fixed, (rebuilt,))
        self.judge.train(self.training)
        return _entropy(log_odds, real=True)

    def merits(self, x: Tensor) -> Tensor:
        """Return the figure of merit, distance + 1 - what the judge says; smaller is better."""
        rebuilt = self(x)
        return self.distances(x, rebuilt) + 1 - torch.sigmoid(self.judge(rebuilt).squeeze(1))


def _entropy(log_odds: Tensor, *, real: bool) -> Tensor:
    return functional.softplus(-log_odds if real else log_odds).squeeze(1)


def _layer(n_in: int, n_out: int, activation: nn.Module, dropout: float) -> nn.Sequential:
    return nn.Sequential(nn.Linear(n_in, n_out), activation, nn.Dropout(dropout))
