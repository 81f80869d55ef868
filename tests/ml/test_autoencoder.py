"""Autoencoders: the published shape, what each of them sees, and how jets make one score."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch

from overdensity.core import ConfigError
from overdensity.ml import Sample, make_method
from overdensity.ml.autoencoder import (
    AutoencoderBank,
    AutoencoderHyper,
    jet_columns,
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


def test_autoencoders_see_their_own_jet_and_what_belongs_to_none():
    names = ["j1_mass", "ht", "j2_mass", "j10_mass"]
    assert jet_columns(names) == {"j1": [0, 1], "j2": [1, 2], "j10": [1, 3]}
    assert list(jet_columns(names)) == ["j1", "j2", "j10"]


def test_without_jets_one_autoencoder_sees_the_event():
    assert jet_columns(["mJ1", "dmJ", "tau21_1"]) == {"event": [0, 1, 2]}


def test_first_error_is_that_of_the_lighter_jet(sample, window):
    method = make_method("autoencoder", **SMALL).fit(sample.without_label(), window, seed=1)
    swapped = replace(sample, features=sample.features[:, [1, 0, 3, 2]])
    np.testing.assert_array_equal(method.errors(sample), method.errors(swapped))


def test_score_is_the_mean_of_the_jets_errors(sample, window):
    method = make_method("autoencoder", **SMALL).fit(sample.without_label(), window, seed=1)
    np.testing.assert_allclose(method.score(sample), method.errors(sample).mean(axis=1), rtol=1e-6)


def test_score_of_one_is_the_simultaneous_cut(sample, window):
    method = make_method("autoencoder", combine="cuts", cuts=[0.2, 0.8], **SMALL)
    method.fit(sample.without_label(), window, seed=1)
    errors = method.errors(sample)
    light, heavy = (np.quantile(errors[:, i], 1 - cut) for i, cut in enumerate((0.2, 0.8)))
    both = (errors[:, 0] > light) & (errors[:, 1] > heavy)
    differ = np.count_nonzero((method.score(sample) >= 1) != both)
    assert differ <= 4  # of 6300: events on the edge of a quantile


def test_window_does_not_matter(sample, window):
    method = make_method("autoencoder", **SMALL).fit(sample.without_label(), window, seed=1)
    other = replace(window, center=3000.0, low=2900.0, high=3100.0)
    again = make_method("autoencoder", **SMALL).fit(sample.without_label(), other, seed=1)
    np.testing.assert_array_equal(method.score(sample), again.score(sample))


def test_more_jets_than_cuts_are_refused(window):
    rng = np.random.default_rng(0)
    names = ["j1_mass", "j2_mass", "j3_mass"]
    three = Sample.from_arrays(rng.uniform(2800, 4400, 500), rng.random((500, 3)), names)
    method = make_method("autoencoder", combine="cuts", **SMALL)
    with pytest.raises(ConfigError, match=r"a cut for each of j1, j2, j3, found cuts"):
        method.fit(three, window, seed=1)


@pytest.mark.parametrize(
    ("name", "value"),
    [("members", 0), ("nodes", [64, 0]), ("latent", 0), ("combine", "sum"), ("cuts", [0.5, 1.0])],
)
def test_values_that_cannot_be_used_are_refused(name, value):
    with pytest.raises(ConfigError, match=f"{name} = .*cannot be used"):
        make_method("autoencoder", **{name: value})
