"""QUAK: one model a prior, all of simulation, and the plane of their losses."""

from __future__ import annotations

import logging

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier

from overdensity.core import ConfigError, InputError
from overdensity.ml import (
    Folding,
    Sample,
    Window,
    cross_fit,
    load_method,
    make_method,
    performance,
)
from overdensity.ml.anomaly.priors.quak import Quak
from overdensity.ml.contract import toy_sample
from overdensity.ml.decorrelation.decorrelated import decorrelated
from overdensity.ml.toy_events import toy_events

logger = logging.getLogger("overdensity.tests")
FAST = dict(Quak.fast) | {
    "flows": 0,
    "training": {"epochs": 3, "batch": 200, "learning_rate": 1e-2},
}


def written(sample, path, mass="mjj"):
    columns = dict(zip(sample.names, sample.features.T, strict=True))
    pq.write_table(pa.table({mass: sample.mass, **columns}), path)
    return str(path)


@pytest.fixture(scope="module")
def prior(tmp_path_factory):
    """Signal of the toy, heavier jets and all."""
    signal = toy_events(0, 1000, seed=8)
    return written(signal, tmp_path_factory.mktemp("prior") / "two_prong.parquet")


@pytest.fixture(scope="module")
def fitted(prior, sample, simulation, window):
    method = make_method("quak", priors=[prior], **FAST)
    return method.fit(sample.without_label(), window, simulation=simulation, seed=1)


def test_there_is_a_loss_for_each_prior(fitted, sample):
    losses = fitted.losses(sample)
    assert losses.shape == (len(sample), 2)
    signal = sample.label == 1
    assert np.median(losses[signal, 1]) < np.median(losses[~signal, 1])
    np.testing.assert_allclose(fitted.score(sample), np.log(losses[:, 0] / losses[:, 1]), rtol=1e-4)


def test_without_a_signal_prior_the_score_is_the_loss_of_the_background(sample, simulation, window):
    method = make_method("quak", **FAST).fit(sample, window, simulation=simulation, seed=1)
    np.testing.assert_allclose(method.score(sample), np.log(method.losses(sample)[:, 0]), rtol=1e-5)


def test_a_prior_finds_a_signal_among_the_background(fitted, prior, sample, simulation, window):
    alone = make_method("quak", **FAST).fit(sample, window, simulation=simulation, seed=1)
    one, two = (performance(m.score(sample), sample.label).auc for m in (alone, fitted))
    assert two > one + 0.05
    assert two > 0.9


def test_the_nearest_of_several_priors_counts(prior, sample, simulation, window, tmp_path):
    other = written(toy_events(1000, 0, seed=9), tmp_path / "other.parquet")
    method = make_method("quak", priors=[prior, other], **FAST)
    method.fit(sample, window, simulation=simulation, seed=1)
    losses = np.log(method.losses(sample))
    np.testing.assert_allclose(
        method.score(sample), losses[:, 0] - losses[:, 1:].min(axis=1), rtol=1e-4, atol=1e-6
    )


def test_densities_in_the_plane_are_kept_with_the_method(
    prior, sample, simulation, window, tmp_path
):
    method = make_method("quak", priors=[prior], score="density", points=200, **FAST)
    method.fit(sample, window, simulation=simulation, seed=1)
    some = sample.take(np.arange(300))
    assert performance(method.score(sample), sample.label).auc > 0.9
    loaded = load_method(method.save(tmp_path / "quak.npz"))
    np.testing.assert_array_equal(loaded.score(some), method.score(some))


def test_all_folds_have_the_same_model(sample, simulation, window):
    folding = Folding(seed=1, folds=2, scheme="all")
    method = make_method("quak", **FAST)
    scores = cross_fit(method, sample, window, folding, simulation=simulation)
    seed = folding.training_seed(0)
    by_id = simulation.take(np.argsort(simulation.event))
    whole = method.fit(sample, window, simulation=by_id.without_label(), seed=seed)
    np.testing.assert_allclose(scores, whole.score(sample), rtol=1e-5)


def test_events_of_the_data_are_not_learnt_even_if_they_are_simulated(window):
    sample = toy_sample(signal=0)
    with pytest.raises(InputError, match="none of 0 simulated events"):
        cross_fit(
            make_method("quak", **FAST), sample, window, Folding(seed=1, folds=3), simulation=sample
        )


def test_without_signal_there_is_no_excess(excess_of, without_signal, simulation, prior):
    method = make_method("quak", priors=[prior], **FAST)
    assert abs(excess_of(method, without_signal, simulation=simulation)) < 3


def test_no_simulation_of_the_background_is_refused(sample, window):
    with pytest.raises(ConfigError, match="method 'quak' needs simulated events"):
        make_method("quak").fit(sample, window, seed=1)


def test_no_simulation_of_a_prior_is_refused(sample, simulation, window, tmp_path):
    method = make_method("quak", priors=[str(tmp_path / "none.parquet")], **FAST)
    with pytest.raises(
        InputError, match=r"'quak', a simulated signal: .*none\.parquet: no such file"
    ):
        method.fit(sample, window, simulation=simulation, seed=1)


def test_a_prior_needs_no_mass_of_any_name(fitted, sample, simulation, window, tmp_path):
    three_jets = written(toy_events(0, 1000, seed=8), tmp_path / "prior.parquet", mass="m3j")
    method = make_method("quak", priors=[three_jets], **FAST)
    method.fit(sample.without_label(), window, simulation=simulation, seed=1)
    np.testing.assert_array_equal(method.losses(sample), fitted.losses(sample))


def test_a_combination_learns_the_files_of_its_methods(prior):
    method = make_method("combination", of=[{"name": "quak", "priors": [prior]}, "pca"])
    assert method.learnt_files == (prior,)
    assert make_method("pca").learnt_files == ()


def test_features_of_a_prior_cannot_be_decorrelated(prior, sample):
    with pytest.raises(
        ConfigError, match=r"'quak' learns from .*two_prong\.parquet, whose events no"
    ):
        decorrelated(make_method("quak", priors=[prior]), sample.names[:1], among=sample.names)


def test_a_prior_of_few_events_or_other_features_is_refused(sample, simulation, window, tmp_path):
    few = written(toy_events(0, 20, seed=8), tmp_path / "few.parquet")
    with pytest.raises(InputError, match=r"20 simulated events of .*few\.parquet are too few"):
        make_method("quak", priors=[few], **FAST).fit(sample, window, simulation=simulation, seed=1)
    events = toy_events(0, 20, seed=8)
    one = Sample.from_arrays(events.mass, events.features[:, :1], events.names[:1])
    with pytest.raises(InputError, match=r"a simulated signal: .*j2_mass"):
        make_method("quak", priors=[written(one, tmp_path / "one.parquet")], **FAST).fit(
            sample, window, simulation=simulation, seed=1
        )


@pytest.mark.parametrize(("name", "value"), [("score", "plane"), ("latent", 0), ("points", 1)])
def test_values_that_cannot_be_used_are_refused(name, value):
    with pytest.raises(ConfigError, match=f"{name} = .*cannot be used"):
        make_method("quak", **{name: value})


@pytest.mark.slow(seconds=30)
def test_a_prior_of_two_prongs_helps_with_three(reference, tmp_path):
    names = [f"{jet}_{name}" for jet in ("j1", "j2") for name in ("mass", "tau21", "tau32", "n")]
    window = Window(3500.0, 3300.0, 3700.0, 2900.0, 4200.0)
    background = reference(slice(0, 30_000), slice(0, 0), names).without_label()
    two = reference(slice(0, 0), slice(0, 12_000), names).without_label()
    prior = written(two, tmp_path / "two_prong.parquet")
    method = make_method("quak", priors=[prior], score="density")
    method.fit(background, window, simulation=background, seed=1)
    without_masses = [i for i, name in enumerate(names) if not name.endswith("mass")]
    x = np.concatenate([background.features, two.features])[:, without_masses]
    y = np.repeat([0, 1], [len(background), len(two)])
    trees = HistGradientBoostingClassifier(random_state=1).fit(x, y)
    found = {}
    for kind in ("signal", "signal_3prong"):
        test = reference(slice(470_000, None), slice(12_000, 20_000), names, kind=kind)
        losses = np.log(method.losses(test))
        scores = {
            "1D": losses[:, 0],
            "ratio": losses[:, 0] - losses[:, 1],
            "density": method.score(test),
            "supervised": trees.predict_proba(test.features[:, without_masses])[:, 1],
        }
        for name, score in scores.items():
            signal = test.label == 1
            kept = (score[~signal] > np.quantile(score[signal], 0.7)).mean()
            found[kind, name] = (performance(score, test.label).auc, kept)
    logger.info("AUC, background at 30 %% of signal: %s", found)
    for kind in ("signal", "signal_3prong"):
        one = found[kind, "1D"][0]
        assert max(found[kind, name][0] for name in ("ratio", "density")) > one + 0.05
