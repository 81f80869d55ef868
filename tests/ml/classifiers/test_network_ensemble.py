"""Ensembles of networks."""

from __future__ import annotations

import numpy as np
import pytest

from overdensity.ml.classifiers.network_ensemble import NetworkEnsemble
from overdensity.ml.training.bank import Bank


@pytest.fixture(scope="module")
def ensemble():
    mean, std = np.full(2, 3.0, np.float32), np.full(2, 2.0, np.float32)
    return NetworkEnsemble(Bank((2, 4, 1), [1, 2, 3]), mean, std, "cpu")


def test_score_is_the_mean_probability_of_the_networks(ensemble):
    x = np.random.default_rng(1).normal(3, 2, (50, 2)).astype(np.float32)
    alone = [
        NetworkEnsemble(ensemble.bank.take([i]), ensemble.mean, ensemble.std, "cpu").score(x)
        for i in range(3)
    ]
    np.testing.assert_allclose(ensemble.score(x), np.mean(alone, axis=0), rtol=1e-5)


def test_features_are_standardised(ensemble):
    x = np.random.default_rng(1).normal(size=(50, 2)).astype(np.float32)
    plain = NetworkEnsemble(ensemble.bank, np.zeros(2, np.float32), np.ones(2, np.float32), "cpu")
    np.testing.assert_allclose(plain.score(x), ensemble.score(3 + 2 * x), rtol=1e-5)
