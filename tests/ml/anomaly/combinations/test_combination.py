"""Combined scores: what a rank is, what a score that follows the mass weighs, and what they find."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import expon, kstest

from overdensity.core import ConfigError, InputError
from overdensity.ml import Sample, make_method, performance
from overdensity.ml.anomaly.combinations.combination import sideband_weights, surprise
from overdensity.ml.contract import toy_sample

RULES = ("rank_average", "fisher", "maximum", "sideband_weighted")


@pytest.fixture(scope="module")
def events() -> Sample:
    return toy_sample(outliers=True)


def test_surprise_of_independent_events_is_exponential_whatever_the_score():
    rng = np.random.default_rng(1)
    ranks, scores = np.sort(rng.lognormal(size=20_000)), rng.lognormal(size=2000)
    found = surprise(ranks, scores)
    assert kstest(found, expon.cdf).pvalue > 0.05
    np.testing.assert_array_equal(np.argsort(found), np.argsort(scores))  # an order, no more
    beyond = surprise(ranks, ranks[-1] * np.array([1.0, 2.0, 3.0]))
    assert (np.diff(beyond) > 0).all()


def test_surprise_is_the_fraction_above_and_goes_on_as_an_exponential_does():
    ranks = np.arange(250.0)
    np.testing.assert_allclose(surprise(ranks, ranks), -np.log((249.5 - ranks) / 250))
    slopes = []
    for seed in range(400):  # few events, of which the tail is the last two
        ranks = np.sort(np.random.default_rng(seed).exponential(size=250))
        one, two = surprise(ranks, ranks[-1] + np.array([1.0, 2.0]))
        slopes.append(two - one)
    assert np.mean(1 / np.array(slopes)) == pytest.approx(1, abs=0.15)


def test_a_score_that_follows_the_mass_weighs_less_and_independent_ones_alike():
    rng = np.random.default_rng(2)
    mass = rng.uniform(2900, 4200, 4000)
    free, bent = rng.normal(size=(2, 4000)), rng.normal(size=4000) + (mass - 3500) / 800
    each = [surprise(np.sort(row), row) for row in (*free, bent)]
    weights = sideband_weights(np.stack(each), mass)
    assert weights.sum() == pytest.approx(1)
    assert weights[0] == pytest.approx(weights[1], rel=0.5)
    assert weights[2] < 0.1 * weights[0]


def test_score_is_the_rule_applied_to_ranks_among_events_that_no_method_learnt(events, window):
    fitted = {
        by: make_method("combination", by=by).fit(events.without_label(), window, seed=1)
        for by in RULES
    }
    one = fitted["fisher"]
    assert one._ranks.shape[1] == pytest.approx(len(events) / 4, rel=0.1)
    each = [
        surprise(row, member.score(events))
        for row, member in zip(one._ranks, one._members, strict=True)
    ]
    expected = {
        "fisher": np.mean(each, axis=0),
        "maximum": np.max(each, axis=0),
        "rank_average": np.mean(1 - np.exp(-np.array(each)), axis=0),
        "sideband_weighted": fitted["sideband_weighted"]._weights @ np.array(each),
    }
    for by, method in fitted.items():
        np.testing.assert_allclose(method.score(events), expected[by], rtol=1e-5)
        assert performance(method.score(events), events.label).auc > 0.9  # the injected signal
    assert [method.windowed for method in fitted.values()] == [False, False, False, True]


def test_needs_and_windows_are_those_of_the_methods():
    made = make_method("combination", of=["cwola", "salad", {"name": "pca", "components": 2}])
    assert (made.needs, made.windowed) == (("features", "simulation"), True)
    assert made.hyper.of[2]["components"] == 2
    assert made.hyper.of[0]["classifier"] == make_method("cwola").described()["hyper"]["classifier"]
    assert make_method("combination", **made.described()["hyper"]).hyper == made.hyper
    assert made.fewest_events > max(member.fewest_events for member in made._members)


@pytest.mark.parametrize("by", RULES)
def test_there_is_no_excess_without_a_signal(by, without_signal, excess_of):
    assert excess_of(make_method("combination", by=by), without_signal) < 3


def test_two_methods_that_fail_differently_find_more_together(window):
    """A signal that lies beyond the background in one feature, and another in another one."""
    rng = np.random.default_rng(3)
    x = rng.normal(size=(6000, 4))
    label = np.arange(6000) < 60
    x[:30, 0] += 5  # an outlier to the distance of jet 1, and
    x[30:60, 1] += 5  # one to that of jet 2
    names = ["j1_mass", "j2_mass", "j1_tau21", "j2_tau21"]
    data = Sample.from_arrays(rng.uniform(2900, 4200, 6000), x, names, label=label)
    one = {"name": "mahalanobis", "per_jet": True, "combine": "cuts", "cuts": [0.01, 0.99]}
    other = one | {"cuts": [0.99, 0.01]}
    found = {}
    for name, method in (
        ("one", make_method("mahalanobis", **{k: v for k, v in one.items() if k != "name"})),
        ("other", make_method("mahalanobis", **{k: v for k, v in other.items() if k != "name"})),
        ("both", make_method("combination", of=[one, other], by="maximum")),
    ):
        scores = method.fit(data.without_label(), window, seed=1).score(data)
        found[name] = performance(scores, data.label, eps_b=(0.01,)).sic[0].sic
    assert found["both"] > 1.3 * max(found["one"], found["other"])


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"of": ["pca"]}, "names 1 methods, and two are needed"),
        ({"of": ["pca", "pac"]}, "no method is called 'pac'"),
        ({"of": ["pca", "combination"]}, "none of its own methods"),
        ({"of": ["pca", 3]}, "names of methods, or mappings"),
        ({"of": ["pca", {"name": "pca", "component": 1}]}, "no hyperparameter 'component'"),
        ({"by": "mean"}, "by: 'mean'"),
        ({"parts": 1}, "parts = 1 cannot be used"),
    ],
)
def test_what_cannot_be_combined_is_refused_in_a_sentence(given, said):
    with pytest.raises(ConfigError, match=said):
        make_method("combination", **given)


def test_too_few_events_to_rank_are_refused(events, window):
    with pytest.raises(InputError, match="rank the scores"):
        make_method("combination").fit(events.take(np.arange(300)), window, seed=1)
