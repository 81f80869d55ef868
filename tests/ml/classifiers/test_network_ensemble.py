"""Ensembles of networks: standardisation, means of probabilities, and which networks are kept."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.special import expit, logit

from overdensity.ml.classifiers.ensemble import ClassifierHyper
from overdensity.ml.classifiers.network_ensemble import NetworkEnsemble, fit_networks
from overdensity.ml.classifiers.network_kind import NetworkHyper
from overdensity.ml.training.bank import Bank

SETTINGS = NetworkHyper(
    layers=1, width=8, epochs=10, patience=10, average=2, batch=50, learning_rate=0.02, device="cpu"
)
HYPER = ClassifierHyper(kind="networks", inner_folds=2, members=2, settings=SETTINGS)


@pytest.fixture(scope="module")
def problem():
    """Two classes a distance of three widths apart, in units of a thousand."""
    rng = np.random.default_rng(1)
    y = np.arange(400) % 2 == 0
    x = rng.normal(size=(400, 2))
    x[y, 0] += 3
    return (1000 * x + 5000).astype(np.float32), y, np.ones(400), np.arange(400) // 2 % 2


@pytest.fixture(scope="module")
def fitted(problem):
    return fit_networks(*problem, hyper=HYPER, seed=1)


def by_hand(ensemble, x):
    """Probabilities of each network of one hidden layer, (n_nets, n_events)."""
    arrays = ensemble.arrays()
    standard = (x - ensemble.mean) / ensemble.std
    hidden = np.maximum(standard @ arrays["weights.0"] + arrays["biases.0"], 0)
    return expit((hidden @ arrays["weights.1"] + arrays["biases.1"])[..., 0])


def test_the_score_is_the_mean_of_the_probabilities(fitted, problem):
    x = problem[0][:50]
    np.testing.assert_allclose(fitted.score(x), by_hand(fitted, x).mean(axis=0), rtol=1e-4)


def test_the_log_odds_are_those_of_the_mean_probability(fitted, problem):
    x = problem[0][:50]
    np.testing.assert_allclose(
        fitted.log_odds(x), logit(by_hand(fitted, x).mean(axis=0)), rtol=1e-3, atol=1e-4
    )


def test_classes_are_told_apart_whatever_the_units(fitted, problem):
    x, y, *_ = problem
    score = fitted.score(x)
    assert np.mean(score[y] > 0.5) > 0.85
    assert np.mean(score[~y] < 0.5) > 0.85


def test_each_member_brings_the_epochs_that_are_averaged_and_its_best_restart_alone(problem):
    hyper = replace(HYPER, settings=replace(SETTINGS, restarts=3, epochs=2, patience=2))
    assert len(fit_networks(*problem, hyper=hyper, seed=1).bank) == 2 * 2 * 2


def test_the_seed_decides(fitted, problem):
    x = problem[0]
    again, other = (fit_networks(*problem, hyper=HYPER, seed=seed) for seed in (1, 2))
    np.testing.assert_array_equal(again.score(x), fitted.score(x))
    assert not np.array_equal(other.score(x), fitted.score(x))


def test_a_bank_of_nothing_but_biases_is_known_exactly():
    bank = Bank((2, 1), [1, 2])
    with torch.no_grad():
        bank.weights[0].zero_()
        bank.biases[0][0], bank.biases[0][1] = float(logit(0.2)), float(logit(0.6))
    ensemble = NetworkEnsemble(bank, np.zeros(2, np.float32), np.ones(2, np.float32), "cpu")
    x = np.zeros((3, 2), np.float32)
    np.testing.assert_allclose(ensemble.score(x), 0.4, rtol=1e-6)
    np.testing.assert_allclose(ensemble.log_odds(x), logit(0.4), rtol=1e-6)
