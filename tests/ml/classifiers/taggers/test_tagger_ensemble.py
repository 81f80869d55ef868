"""Ensembles of networks on constituents: training, storage, and what they read."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit

from overdensity.core import InputError
from overdensity.ml.classifiers.kinds import Inputs
from overdensity.ml.classifiers.module_ensemble import together
from overdensity.ml.classifiers.taggers.particle_flow_hyper import ParticleFlowHyper
from overdensity.ml.classifiers.taggers.tagger_ensemble import (
    TaggerEnsemble,
    fit_taggers,
)
from overdensity.ml.toy_events import toy_blocks
from overdensity.ml.training.training_hyper import TrainingHyper

HYPER = ParticleFlowHyper(
    phi=(8,), f=(8,), particles=12, training=TrainingHyper(epochs=2, batch=100), device="cpu"
)


@pytest.fixture(scope="module")
def problem():
    y = np.arange(400) % 2 == 0
    return Inputs(np.empty((400, 0), np.float32), toy_blocks(y, np.full(400, 1500.0))), y


@pytest.fixture(scope="module")
def by_fold(problem):
    x, y = problem
    inner = np.arange(len(y)) // 2 % 2
    return fit_taggers(x, y, np.ones(len(y)), inner, hyper=HYPER, members=2, seed=1)


def test_each_inner_fold_stops_its_own_networks(by_fold):
    assert {fold: len(each.networks) for fold, each in by_fold.items()} == {0: 2, 1: 2}


def test_ensemble_is_the_mean_of_its_members(by_fold, problem):
    parts = [each.score(problem[0]) for each in by_fold.values()]
    np.testing.assert_allclose(together(by_fold).score(problem[0]), np.mean(parts, 0), rtol=1e-5)


def test_log_odds_are_those_of_the_mean_probability(by_fold, problem):
    ensemble = together(by_fold)
    np.testing.assert_allclose(
        expit(ensemble.log_odds(problem[0])), ensemble.score(problem[0]), rtol=1e-5
    )


def test_ensemble_survives_its_arrays(by_fold, problem):
    ensemble = together(by_fold)
    again = TaggerEnsemble.from_arrays(ensemble.arrays(), hyper=HYPER)
    np.testing.assert_array_equal(again.score(problem[0]), ensemble.score(problem[0]))


def test_momenta_in_gev_are_not_seen(by_fold, problem):
    ensemble, y = together(by_fold), problem[1]
    # The same jets at twice the pT, with prongs as far apart: pT is a scale alone.
    doubled = {}
    for name, block in problem[0].blocks.items():
        if block.kind == "constituents":
            offsets, values = block[:]
            doubled[name] = type(block).from_arrays(offsets, values * np.float32([2, 1, 1]))
    there = Inputs(np.empty((len(y), 0), np.float32), doubled)
    np.testing.assert_allclose(ensemble.score(there), ensemble.score(problem[0]), atol=1e-6)


def test_missing_jets_are_named(by_fold, problem):
    with pytest.raises(InputError, match="trained on j1_constituents, j2_constituents"):
        together(by_fold).score(Inputs(problem[0].features, {}))
