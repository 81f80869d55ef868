"""BuHuLaSpa: blind to the mass, stopped without labels."""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np
import pytest
import torch

from overdensity.core import ConfigError, InputError
from overdensity.ml import Window, make_method, performance
from overdensity.ml.anomaly.outliers.buhulaspa import BumpHuntInLatentSpace

logger = logging.getLogger("overdensity.tests")
FAST = dict(BumpHuntInLatentSpace.fast)


@pytest.fixture(scope="module")
def fitted(sample, window):
    return make_method("buhulaspa", **FAST).fit(sample.without_label(), window, seed=1)


def test_score_knows_nothing_of_the_mass_of_an_event(fitted, sample):
    other = replace(sample, mass=sample.mass[::-1].copy())
    np.testing.assert_array_equal(fitted.score(other), fitted.score(sample))


def test_training_stops_where_the_errors_of_the_features_differ_least(fitted, sample):
    assert fitted.epoch == int(fitted.spreads.argmin())
    check = sample.take(np.arange(len(sample)) % 10 == 0)
    x, mass = (torch.as_tensor(column) for column in fitted._columns(check))
    with torch.no_grad():
        errors = (fitted._model(x, mass)[0] - x).square().mean(dim=0).numpy()
    assert errors.var() == pytest.approx(fitted.spreads.min(), rel=1e-4)


def test_scores_are_those_of_the_chosen_epoch(fitted, sample):
    epochs = fitted.scores_of_epochs(sample, sample)
    assert len(epochs) == len(fitted.spreads) == 8
    np.testing.assert_array_equal(epochs[fitted.epoch], fitted.score(sample))


def test_the_usual_event_lies_in_the_middle_or_where_the_network_puts_it(sample, window):
    some = sample.without_label().take(np.arange(1000))
    found = [
        make_method("buhulaspa", **FAST | {"center": center, "latent": 1}).fit(some, window, seed=1)
        for center in (True, False)
    ]
    latent = found[0]._latent(found[0]._model, some)[:, 0]
    np.testing.assert_allclose(found[0].score(some), np.abs(latent - np.median(latent)), rtol=1e-5)
    np.testing.assert_allclose(found[1].score(some), np.abs(latent), rtol=1e-5)


def test_published_recipe_is_the_default():
    hyper = make_method("buhulaspa").hyper
    assert (hyper.nodes, hyper.latent, hyper.beta) == ((100, 100), 1, 5000.0)
    training = hyper.training
    assert (training.optimizer, training.learning_rate) == ("adadelta", 1e-3)
    assert (training.batch, training.epochs) == (10_000, 50)


def test_features_are_divided_by_their_largest_value_or_a_quantile(sample, window):
    some = sample.take(np.arange(500))
    outlier = replace(some, features=some.features.copy(), label=None)
    outlier.features[0, 2] = 1e3
    found = {
        scaling: make_method("buhulaspa", **FAST | {"scaling": scaling, "sort": False})
        .fit(outlier, window, seed=1)
        .arrays()["scale"][2]
        for scaling in ("largest", "quantile")
    }
    assert found["largest"] == 1e3
    assert found["quantile"] < 1.1


def test_without_signal_there_is_no_excess(excess_of, without_signal):
    assert abs(excess_of(make_method("buhulaspa", **FAST), without_signal)) < 3


def test_few_events_are_refused(sample, window):
    few = sample.without_label().take(np.arange(50))
    with pytest.raises(InputError, match="50 to learn from, where 1 and 100 are needed"):
        make_method("buhulaspa").fit(few, window, seed=1)


def test_a_training_that_chooses_an_epoch_itself_is_refused():
    with pytest.raises(ConfigError, match="'buhulaspa' chooses the epoch itself"):
        make_method("buhulaspa", training={"keep": "best"})


@pytest.mark.parametrize(
    ("name", "value"), [("latent", 0), ("scaling", "mean"), ("smearing", 1.0), ("nodes", [0])]
)
def test_values_that_cannot_be_used_are_refused(name, value):
    with pytest.raises(ConfigError, match=f"{name} = .*cannot be used"):
        make_method("buhulaspa", **{name: value})


@pytest.mark.slow(seconds=25)
@pytest.mark.parametrize("learning_rate", [1e-3, 1.0])
def test_the_chosen_epoch_is_about_as_good_as_the_best(learning_rate, reference):
    features = [f"{jet}_{name}" for jet in ("j1", "j2") for name in ("mass", "tau21", "tau32")]
    window = Window(3500.0, 3300.0, 3700.0, 2900.0, 4200.0)
    data = reference(slice(0, 49_500), slice(0, 500), features).without_label()
    test = reference(slice(470_000, None), slice(40_000, None), features)
    training = {"epochs": 50, "batch": 1000, "keep": "last", "optimizer": "adadelta"}
    found = []
    for seed in (1, 2, 3):
        method = make_method("buhulaspa", training=training | {"learning_rate": learning_rate})
        method.fit(data, window, seed=seed)
        scores = method.scores_of_epochs(test, data)
        auc = [performance(each, test.label).auc for each in scores]
        found.append((method.epoch, auc[method.epoch], max(auc)))
    logger.info("epoch, AUC there, best AUC: %s", found)
    assert np.median([chosen for _, chosen, _ in found]) > 0.7
    assert np.median([best - chosen for _, chosen, best in found]) < 0.03
