"""Normalised autoencoders on columns: both trainings, and what the second one changes."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from overdensity.core import ConfigError
from overdensity.ml import make_method
from overdensity.ml.anomaly.outliers.normalised_autoencoder import (
    NormalisedAutoencoder,
    NormalisedAutoencoderHyper,
    train_normalised,
)
from overdensity.ml.networks.normalised import ChainHyper, NormalisedNumbers
from overdensity.ml.training.in_rows import in_rows
from overdensity.ml.training.training_hyper import TrainingHyper

FIRST = TrainingHyper(epochs=4, batch=200, learning_rate=5e-3, keep="last")
SECOND = TrainingHyper(epochs=6, batch=200, learning_rate=2e-3, keep="last")


@pytest.fixture(scope="module")
def events():
    """A thousand points on a ring, far inside of where samples may go."""
    rng = np.random.default_rng(0)
    angle = rng.uniform(0, 2 * np.pi, 1000)
    ring = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return (ring + 0.05 * rng.normal(size=(1000, 2))).astype(np.float32)


def trained(events, *, normalise):
    torch.manual_seed(0)
    network = NormalisedNumbers(2, nodes=(32, 32), latent=3, reach=3.0)
    hyper = NormalisedAutoencoderHyper(
        first=FIRST,
        training=SECOND,
        normalise=normalise,
        chains=ChainHyper(latent_steps=5, steps=5, step=0.3, noise=0.15),
        device="cpu",
    )
    train_normalised(network, events, hyper, weight=None, seed=1)
    return network


def test_what_was_never_seen_is_rebuilt_worse_after_the_second_training(events):
    middle = np.zeros((1, 2), np.float32)
    ratio = []
    for normalise in (False, True):
        network = trained(events, normalise=normalise)
        errors = [
            in_rows(network, network.errors, x, device="cpu").mean() for x in (middle, events)
        ]
        ratio.append(errors[0] / errors[1])
    assert ratio[1] > 2 * ratio[0]


def test_without_the_second_training_it_is_a_plain_autoencoder(events):
    network = trained(events, normalise=False)
    x = torch.as_tensor(events)
    rebuilt = network.decode(torch.nn.functional.normalize(network.encoder(x), dim=1))
    expected = (rebuilt - x).square().mean(dim=1).detach().numpy()
    found = in_rows(network, network.errors, events, device="cpu")
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_default_network_is_that_of_the_plain_autoencoders():
    assert NormalisedAutoencoder.Hyper().nodes == (64, 32, 16)


@pytest.mark.parametrize(
    ("name", "value"), [("latent", 1), ("reach", 0.0), ("first", {"patience": 3})]
)
def test_values_that_cannot_be_used_are_refused(name, value):
    with pytest.raises(ConfigError, match=f"{name} = .*cannot be used"):
        make_method("normalised_autoencoder", **{name: value})
