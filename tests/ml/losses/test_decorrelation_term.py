"""The term of a loss: a network that has it forgets the mass, where it may."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from overdensity.core import ConfigError
from overdensity.ml.losses.decorrelation_term import DecorrelationHyper, decorrelated_loss
from overdensity.ml.losses.distance_correlation import squared_distance_correlation
from overdensity.ml.training.engine import seeded, train
from overdensity.ml.training.training_hyper import TrainingHyper

TRAINING = TrainingHyper(epochs=10, batch=200, learning_rate=2e-2, keep="last")
STRENGTH = 1.0


def cross_entropy(module, x, y):
    log_odds = module(x).squeeze(1)
    losses = torch.nn.functional.binary_cross_entropy_with_logits(log_odds, y, reduction="none")
    return losses, torch.sigmoid(log_odds)


@pytest.fixture(scope="module")
def events():
    """One feature tells signal from background, one the mass; signal is at large masses."""
    rng = np.random.default_rng(0)
    y = (np.arange(1200) % 2).astype(np.float32)
    mass = (rng.exponential(size=1200) + 1.5 * y).astype(np.float32)
    x = np.stack([rng.normal(size=1200) + 2 * y, mass - 1], axis=1).astype(np.float32)
    return x, y, mass


def trained(events, strength, share=None):
    x, y, mass = events
    share = 1 - y if share is None else share
    loss = decorrelated_loss(cross_entropy, DecorrelationHyper(strength=strength))
    with seeded(0):
        module = torch.nn.Sequential(
            torch.nn.Linear(2, 16), torch.nn.ReLU(), torch.nn.Linear(16, 1)
        )
    rows = np.arange(len(y))
    columns = (x, y, mass, share)
    train(
        module, loss, columns, train=rows, validation=rows[:0], hyper=TRAINING, seed=1, device="cpu"
    )
    with torch.no_grad():
        return module(torch.as_tensor(x)).squeeze(1)


def dependence(events, score, label):
    chosen = torch.as_tensor(events[1] == label)
    mass = torch.as_tensor(events[2])[chosen]
    return float(squared_distance_correlation(torch.sigmoid(score[chosen]), mass))


def test_network_with_the_term_says_nothing_of_the_mass_of_background(events):
    plain, blind = trained(events, 0.0), trained(events, STRENGTH)
    assert dependence(events, plain, 0) > 0.3
    assert dependence(events, blind, 0) < 0.03
    label = torch.as_tensor(events[1])
    right = ((blind > blind.median()) == (label > 0)).double().mean()
    assert right > 0.75  # of the feature that is left: 0.84


def test_what_has_no_share_may_depend_on_the_mass(events):
    nothing = trained(events, STRENGTH, share=np.zeros(1200, np.float32))
    torch.testing.assert_close(nothing, trained(events, 0.0))


def test_negative_strength_is_refused():
    with pytest.raises(ConfigError, match=r"strength = -1\.0 cannot be used"):
        DecorrelationHyper(strength=-1.0)
