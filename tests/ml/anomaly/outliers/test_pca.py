"""Principal components against scikit-learn, and what they cannot do."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.decomposition import PCA

from overdensity.core import ConfigError
from overdensity.ml import Sample, make_method


@pytest.fixture(scope="module")
def five():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(500, 2)) @ rng.normal(size=(2, 5)) + 0.1 * rng.normal(size=(500, 5))
    return Sample.from_arrays(rng.uniform(2900, 4200, 500), x, list("abcde"))


def test_errors_are_those_of_scikit_learn(five, window):
    x = (five.features - five.features.mean(axis=0)) / five.features.std(axis=0)
    reference = PCA(2).fit(x)
    left = x - reference.inverse_transform(reference.transform(x))
    method = make_method("pca", components=2).fit(five, window, seed=1)
    np.testing.assert_allclose(
        method.score(five), np.square(left).mean(axis=1), rtol=1e-3, atol=1e-6
    )


def test_two_components_leave_only_the_noise_of_two_hidden_numbers(five, window):
    one, two = (
        make_method("pca", components=k).fit(five, window, seed=1).score(five).mean()
        for k in (1, 2)
    )
    assert two < 0.05 < one  # the variance is 1


def test_as_many_components_as_features_are_refused(sample, window):
    with pytest.raises(ConfigError, match="2 components of 2 features a jet"):
        make_method("pca", components=2).fit(sample.without_label(), window, seed=1)
