"""GAN-AE: what it learns, and that its error does not follow the mass where it is told so."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from overdensity.core import ConfigError
from overdensity.ml import make_method
from overdensity.ml.anomaly.outliers.gan_ae import GanAe
from overdensity.ml.contract import toy_sample
from overdensity.ml.losses.distance_correlation import distance_correlation


@pytest.fixture(scope="module")
def events():
    return toy_sample(background=1500, signal=0).without_label()


@pytest.fixture(scope="module")
def fitted(events, window):
    return make_method("gan_ae", **GanAe.fast).fit(events, window, seed=1)


def test_default_is_the_published_one():
    hyper = GanAe.Hyper()
    assert (hyper.nodes, hyper.judge) == ((30, 20, 10), (150, 100, 50))
    assert (hyper.distance, hyper.decorrelation, hyper.turns) == (0.2, 0.3, (10, 4))


def test_score_is_the_distance_in_units_of_the_ranges_of_training(events, fitted):
    x = (events.features - events.features.min(axis=0)) / np.ptp(events.features, axis=0)
    with torch.no_grad():
        rebuilt = fitted._network(torch.as_tensor(x)).numpy()
    expected = np.linalg.norm(rebuilt - x, axis=1)
    np.testing.assert_allclose(fitted.score(events), expected, rtol=1e-4)


def test_scale_is_that_of_training_whatever_is_scored(events, fitted):
    part = events.take(np.arange(10))
    np.testing.assert_allclose(fitted.score(part), fitted.score(events)[:10], rtol=1e-5)


def test_error_forgets_the_mass(events, window):
    follows = events.features.copy()
    follows[:, 2] = events.mass * np.random.default_rng(0).choice([-1, 1], len(events))
    data = replace(events, features=follows)
    found = []
    for strength in (0.0, 20.0):
        method = make_method("gan_ae", **GanAe.fast | {"decorrelation": strength})
        scores = torch.as_tensor(method.fit(data, window, seed=1).score(data))
        found.append(float(distance_correlation(scores, torch.as_tensor(data.mass))))
    assert found[1] < 0.5 * found[0]


@pytest.mark.parametrize(
    ("name", "value"), [("nodes", []), ("dropout", 1.0), ("turns", [0, 4]), ("decorrelation", -1)]
)
def test_values_that_cannot_be_used_are_refused(name, value):
    with pytest.raises(ConfigError, match=f"{name} = .*cannot be used"):
        make_method("gan_ae", **{name: value})
