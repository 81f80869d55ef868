"""Ensembles of networks, whatever they read."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import nn

from overdensity.ml.classifiers.module_ensemble import (
    ModuleEnsemble,
    fit_modules,
    restored_modules,
)
from overdensity.ml.training.training_hyper import TrainingHyper


class Slope(nn.Module):
    def __init__(self):
        super().__init__()
        self.slope = nn.Parameter(torch.randn(()))

    def forward(self, x):
        return self.slope * x


@dataclass(frozen=True)
class Hyper:
    training = TrainingHyper(epochs=3, batch=50, learning_rate=0.1)
    device = "cpu"


class Slopes(ModuleEnsemble):
    def _columns(self, x):
        return [x]

    def _device(self):
        return "cpu"


@pytest.fixture(scope="module")
def fitted():
    x = np.random.default_rng(0).normal(size=200).astype(np.float32)
    inner = np.arange(200) % 2
    return fit_modules(Slope, [x], x > 0, np.ones(200), inner, hyper=Hyper(), members=2, seed=1)


def test_each_inner_fold_has_its_members_with_weights_of_their_own(fitted):
    slopes = [each.slope.item() for fold in (0, 1) for each in fitted[fold]]
    assert len(set(slopes)) == 4


def test_probability_is_the_mean_of_those_of_all_members(fitted):
    x = np.linspace(-2, 2, 9).astype(np.float32)
    ensemble = Slopes((*fitted[0], *fitted[1]))
    expected = np.mean([1 / (1 + np.exp(-n.slope.item() * x)) for n in ensemble.networks], axis=0)
    np.testing.assert_allclose(ensemble.score(x), expected, rtol=1e-5)
    odds = np.log(expected / (1 - expected))
    np.testing.assert_allclose(ensemble.log_odds(x), odds, rtol=1e-4, atol=1e-6)


def test_networks_survive_their_arrays(fitted):
    again = restored_modules(Slopes(fitted[0]).arrays(), Slope)
    assert [n.slope.item() for n in again] == [n.slope.item() for n in fitted[0]]
