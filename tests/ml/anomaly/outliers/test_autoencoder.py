"""Autoencoders: the published shape, what each of them sees, and how jets make one score."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch

from overdensity.core import ConfigError
from overdensity.ml import make_method
from overdensity.ml.anomaly.outliers.autoencoder import (
    AutoencoderBank,
    AutoencoderHyper,
    train_autoencoders,
)

SMALL = {"members": 2, "device": "cpu"}
SHAPES = (8, 64, 32, 16, 1, 16, 32, 64, 8)


@pytest.fixture(scope="module")
def correlated():
    """Five features that one hidden number decides, but for a little noise."""
    rng = np.random.default_rng(0)
    hidden = rng.normal(size=(4000, 1))
    x = hidden * [1.0, -1.0, 1.0, 1.0, -1.0] + 0.1 * rng.normal(size=(4000, 5))
    return (x / x.std(axis=0)).astype(np.float32)


def test_network_is_the_published_one():
    bank = AutoencoderBank(SHAPES, [1, 2])
    x = torch.randn(20, 8, generator=torch.Generator().manual_seed(0))
    found = bank.predict(x)
    for member in range(2):
        layers: list[torch.nn.Module] = []
        for k, (n_in, n_out) in enumerate(pairwise(SHAPES)):
            linear = torch.nn.Linear(n_in, n_out)
            linear.load_state_dict(
                {"weight": bank.weights[k][member].T, "bias": bank.biases[k][member, 0]}
            )
            layers += [linear] if k in (3, 7) else [linear, torch.nn.ReLU()]
        torch.testing.assert_close(found[member], torch.nn.Sequential(*layers)(x))


def test_default_shape_is_the_published_one():
    x = np.random.default_rng(0).normal(size=(200, 8)).astype(np.float32)
    bank = train_autoencoders(x, AutoencoderHyper(members=1, device="cpu"), seed=1)
    assert tuple(len(w[0]) for w in bank.weights) == SHAPES[:-1]


def test_error_is_the_mean_over_features_and_members():
    bank = AutoencoderBank(SHAPES, [1, 2, 3])
    x = torch.randn(3000, 8, generator=torch.Generator().manual_seed(0))
    expected = (bank.predict(x) - x).square().mean(dim=2).mean(dim=0)
    torch.testing.assert_close(bank.errors(x), expected)


def test_members_learn_to_rebuild_what_fits_through_the_bottleneck(correlated):
    hyper = AutoencoderHyper(members=2, batch=100, epochs=20, device="cpu")
    bank = train_autoencoders(correlated, hyper, seed=1)
    assert bank.errors(torch.as_tensor(correlated)).mean() < 0.05  # the variance is 1
    broken = correlated * np.float32([1, 1, -1, 1, 1])
    assert bank.errors(torch.as_tensor(broken)).mean() > 0.3


def test_a_member_in_an_ensemble_is_what_it_is_alone(correlated):
    together = train_autoencoders(correlated, AutoencoderHyper(members=3, device="cpu"), seed=4)
    alone = train_autoencoders(correlated, AutoencoderHyper(members=1, device="cpu"), seed=4)
    x = torch.as_tensor(correlated)
    torch.testing.assert_close(alone.predict(x)[0], together.predict(x)[0], rtol=1e-4, atol=1e-5)


def test_events_without_weight_are_not_learnt(correlated):
    other = np.concatenate([correlated, np.full((4000, 5), 3, np.float32)])
    weight = np.repeat([1.0, 0.0], 4000)
    hyper = AutoencoderHyper(members=1, batch=200, epochs=20, device="cpu")
    bank = train_autoencoders(other, hyper, weight=weight, seed=1)
    errors = bank.errors(torch.as_tensor(other))
    assert errors[4000] > 20 * errors[:4000].mean()


@pytest.mark.parametrize(
    ("name", "value"),
    [("members", 0), ("nodes", [64, 0]), ("latent", 0), ("combine", "sum"), ("cuts", [0.5, 1.0])],
)
def test_values_that_cannot_be_used_are_refused(name, value):
    with pytest.raises(ConfigError, match=f"{name} = .*cannot be used"):
        make_method("autoencoder", **{name: value})
