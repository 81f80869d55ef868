"""One network for the constituents of all jets: what it learns from, and how jets are combined."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from overdensity.core import ConfigError
from overdensity.ml import make_method
from overdensity.ml.anomaly.substructure import jet_networks
from overdensity.ml.anomaly.substructure.graph_autoencoder import ParticleGraphAutoencoder
from overdensity.ml.contract import TOY_WINDOW, toy_sample

HYPER = ParticleGraphAutoencoder.fast | {"training": {"epochs": 1, "batch": 256}}


@pytest.fixture(scope="module")
def sample():
    return toy_sample().take(np.arange(500))


@pytest.fixture(scope="module")
def fitted(sample):
    method = make_method("graph_autoencoder", **HYPER)
    return method.fit(method.shown(sample), TOY_WINDOW, seed=1)


def exchanged(sample):
    other = {"j1": "j2", "j2": "j1"}
    blocks = {name: sample.blocks[other[name[:2]] + name[2:]] for name in sample.blocks}
    return replace(sample, features=sample.features[:, [1, 0, 3, 2]], blocks=blocks)


def test_both_jets_have_the_same_network(fitted, sample):
    plain = replace(fitted.hyper, sort=False)
    fitted.hyper, before = plain, fitted.hyper
    there, back = fitted.errors(sample), fitted.errors(exchanged(sample))
    fitted.hyper = before
    np.testing.assert_allclose(there, back[:, ::-1], rtol=1e-5)


def test_events_pass_if_both_jets_are_among_the_tenth_that_is_rebuilt_worst(fitted, sample):
    errors, scores = fitted.errors(sample), fitted.score(sample)
    both = (errors > np.quantile(errors, 0.9, axis=0, method="higher")).all(axis=1)
    assert (scores[both] >= 1).all()
    assert abs(int((scores >= 1).sum()) - int(both.sum())) <= 2


@pytest.mark.parametrize("combine", ["mean", "max"])
def test_scores_are_the_mean_or_the_largest(fitted, sample, combine):
    before = fitted.hyper
    fitted.hyper = replace(before, combine=combine)
    expected = getattr(np, combine)(fitted.errors(sample), axis=1)
    np.testing.assert_array_equal(fitted.score(sample), expected)
    fitted.hyper = before


def test_scores_do_not_depend_on_how_many_events_are_scored_together(fitted, sample):
    alone = fitted.errors(sample.take(np.arange(7)))
    np.testing.assert_allclose(alone, fitted.errors(sample)[:7], rtol=1e-4)


def test_weights_of_events_are_those_of_their_jets(sample):
    method = make_method("graph_autoencoder", **HYPER)
    ones = replace(sample, weight=np.full(len(sample), 3.0))
    fitted = [method.fit(method.shown(each), TOY_WINDOW, seed=1) for each in (sample, ones)]
    np.testing.assert_allclose(*(each.score(sample) for each in fitted), rtol=1e-5)


def test_no_event_has_one_jet_that_is_learnt_and_one_that_validates(sample, monkeypatch):
    learnt = []
    monkeypatch.setattr(jet_networks, "train", lambda *_, train, **__: learnt.append(train))
    method = make_method("graph_autoencoder", **HYPER | {"combine": "max"})
    odd = sample.take(np.arange(497))  # rows of the second jets do not begin at a tenth one
    method.fit(method.shown(odd), TOY_WINDOW, seed=1)
    first, second = np.split(learnt[0], 2)
    np.testing.assert_array_equal(first, second)
    assert 0.89 < first.mean() < 0.91


def test_hyperparameters_that_cannot_be_used_are_refused():
    for hyper in ({"particles": 0}, {"loss": "emd"}, {"latent": 0}, {"widths": ()}):
        with pytest.raises(ConfigError, match=f"{next(iter(hyper))} = .* cannot be used"):
            make_method("graph_autoencoder", **hyper)
