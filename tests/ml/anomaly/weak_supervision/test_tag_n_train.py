"""Tag N' Train: who tags for whom, what both variants find beside their autoencoder, and nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from overdensity.core import ConfigError, InputError
from overdensity.ml import Sample, make_method, performance
from overdensity.ml.anomaly.weak_supervision.tag_n_train import TagNTrain
from overdensity.ml.contract import toy_sample

AUTOENCODER = {"members": 1, "nodes": [32, 32, 16, 8]} | {
    key: TagNTrain.fast[key] for key in ("epochs", "batch", "learning_rate", "device")
}


def search(signal: int, seed: int, background: int = 4000) -> Sample:
    """Three columns a jet that one hidden number decides, and a signal that lies beside its line."""
    rng = np.random.default_rng(seed)
    n = background + signal
    label = np.arange(n) >= background
    mass = np.where(label, rng.normal(3500, 80, n), 2600 + rng.exponential(700, n).clip(max=3400))
    x = rng.normal(size=(n, 2, 1)) * [1.0, -1.0, 1.0] + rng.normal(0, 0.4, (n, 2, 3))
    x[label] = rng.normal(0.5, 0.2, (signal, 2, 3))
    names = [f"j{jet}_{column}" for jet in (1, 2) for column in ("tau21", "tau32", "width")]
    return Sample.from_arrays(mass, x.reshape(n, 6), names, label=label)


@pytest.fixture(scope="module")
def auc_of(window):
    """The AUC in the signal region of events that a method has not learnt from."""

    def auc(name, **hyper):
        method, events = make_method(name, **hyper), search(150, seed=2)
        method.fit(method.shown(search(150, seed=1)), window, seed=1)
        inside = window.signal(events.mass)
        scores = method.score(method.shown(events))[inside]
        return performance(scores, events.label[inside], eps_b=(0.1,)).auc

    return auc


@pytest.fixture(scope="module")
def events() -> Sample:
    return toy_sample(background=3000, signal=200, outliers=True)


@pytest.fixture(scope="module")
def fitted(events, window):
    method = make_method("tag_n_train", **TagNTrain.fast)
    return method.fit(method.shown(events), window, seed=1)


def test_window_finds_more_than_tags_alone_and_both_more_than_the_autoencoder(auc_of):
    outliers = auc_of("autoencoder", **AUTOENCODER)
    anywhere = auc_of("tag_n_train", **TagNTrain.fast, resonant=False)
    resonant = auc_of("tag_n_train", **TagNTrain.fast)
    assert resonant > anywhere > outliers


def test_signal_with_jets_that_look_ordinary_to_the_autoencoder_ranks_below_background(window):
    learnt, scored = toy_sample(seed=1), toy_sample(seed=2)
    method = make_method("tag_n_train", **TagNTrain.fast)
    scores = method.fit(method.shown(learnt), window, seed=1).score(method.shown(scored))
    inside = window.signal(scored.mass)
    assert performance(scores[inside], scored.label[inside], eps_b=(0.1,)).auc < 0.5


@pytest.mark.parametrize("resonant", [True, False])
def test_nothing_is_found_where_nothing_is(resonant, excess_of):
    method = make_method("tag_n_train", **TagNTrain.fast, resonant=resonant)
    assert abs(excess_of(method, search(0, seed=3, background=8000))) < 3


def test_each_jet_is_scored_by_its_own_columns(fitted, events):
    other = events.features.copy()
    other[:, 3] = 0.3
    before, after = (
        fitted.jet_scores(fitted.shown(replace(events, features=x))).T
        for x in (events.features, other)
    )
    swapped = events.features[:, 0] > events.features[:, 1]  # then the second jet is the lighter
    np.testing.assert_array_equal(before[0][~swapped], after[0][~swapped])
    np.testing.assert_array_equal(before[1][swapped], after[1][swapped])
    assert (before[1] != after[1])[~swapped].mean() > 0.5


def test_order_of_the_jets_does_not_matter(fitted, events):
    swapped = replace(events, features=events.features[:, [1, 0, 3, 2]])
    np.testing.assert_array_equal(fitted.score(swapped), fitted.score(events))


def test_events_above_one_pass_both_cuts(fitted, events):
    scores = fitted.jet_scores(events)
    n = len(fitted._known)
    above = [
        n - np.searchsorted(known, jet, side="right") < 0.03 * (1 + n) - 1 + 1e-9
        for known, jet in zip(fitted._known.T, scores.T, strict=True)
    ]
    np.testing.assert_array_equal(fitted.score(events) >= 1, above[0] & above[1])


def test_default_networks_give_scores(events, window):
    networks = {"inner_folds": 2, "networks": {"epochs": 3, "patience": 3, "device": "cpu"}}
    fast = {key: value for key, value in TagNTrain.fast.items() if key != "classifier"}
    method = make_method("tag_n_train", **fast, classifier=networks)
    method.fit(method.shown(events), window, seed=1)
    assert np.isfinite(method.score(method.shown(events))).all()


def test_columns_of_one_jet_are_refused(events, window):
    one = replace(events, features=events.features[:, [0, 2]], names=("j1_mass", "j1_tau21"))
    method = make_method("tag_n_train", **TagNTrain.fast)
    with pytest.raises(InputError, match=r"needs columns of two jets.*found j1_mass, j1_tau21"):
        method.fit(method.shown(one), window, seed=1)


def test_too_few_signal_like_events_are_counted(events, window):
    method = make_method("tag_n_train", **TagNTrain.fast | {"min_events": 500})
    with pytest.raises(InputError, match="events in the signal-like sample"):
        method.fit(method.shown(events), window, seed=1)


def test_thin_windows_are_known_beforehand():
    assert make_method("tag_n_train").fewest_events == 3 * 40 / 0.1


@pytest.mark.parametrize(
    ("name", "value"),
    [("signal_like", [0.7]), ("signal_like", []), ("background_like", 0.0), ("cuts", [0.1])],
)
def test_values_that_cannot_be_used_are_refused(name, value):
    with pytest.raises(ConfigError, match=f"{name} = .*cannot be used"):
        make_method("tag_n_train", **{name: value})


IMAGES = {
    "min_events": 20,
    "signal_like": [0.2],
    "images": {"filters": [4, 4, 2], "latent": 3, "device": "cpu"}
    | {"training": {"epochs": 7, "batch": 50, "learning_rate": 5e-3}},
    "classifier": {
        "kind": "cnn",
        "inner_folds": 2,
        "members": 1,
        "cnn": {"filters": [6, 4, 4, 4], "dense": 8, "device": "cpu"}
        | {"training": {"epochs": 5, "batch": 50, "learning_rate": 1e-2}},
    },
}


@pytest.mark.slow(seconds=12)
@pytest.mark.parametrize("resonant", [True, False])
def test_on_images_it_finds_two_prongs_among_one_and_survives_its_arrays(resonant, window):
    learnt, scored = toy_sample(seed=1), toy_sample(seed=2)
    method = make_method("tag_n_train", **IMAGES, resonant=resonant)
    method.fit(method.shown(learnt), window, seed=1)
    shown = method.shown(scored)
    inside, scores = window.signal(scored.mass), method.score(shown)
    found = performance(scores[inside], scored.label[inside], eps_b=(0.01,))
    assert found.auc > 0.9
    assert found.sic[0].sic > 5
    again = make_method("tag_n_train", **IMAGES, resonant=resonant)
    again.restore(method.arrays())
    np.testing.assert_array_equal(again.score(shown), scores)


@pytest.mark.slow(seconds=12)
@pytest.mark.parametrize("resonant", [True, False])
def test_on_images_nothing_is_found_where_nothing_is(resonant, without_signal, excess_of):
    method = make_method("tag_n_train", **IMAGES, resonant=resonant)
    assert abs(excess_of(method, without_signal)) < 3


def test_images_of_two_jets_are_needed_and_a_classifier_that_reads_either(events, window):
    method = make_method("tag_n_train", **IMAGES)
    assert method.needs == ("images",)
    one = replace(events, blocks={"j1_image": events.blocks["j1_image"]})
    with pytest.raises(InputError, match=r"needs an image of two jets, .* found j1_image"):
        method.fit(method.shown(one), window, seed=1)
    with pytest.raises(ConfigError, match=r"'pfn' reads constituents; take one"):
        make_method("tag_n_train", classifier={"kind": "pfn"})
