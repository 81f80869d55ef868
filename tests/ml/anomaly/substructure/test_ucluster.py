"""UCluster as a method: the cluster of two-prong events is found by its peak, and none without them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from overdensity.core import ConfigError, InputError
from overdensity.ml import Window, make_method
from overdensity.ml.anomaly.substructure.ucluster import UCluster, excesses
from overdensity.ml.contract import TOY_WINDOW, toy_sample


@pytest.fixture(scope="module")
def sample():
    return toy_sample().take(np.arange(3000))


@pytest.fixture(scope="module")
def fitted(sample):
    method = make_method("ucluster", **UCluster.fast)
    return method.fit(method.shown(sample), TOY_WINDOW, seed=1)


def test_the_cluster_of_the_signal_comes_first(fitted, sample):
    cluster = fitted.cluster_of(sample)
    chosen = cluster == fitted.excess.argmax()
    assert sample.label[chosen].mean() > 0.8
    assert chosen[sample.label == 1].mean() > 0.7
    np.testing.assert_array_equal(chosen, fitted.score(sample) >= fitted.hyper.clusters - 1)
    assert fitted.p_value < 1e-6


def test_without_signal_no_cluster_peaks_and_clusters_do_not_know_the_mass(sample):
    background = sample.take(sample.label == 0)
    method = make_method("ucluster", **UCluster.fast)
    fitted = method.fit(method.shown(background), TOY_WINDOW, seed=1)
    assert fitted.p_value > 0.01
    cluster, mass = fitted.cluster_of(background), background.mass
    for each in np.unique(cluster):
        some = mass[cluster == each]
        assert abs(some.mean() - mass.mean()) < 5 * mass.std() / np.sqrt(len(some))


def test_within_a_cluster_the_nearest_to_the_centroid_comes_first(fitted, sample):
    cluster, scores = fitted.cluster_of(sample), fitted.score(sample)
    distance = fitted._nearest(sample)[1]
    mine = cluster == np.bincount(cluster).argmax()
    order = np.argsort(distance[mine], kind="stable")
    assert (np.diff(scores[mine][order]) <= 1e-6).all()


def test_excess_is_none_where_each_cluster_falls_by_its_own_power():
    # N_k(m) = a_k m^-g_k in regions of equal width in ln m
    masses = np.array([2.0, 3.0, 4.5])
    counts = np.array([1e6, 3e5]) * masses[:, None] ** -np.array([2.0, 2.1])
    assert np.abs(excesses(*counts)).max() < 1.0


def test_excess_is_counted_in_standard_deviations():
    rng = np.random.default_rng(0)
    toys = rng.poisson(np.array([400.0, 300.0, 225.0])[:, None, None], (3, 500, 30))
    found = np.stack([excesses(*toys[:, i]) for i in range(500)])
    assert abs(found.mean()) < 0.05
    assert found.std() == pytest.approx(1.0, abs=0.04)


def test_a_window_with_few_events_is_refused(sample):
    method = make_method("ucluster", **UCluster.fast)
    empty = Window(6300.0, 6200.0, 6400.0, 5000.0, 6500.0)
    with pytest.raises(InputError, match="0 events in the signal region, and 100 are"):
        method.fit(replace(sample, mass=sample.mass.clip(max=6100.0)), empty, seed=1)


def test_hyperparameters_that_cannot_be_used_are_refused():
    for hyper in ({"clusters": 1}, {"beta": 0.0}, {"phi": ()}, {"heaviest": 0.0}):
        with pytest.raises(ConfigError, match=f"{next(iter(hyper))} = .* cannot be used"):
            make_method("ucluster", **hyper)
