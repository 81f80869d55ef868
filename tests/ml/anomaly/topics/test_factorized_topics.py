"""Factorized topics: a mixture of products is taken apart, and the pair that is no background is the signal."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from overdensity.core import ConfigError, InputError
from overdensity.ml import Sample, Window, make_method, performance
from overdensity.ml.anomaly.topics.factorized_topics import FactorizedTopicsHyper, factorize
from overdensity.ml.contract import toy_sample

FAST = {"bins": 40, "restarts": 10, "iterations": 400}


@pytest.fixture(scope="module")
def fitted(sample, window):
    return make_method("factorized_topics", **FAST).fit(sample.without_label(), window, seed=1)


def mixture(pairs):
    """Return shapes, each alone in some bins (else they are not unique), and the histogram of their pairs."""
    bins = np.arange(12)
    background = np.where((bins == 3) | (bins == 8), 0.0, np.exp(-bins / 4.0))
    shapes = np.stack([background, np.abs(bins - 3) <= 1, np.abs(bins - 8) <= 1], axis=1)
    shapes = shapes / shapes.sum(axis=0)
    return shapes, shapes @ np.array(pairs) @ shapes.T


def test_a_mixture_of_products_is_found_again():
    pairs = np.array([[0.8, 0.0, 0.0], [0.0, 0.0, 0.1], [0.0, 0.1, 0.0]])
    shapes, expected = mixture(pairs)
    found = factorize(1e5 * expected, FactorizedTopicsHyper(tolerance=1e-4), seed=1)
    np.testing.assert_allclose(found.shapes @ found.pairs @ found.shapes.T, expected, atol=1e-5)
    order = [int(found.pairs.diagonal().argmax())]
    order += sorted({0, 1, 2} - set(order), key=lambda k: int(found.shapes[:, k].argmax()))
    np.testing.assert_allclose(found.pairs[np.ix_(order, order)], pairs, atol=0.02)
    np.testing.assert_allclose(found.shapes[:, order], shapes, atol=0.02)


def test_shapes_and_pairs_add_up_to_one_and_the_best_restart_is_kept():
    _, expected = mixture([[0.7, 0.05, 0.05], [0.05, 0.02, 0.03], [0.05, 0.03, 0.02]])
    counts = np.random.default_rng(0).poisson(2000 * expected)
    found = factorize((counts + counts.T) / 2, FactorizedTopicsHyper(iterations=200), seed=1)
    np.testing.assert_allclose(found.shapes.sum(axis=0), 1.0)
    assert found.pairs.sum() == pytest.approx(1.0)
    np.testing.assert_array_equal(found.pairs, found.pairs.T)
    assert found.gains.max() == 0.0
    assert len(np.unique(found.gains)) > 1


def test_more_iterations_never_lower_the_likelihood():
    _, expected = mixture([[0.7, 0.05, 0.05], [0.05, 0.02, 0.03], [0.05, 0.03, 0.02]])
    counts = np.random.default_rng(0).poisson(2000 * expected)
    counts = (counts + counts.T) / 2

    def likelihood(iterations):
        hyper = FactorizedTopicsHyper(iterations=iterations, restarts=1)
        shapes, pairs, _ = factorize(counts, hyper, seed=1)
        model = shapes @ pairs @ shapes.T
        return (counts * np.log(np.maximum(model, 1e-300))).sum()

    found = [likelihood(n) for n in (1, 3, 10, 30, 90)]
    assert found == sorted(found)


def test_both_daughter_masses_are_found(fitted):
    lighter, heavier = fitted.daughters  # GeV; those of the toy are 100 and 500
    assert lighter == pytest.approx(100.0, rel=0.05)
    assert heavier == pytest.approx(500.0, rel=0.05)


def test_daughters_of_one_mass_are_found_twice(window):
    sample = toy_sample(seed=2)
    features, signal = sample.features.copy(), sample.label == 1
    features[signal, :2] = np.random.default_rng(0).normal(500.0, 15.0, (signal.sum(), 2))
    method = make_method("factorized_topics", topics=2, **FAST)
    found = method.fit(replace(sample, features=features, label=None), window, seed=1).daughters
    assert found == pytest.approx((500.0, 500.0), rel=0.05)


def test_which_jet_comes_first_does_not_matter(fitted, sample):
    swapped = replace(sample, features=sample.features[:, [1, 0, 3, 2]])
    np.testing.assert_allclose(fitted.score(swapped), fitted.score(sample), rtol=1e-5)


def test_published_score_is_the_ratio_of_equation_5_9(sample, window):
    method = make_method("factorized_topics", against="background", **FAST)
    method.fit(sample.without_label(), window, seed=1)
    centers = [90.0, 510.0]  # of the bins 4 and 25 of 20 GeV
    event = Sample.from_arrays([3500.0], [[*centers, 0.2, 0.2]], sample.names)
    learnt = method.arrays()
    pairs, jets = learnt["pairs"], learnt["jets"][:, None]
    share = pairs.sum(axis=0)  # ten jets like all others are added to the share of each topic
    shapes = (jets.sum() * share * learnt["shapes"] + 10 * jets / jets.sum()) / (
        jets.sum() * share + 10
    )
    background = int(pairs.diagonal().argmax())
    x, y = (k for k in range(3) if k != background)
    b = shapes[:, background]
    expected = pairs[x, y] * (shapes[4, x] * shapes[25, y] + shapes[4, y] * shapes[25, x])
    expected /= pairs[background, background] * b[4] * b[25]
    assert method.score(event)[0] == pytest.approx(np.log(expected), rel=1e-3)


def test_without_signal_there_is_no_excess(excess_of, without_signal):
    assert abs(excess_of(make_method("factorized_topics", **FAST), without_signal)) < 3


def test_with_signal_there_is_one(excess_of, sample):
    assert excess_of(make_method("factorized_topics", **FAST), sample) > 5


def test_fewer_events_than_topics_are_refused(sample, window):
    few = sample.without_label().take(np.flatnonzero(window.signal(sample.mass))[:2])
    with pytest.raises(
        InputError, match=r"2 events in the signal region .* 3 are needed for 3 top"
    ):
        make_method("factorized_topics", min_events=1).fit(few, window, seed=1)


def test_one_feature_of_one_jet_is_refused(sample, window):
    one = replace(sample, features=sample.features[:, :1], names=("j1_mass",))
    with pytest.raises(
        InputError, match="two jets; there is no j2_mass among the features j1_mass"
    ):
        make_method("factorized_topics").fit(one, window, seed=1)


@pytest.mark.parametrize(
    ("name", "value"), [("topics", 1), ("bins", 3), ("region", "here"), ("restarts", 0)]
)
def test_values_that_cannot_be_used_are_refused(name, value):
    with pytest.raises(ConfigError, match=f"{name} = .*cannot be used"):
        make_method("factorized_topics", **{name: value})


@pytest.mark.slow(seconds=6)
@pytest.mark.parametrize(("n_signal", "least"), [(20_000, 0.87), (2000, 0.80)])
def test_reference_signal_of_ten_and_of_one_percent_is_found(n_signal, least, reference):
    features, window = ("j1_mass", "j2_mass"), Window(3500.0, 3300.0, 3700.0, 2900.0, 4200.0)
    data = reference(slice(0, 200_000 - n_signal), slice(0, n_signal), features)
    test = reference(slice(400_000, None), slice(30_000, None), features)
    method = make_method("factorized_topics").fit(data.without_label(), window, seed=1)
    assert performance(method.score(test), test.label).auc > least
    assert method.daughters == pytest.approx((100.0, 500.0), rel=0.05)
