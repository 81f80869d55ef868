"""The particle graph autoencoder as a method: two prongs among one prong are outliers."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from overdensity.ml import make_method, performance
from overdensity.ml.anomaly.substructure.graph_autoencoder import ParticleGraphAutoencoder
from overdensity.ml.contract import TOY_WINDOW, toy_sample
from overdensity.ml.networks.graphs import four_momenta


@pytest.fixture(scope="module")
def sample():
    return toy_sample().take(np.arange(2000))


def fitted(sample, **hyper):
    method = make_method("graph_autoencoder", **ParticleGraphAutoencoder.fast | hyper)
    return method.fit(method.shown(sample), TOY_WINDOW, seed=1)


@pytest.mark.parametrize("loss", ["mse", "chamfer"])
def test_both_jets_tell_two_prongs_from_one(sample, loss):
    for error in fitted(sample, loss=loss).errors(sample).T:
        assert performance(error, sample.label, eps_b=(0.1,)).auc > 0.75


def test_score_without_signal_does_not_know_the_mass(sample):
    background = sample.take(sample.label == 0)
    scores = fitted(background).score(background)
    assert abs(np.corrcoef(scores, background.mass)[0, 1]) < 0.07


def test_momenta_are_standardised_by_those_of_the_training_jets(sample):
    model = fitted(sample)._models["j1_constituents"]
    jets = [sample.blocks[f"j{i}_constituents"].normalised().padded(6)[:] for i in (1, 2)]
    both = torch.as_tensor(np.concatenate(jets))
    momenta = four_momenta(both[both[..., 0] > 0])
    torch.testing.assert_close(model.mean, momenta.mean(0), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(model.width, momenta.std(0), rtol=1e-4, atol=1e-5)
