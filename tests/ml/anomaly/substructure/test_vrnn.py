"""Variational recurrent networks as a method; that they find a signal shows `test_real_constituents`."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from overdensity.core import ConfigError
from overdensity.ml import Constituents, make_method
from overdensity.ml.anomaly.substructure.vrnn import Vrnn
from overdensity.ml.contract import TOY_WINDOW, toy_sample
from overdensity.ml.inputs.boosted_sequences import sequences


@pytest.fixture(scope="module")
def sample():
    return toy_sample().take(np.arange(600))


@pytest.fixture(scope="module")
def fitted(sample):
    method = make_method("vrnn", **Vrnn.fast)
    return method.fit(method.shown(sample), TOY_WINDOW, seed=1)


def test_score_is_that_of_the_more_anomalous_jet(fitted, sample):
    np.testing.assert_array_equal(fitted.score(sample), fitted.errors(sample).max(axis=1))


def test_jets_of_small_divergence_are_anomalous_unless_told_otherwise(fitted, sample):
    regular = fitted.errors(sample)
    before = fitted.hyper
    fitted.hyper = replace(before, anomalous="surprising")
    surprising = fitted.errors(sample)
    fitted.hyper = before
    np.testing.assert_allclose(regular, 1 - surprising, atol=1e-6)


def test_a_jet_without_mass_is_the_least_anomalous(fitted, sample):
    lonely = Constituents.from_lists([[(500.0, 0.0, 0.0)]] * len(sample))
    other = replace(sample, blocks=dict.fromkeys(sample.blocks, lonely))
    assert not fitted.errors(other).any()
    assert (fitted.errors(sample) > 0).all()


def test_divergences_are_weighted_by_the_mean_share_of_pt_at_each_step(fitted, sample):
    blocks = [sample.blocks[f"j{i}_constituents"].normalised().padded(12)[:] for i in (1, 2)]
    pt = sequences(np.concatenate(blocks), 4)[..., 0]
    expected = (pt / pt.sum(axis=1, keepdims=True)).mean(axis=0)
    model = fitted._models["j1_constituents"]
    np.testing.assert_allclose(model.shares.numpy(), expected, rtol=1e-4)


def test_momentum_and_mass_of_a_jet_change_no_score(fitted, sample):
    # a boost along the beam and another scale: the same jet in another event
    moved = {
        name: Constituents.from_arrays(
            block.stores[0].offsets, block.stores[0].values * np.array([2.0, 1.0, 1.0], "f4")
        ).take(block.rows)
        for name, block in sample.blocks.items()
        if isinstance(block, Constituents)
    }
    np.testing.assert_allclose(
        fitted.score(replace(sample, blocks=sample.blocks | moved)), fitted.score(sample), atol=1e-5
    )


def test_hyperparameters_that_cannot_be_used_are_refused():
    for hyper in ({"order": "mass"}, {"anomalous": "all"}, {"longest": 0}, {"strength": 0.0}):
        with pytest.raises(ConfigError, match=f"{next(iter(hyper))} = .* cannot be used"):
            make_method("vrnn", **hyper)
