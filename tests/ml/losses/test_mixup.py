"""Mixed events keep their classes and weights."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from overdensity.ml.losses.mixup import mixed_cross_entropy


class Odds(torch.nn.Module):
    def forward(self, x):
        return x


def test_in_evaluation_it_is_the_weighted_cross_entropy():
    x, y, w = torch.tensor([2.0, -1.0]), torch.tensor([1.0, 0.0]), torch.tensor([3.0, 0.5])
    found = mixed_cross_entropy(Odds().eval(), y, w, x, mixup=0.4, smoothing=0.1)
    expected = w * torch.nn.functional.binary_cross_entropy_with_logits(x, y, reduction="none")
    torch.testing.assert_close(found, expected)


def test_the_best_odds_of_mixed_events_are_those_of_the_weights():
    # an image that says nothing: the loss is least where the odds are those of the weighted classes
    y = (torch.arange(4000) % 4 == 0).float()
    w = torch.where(y > 0, 6.0, 1.0)
    odds = torch.zeros((), requires_grad=True)
    torch.manual_seed(1)
    loss = mixed_cross_entropy(Odds(), y, w, odds.expand(4000), mixup=0.45, smoothing=0.0)
    loss.mean().backward()
    # d/d odds = Σ w (1/2 - y) / n = 1/2 (3/4) - 6/2 (1/4) = -3/8
    assert odds.grad.item() == pytest.approx(-0.375, abs=0.05)


def test_labels_are_smoothed_in_training():
    y, odds = torch.ones(1000), torch.full((1000,), np.log(0.95 / 0.05), requires_grad=True)
    for mixup in (0.0, 0.45):
        loss = mixed_cross_entropy(Odds(), y, torch.ones(1000), odds, mixup=mixup, smoothing=0.1)
        (gradient,) = torch.autograd.grad(loss.sum(), odds)
        assert gradient.abs().max() < 1e-5  # 0.95 is then the best that can be said
