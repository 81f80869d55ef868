from __future__ import annotations

import numpy as np
import pytest

from overdensity.core import InputError
from overdensity.ml.flows.preprocessing import Preprocessing


def events(n=2000):
    rng = np.random.default_rng(0)
    return np.c_[rng.gamma(2, 100, n), rng.random(n), rng.normal(size=n)]


def test_preprocessed_features_have_mean_zero_and_width_one():
    z, _ = Preprocessing.fit(events()).forward(events())
    np.testing.assert_allclose(z.mean(axis=0), 0, atol=1e-10)
    np.testing.assert_allclose(z.std(axis=0), 1, atol=1e-10)


def test_inverse_returns_the_features():
    learnt = Preprocessing.fit(events())
    np.testing.assert_allclose(learnt.inverse(learnt.forward(events())[0]), events(), rtol=1e-9)


def test_log_jacobian_is_that_of_finite_differences():
    learnt = Preprocessing.fit(events())
    inner = events()[:50] * [1, 0.9, 0.9] + [1, 0.05, 0]
    step = 1e-6 * (learnt.high - learnt.low)
    slope = (learnt.forward(inner + step)[0] - learnt.forward(inner - step)[0]) / (2 * step)
    np.testing.assert_allclose(learnt.forward(inner)[1], np.log(slope).sum(axis=1), rtol=1e-5)


def test_density_of_a_uniform_feature_is_one_over_its_range():
    x = np.linspace(0, 10, 100_001)[:, None]
    learnt = Preprocessing.fit(x)
    u = np.linspace(0.001, 0.999, 1001)
    logistic = np.log(u) - np.log1p(-u)  # p(logit) = u (1 - u) for a uniform u
    z, log_jacobian = learnt.forward(learnt.low + u[:, None] * (learnt.high - learnt.low))
    np.testing.assert_allclose(z[:, 0] * learnt.std + learnt.mean, logistic, atol=1e-8)
    density = u * (1 - u) * learnt.std * np.exp(log_jacobian)
    np.testing.assert_allclose(density, 1 / 10.02, rtol=1e-6)


def test_outside_of_the_range_density_is_zero_and_values_are_those_of_the_edge():
    learnt = Preprocessing.fit(events())
    smallest, largest = events().min(axis=0), events().max(axis=0)
    beyond = np.stack([smallest, largest, smallest - 1e3, largest + 1e3])
    z, log_jacobian = learnt.forward(beyond)
    assert learnt.inside(beyond).tolist() == [True, True, False, False]
    assert np.isfinite(log_jacobian).tolist() == [True, True, False, False]
    assert np.all(log_jacobian[2:] == -np.inf)
    np.testing.assert_allclose(z[2:], z[:2], rtol=1e-6)


def test_identity_columns_are_left_as_they_are():
    learnt = Preprocessing.fit(events(), identity=[2])
    far = events() + np.array([0, 0, 100])
    z, log_jacobian = learnt.forward(far)
    np.testing.assert_array_equal(z[:, 2], far[:, 2])
    expected = Preprocessing.fit(events()[:, :2]).forward(events()[:, :2])[1]
    np.testing.assert_allclose(log_jacobian, expected, rtol=1e-12)
    np.testing.assert_allclose(learnt.inverse(z), far, rtol=1e-9)


def test_input_is_not_changed():
    x = events()
    learnt = Preprocessing.fit(x)
    learnt.inverse(learnt.forward(x)[0])
    np.testing.assert_array_equal(x, events())


def test_arrays_give_the_same_preprocessing():
    learnt = Preprocessing.fit(events(), identity=[1])
    again = Preprocessing.from_arrays(learnt.arrays())
    for a, b in zip(learnt.forward(events()), again.forward(events()), strict=True):
        np.testing.assert_array_equal(a, b)


def test_constant_features_nan_and_no_events_are_refused():
    constant, broken = events(), events()
    constant[:, 1] = 3.0
    broken[5, 2] = np.nan
    with pytest.raises(InputError, match="feature 1 lies between 3 and 3"):
        Preprocessing.fit(constant)
    with pytest.raises(InputError, match="feature 2 lies between nan"):
        Preprocessing.fit(broken)
    with pytest.raises(InputError, match=r"found \(0, 3\)"):
        Preprocessing.fit(events()[:0])
