"""What every registered method must do; a new one is tested by being registered."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from overdensity.core import InputError
from overdensity.ml import (
    Window,
    cross_fit,
    load_method,
    make_method,
    methods,
    performance,
    score_fold,
)

# Published hyperparameters are for real samples; these make a toy of 6000 events a matter of
# seconds. A method that is not named here is tested with its defaults.
FAST = {
    "cwola": {"events_per_leaf": 20},
    "cwola_networks": {
        "epochs": 15,
        "batch": 500,
        "width": 32,
        "restarts": 1,
        "patience": 20,
        "device": "cpu",
        "sort": True,
    },
    "gis": {"bin_events": 150, "layers": 25, "step": 0.1, "axis_events": 1000, "axis_steps": 5},
}
NAMES = [info.name for info in methods()]


@pytest.fixture(scope="module", params=NAMES)
def method(request):
    return make_method(request.param, **FAST.get(request.param, {}))


@pytest.fixture(scope="module")
def scores(method, sample, window):
    return cross_fit(method, sample, window, seed=5)


def first_fold(method, sample, window, seed=5):
    return score_fold(method, sample, window, 0, seed=seed)[1]


def test_one_finite_float32_score_an_event(scores, sample):
    assert scores.shape == (len(sample),)
    assert scores.dtype == np.float32
    assert np.isfinite(scores).all()


def test_same_seed_same_scores_and_another_seed_others(method, scores, sample, window):
    rows, again = score_fold(method, sample, window, 0, seed=5)
    np.testing.assert_array_equal(again, scores[rows])
    other_rows, other = score_fold(method, sample, window, 0, seed=6)
    both = np.intersect1d(rows, other_rows)
    assert np.any(scores[both] != other[np.searchsorted(other_rows, both)])


def test_scores_do_not_depend_on_the_order_of_events(method, sample, window):
    order = np.random.default_rng(0).permutation(len(sample))
    rows, straight = score_fold(method, sample, window, 0, seed=5)
    shuffled_rows, shuffled = score_fold(method, sample.take(order), window, 0, seed=5)
    by_event = dict(zip(sample.event[order][shuffled_rows].tolist(), shuffled, strict=True))
    np.testing.assert_allclose(
        [by_event[event] for event in sample.event[rows].tolist()], straight, rtol=1e-4, atol=1e-6
    )


def test_larger_is_more_anomalous(scores, sample, window):
    inside = window.signal(sample.mass)
    found = performance(scores[inside], sample.label[inside], eps_b=(0.01,))
    assert found.auc > 0.7
    assert found.sic[0].sic > 3


def test_truth_is_not_looked_at(method, scores, sample, window):
    if "labels" in method.needs:
        pytest.skip("declares that it needs the truth")
    lie = replace(sample, label=(1 - sample.label).astype(np.int8))
    rows, deceived = score_fold(method, lie, window, 0, seed=5)
    np.testing.assert_array_equal(deceived, scores[rows])


def test_fitted_method_survives_save_and_load(method, sample, window, tmp_path):
    fitted = type(method)(method.hyper).fit(sample.without_label(), window, seed=5)
    loaded = load_method(fitted.save(tmp_path / "fitted.npz"))
    assert loaded.hyper == method.hyper
    np.testing.assert_array_equal(loaded.score(sample), fitted.score(sample))


def test_too_few_events_in_a_region_are_refused(method, sample):
    empty_above = Window(6300.0, 6200.0, 6400.0, 5000.0, 6500.0)
    with pytest.raises(InputError, match=r"signal region leave 0 .*use more events"):
        first_fold(method, sample, empty_above)


def test_constant_feature_is_refused(method, sample, window):
    features = sample.features.copy()
    features[:, 2] = 0.5
    with pytest.raises(InputError, match=r"'j1_tau21' .*constant"):
        first_fold(method, replace(sample, features=features), window)


def test_other_features_than_fitted_are_refused(method, sample, window):
    fitted = type(method)(method.hyper).fit(sample.without_label(), window, seed=5)
    other = replace(sample, names=("j1_mass", "j2_mass", "j1_tau32", "j2_tau32"))
    with pytest.raises(InputError, match="j1_tau32"):
        fitted.score(other)


def test_method_that_was_not_fitted_says_so(method, sample):
    with pytest.raises(InputError, match="learnt nothing yet"):
        type(method)(method.hyper).score(sample)
