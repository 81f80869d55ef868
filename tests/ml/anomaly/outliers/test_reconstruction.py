"""Outlier detectors: what each model sees, and how the errors of the jets make one score."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from overdensity.core import ConfigError
from overdensity.ml import Sample, make_method
from overdensity.ml.anomaly.outliers.reconstruction import jet_columns


@pytest.fixture(scope="module", params=["autoencoder", "pca"])
def make(request):
    small = {"autoencoder": {"members": 2, "device": "cpu"}, "pca": {}}[request.param]
    return lambda **hyper: make_method(request.param, **small, **hyper)


def test_models_see_their_own_jet_and_what_belongs_to_none():
    names = ["j1_mass", "ht", "j2_mass", "j10_mass"]
    assert jet_columns(names) == {"j1": [0, 1], "j2": [1, 2], "j10": [1, 3]}
    assert list(jet_columns(names)) == ["j1", "j2", "j10"]


def test_without_jets_one_model_sees_the_event():
    assert jet_columns(["mJ1", "dmJ", "tau21_1"]) == {"event": [0, 1, 2]}


def test_first_error_is_that_of_the_lighter_jet(make, sample, window):
    method = make().fit(sample.without_label(), window, seed=1)
    swapped = replace(sample, features=sample.features[:, [1, 0, 3, 2]])
    np.testing.assert_array_equal(method.errors(sample), method.errors(swapped))


def test_score_is_the_mean_of_the_jets_errors(make, sample, window):
    method = make().fit(sample.without_label(), window, seed=1)
    np.testing.assert_allclose(method.score(sample), method.errors(sample).mean(axis=1), rtol=1e-6)


def test_score_of_one_is_the_simultaneous_cut(make, sample, window):
    method = make(combine="cuts", cuts=[0.2, 0.8])
    method.fit(sample.without_label(), window, seed=1)
    errors = method.errors(sample)
    light, heavy = (np.quantile(errors[:, i], 1 - cut) for i, cut in enumerate((0.2, 0.8)))
    both = (errors[:, 0] > light) & (errors[:, 1] > heavy)
    differ = np.count_nonzero((method.score(sample) >= 1) != both)
    assert differ <= 4  # of 6300: events on the edge of a quantile


def test_window_does_not_matter(make, sample, window):
    method = make().fit(sample.without_label(), window, seed=1)
    other = replace(window, center=3000.0, low=2900.0, high=3100.0)
    again = make().fit(sample.without_label(), other, seed=1)
    np.testing.assert_array_equal(method.score(sample), again.score(sample))


def test_more_jets_than_cuts_are_refused(make, window):
    rng = np.random.default_rng(0)
    names = ["j1_mass", "j2_mass", "j3_mass"]
    three = Sample.from_arrays(rng.uniform(2800, 4400, 500), rng.random((500, 3)), names)
    method = make(combine="cuts")
    with pytest.raises(ConfigError, match=r"a cut for each of j1, j2, j3, found cuts"):
        method.fit(three, window, seed=1)
