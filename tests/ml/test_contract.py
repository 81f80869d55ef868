"""What every registered method must do; a new one is tested by being registered."""

from __future__ import annotations

from dataclasses import fields, replace

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
    "autoencoder": {"members": 3, "device": "cpu"},
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
_NETWORKS = {"width": 16, "epochs": 3, "patience": 3, "batch": 500, "device": "cpu"}
_TREES = {"inner_folds": 2, "members": 1, "trees": {"events_per_leaf": 20, "leaves": 8}}
FAST |= {
    "idealised": {"classifier": _TREES},
    "parametrised": {"classifier": _TREES, "masses": (3500.0, 4200.0)},
    "sa_cwola": {"epochs": 6, "batch": 200, "width": 32, "networks": 1, "device": "cpu"},
    "sa_cwola_weights": {"classifier": _TREES, "transfer": _TREES},
    "salad": {
        "classifier": _TREES,
        "reweighting": {"inner_folds": 2, "members": 1, "networks": _NETWORKS},
    },
    "supervised": {"classifier": _TREES},
}
# They look for outliers, not for over-densities: their signal must lie where background does not.
OUTLIERS = {"autoencoder", "mflow", "pca"}
FLOW = {
    "family": "maf",
    "layers": 2,
    "width": 16,
    "depth": 1,
    "epochs": 6,
    "batch": 256,
    "learning_rate": 2e-2,
    "average": 1,
}
SAMPLES = {
    "flow": FLOW,
    "oversampling": 2.0,
    "classifier": {"inner_folds": 2, "members": 1, "trees": {"iterations": 20}},
}
FAST |= {
    "anode": {"flow": FLOW, "inner": FLOW | {"epochs": 16, "batch": 128}},
    "cathode": SAMPLES,
    "lacathode": SAMPLES,
    "mflow": {"flow": FLOW | {"epochs": 4, "batch": 512, "keep": "last"}, "device": "cpu"},
}
NAMES = [info.name for info in methods()]


@pytest.fixture(scope="module", params=NAMES)
def method(request):
    return make_method(request.param, **FAST.get(request.param, {}))


@pytest.fixture(scope="module")
def sample(method, sample):
    """The toy; for a method of several signal masses with a second one, at 4.2 TeV."""
    if "masses" not in {field.name for field in fields(method.hyper)}:
        return sample
    rng = np.random.default_rng(0)
    signal = np.flatnonzero(sample.label == 1)
    second = rng.choice(np.flatnonzero(sample.label == 0), len(signal), replace=False)
    mass, features, label = sample.mass.copy(), sample.features.copy(), sample.label.copy()
    mass[second], features[second] = mass[signal] + 700.0, features[signal]
    label[second] = 2
    return replace(sample, mass=mass, features=features, label=label)


@pytest.fixture(scope="module")
def scores(method, sample, simulation, window):
    return cross_fit(method, sample, window, seed=5, simulation=simulation)


@pytest.fixture(scope="module")
def fitted(method, sample, simulation, window):
    shown = sample if "labels" in method.needs else sample.without_label()
    return type(method)(method.hyper).fit(shown, window, simulation=simulation, seed=5)


@pytest.fixture
def first_fold(method, simulation):
    def score(sample, window, seed=5, simulation=simulation):
        return score_fold(method, sample, window, 0, seed=seed, simulation=simulation)

    return score


def test_one_finite_float32_score_an_event(scores, sample):
    assert scores.shape == (len(sample),)
    assert scores.dtype == np.float32
    assert np.isfinite(scores).all()


def test_same_seed_same_scores_and_another_seed_others(first_fold, scores, sample, window):
    rows, again = first_fold(sample, window)
    np.testing.assert_array_equal(again, scores[rows])
    other_rows, other = first_fold(sample, window, seed=6)
    both = np.intersect1d(rows, other_rows)
    assert np.any(scores[both] != other[np.searchsorted(other_rows, both)])


def test_scores_do_not_depend_on_the_order_of_events(first_fold, sample, window):
    order = np.random.default_rng(0).permutation(len(sample))
    rows, straight = first_fold(sample, window)
    shuffled_rows, shuffled = first_fold(sample.take(order), window)
    by_event = dict(zip(sample.event[order][shuffled_rows].tolist(), shuffled, strict=True))
    np.testing.assert_allclose(
        [by_event[event] for event in sample.event[rows].tolist()], straight, rtol=1e-4, atol=1e-6
    )


def test_larger_is_more_anomalous(method, scores, sample, window):
    if method.name in OUTLIERS:
        features = sample.features.copy()
        signal = np.flatnonzero(sample.label == 1)
        scattered = np.random.default_rng(0).normal(size=(len(signal), features.shape[1]))
        features[signal] = features.mean(axis=0) + 5 * features.std(axis=0) * scattered
        sample = replace(sample, features=features)
        scores = cross_fit(method, sample, window, seed=5)
    inside = window.signal(sample.mass)
    found = performance(scores[inside], sample.label[inside], eps_b=(0.01,))
    assert found.auc > 0.7
    assert found.sic[0].sic > 3


def test_truth_is_not_looked_at(method, first_fold, scores, sample, window):
    if "labels" in method.needs:
        pytest.skip("declares that it needs the truth")
    lie = replace(sample, label=(1 - sample.label).astype(np.int8))
    rows, deceived = first_fold(lie, window)
    np.testing.assert_array_equal(deceived, scores[rows])


def test_fitted_method_survives_save_and_load(method, fitted, sample, tmp_path):
    loaded = load_method(fitted.save(tmp_path / "fitted.npz"))
    assert loaded.hyper == method.hyper
    np.testing.assert_array_equal(loaded.score(sample), fitted.score(sample))


def test_too_few_events_in_a_region_are_refused(first_fold, sample, simulation):
    empty_above = Window(6300.0, 6200.0, 6400.0, 5000.0, 6500.0)
    above = replace(simulation, mass=1.06 * simulation.mass)
    with pytest.raises(InputError, match=r"0 events in the signal region.*use more events"):
        first_fold(sample, empty_above, simulation=above)


def test_constant_feature_is_refused(first_fold, sample, simulation, window):
    features, of_simulation = sample.features.copy(), simulation.features.copy()
    features[:, 2] = of_simulation[:, 2] = 0.5
    with pytest.raises(InputError, match=r"'j1_tau21' .*constant"):
        first_fold(
            replace(sample, features=features),
            window,
            simulation=replace(simulation, features=of_simulation),
        )


def test_feature_that_is_a_function_of_the_mass_is_refused(first_fold, sample, window):
    features = sample.features.copy()
    features[:, 2] = (sample.mass - 3500.0) ** 2
    with pytest.raises(InputError, match=r"'j1_tau21' is a function of the mass"):
        first_fold(replace(sample, features=features), window)


def test_signal_region_without_simulation_is_refused(
    method, first_fold, sample, simulation, window
):
    if "simulation" not in method.needs:
        pytest.skip("needs no simulation")
    beside = simulation.take(~window.signal(simulation.mass))
    with pytest.raises(InputError, match=r"none of .* simulated events lies in the signal region"):
        first_fold(sample, window, simulation=beside)


def test_other_features_than_fitted_are_refused(fitted, sample):
    other = replace(sample, names=("j1_mass", "j2_mass", "j1_tau32", "j2_tau32"))
    with pytest.raises(InputError, match="j1_tau32"):
        fitted.score(other)


def test_method_that_was_not_fitted_says_so(method, sample):
    with pytest.raises(InputError, match="learnt nothing yet"):
        type(method)(method.hyper).score(sample)
