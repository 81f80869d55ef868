"""Region flows: one density a region, closure of their samples, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from overdensity.core import ConfigError, InputError
from overdensity.ml import Sample, compare, load_method, make_method, performance
from overdensity.ml.anomaly.densities.region_flows import RegionFlows
from overdensity.ml.classifiers.trees import BoostingHyper

NAMES = ("l1_pt", "met", "mz2", "n_jets", "n_z")
FAST = {"flow": {"layers": 4, "width": 16, "depth": 1, "epochs": 5}, "device": "cpu"}
FEW = BoostingHyper(iterations=20, leaves=8, events_per_leaf=20, features_per_split=1.0)


def leptons(n: int, seed: int, *, hardness: float = 1.0, negative: float = 0.1) -> Sample:
    """Events of two regions: a pair that may be missing, jets, and a feature constant in region 1."""
    rng = np.random.default_rng(seed)
    group = rng.integers(2, size=n)
    pt = 10 + rng.exponential(25 * hardness, n)
    met = 0.3 * pt + rng.rayleigh(20, n)
    pair = np.where(rng.random(n) < 0.3, 0.0, 12 + rng.exponential(40, n))
    jets = rng.poisson(0.5 + 0.01 * pt)
    n_z = np.where(group == 1, 1, rng.integers(2, size=n))
    x = np.column_stack([pt, met, pair, jets, n_z])
    weight = np.where(rng.random(n) < negative, -1.0, 1.0) * rng.gamma(4, 0.25, n)
    return Sample.from_arrays(np.ones(n), x, NAMES, group=group, weight=weight)


@pytest.fixture(scope="module")
def fitted() -> RegionFlows:
    return make_method("region_flows", **FAST).learn(leptons(2400, 1), seed=1)  # type: ignore[attr-defined]


def drawn(method: RegionFlows, like: Sample) -> Sample:
    parts = [method.sample(k, int(np.sum(like.group == k)), seed=5) for k in (0, 1)]
    return Sample.concatenated(*parts)


def test_trees_hardly_tell_events_of_a_small_flow_from_background(fitted: RegionFlows) -> None:
    others = leptons(2400, 2)
    found = compare(drawn(fitted, others), others, hyper=FEW, permutations=99, seed=1)
    for region in found.regions[:2]:
        assert region.auc < 0.6


def in_order(n: int, seed: int) -> Sample:
    """Events whose first feature is never smaller than the second."""
    sample = leptons(n, seed)
    x = sample.features.copy()
    x[:, :2] = np.sort(x[:, :2], axis=1)[:, ::-1]
    return replace(sample, features=x)


def test_drawn_leptons_are_in_order_and_events_that_are_not_are_the_least_probable() -> None:
    method = make_method("region_flows", **FAST).learn(in_order(1500, 1), seed=1)  # type: ignore[attr-defined]
    x = method.sample(0, 2000, seed=1).features
    assert np.all(x[:, 0] >= x[:, 1])
    some = in_order(50, 2)
    swapped = replace(some, features=some.features[:, [1, 0, 2, 3, 4]])
    assert method.score(some).max() < method.score(swapped).min() < np.inf


@pytest.mark.slow(seconds=6)
def test_trees_do_not_tell_leptons_in_order_from_those_of_a_flow_of_full_size() -> None:
    method = make_method("region_flows", device="cpu", flow={"epochs": 25})
    method.learn(in_order(4000, 1), seed=1)  # type: ignore[attr-defined]
    others = in_order(4000, 2)
    found = compare(drawn(method, others), others, permutations=99, seed=1)  # type: ignore[arg-type]
    for region in found.regions[:2]:
        assert region.auc < 0.55


def test_harder_events_are_less_like_background(fitted: RegionFlows) -> None:
    background, signal = leptons(2000, 3), leptons(2000, 4, hardness=4)
    scores = np.concatenate([fitted.score(background), fitted.score(signal)])
    truth = np.repeat([0, 1], 2000).astype(np.int8)
    assert performance(scores, truth, eps_b=(0.01,)).auc > 0.7


def test_drawn_events_have_the_discrete_values_of_the_background(fitted: RegionFlows) -> None:
    x = fitted.sample(1, 500, seed=2).features
    assert set(x[:, 4]) == {1.0}
    np.testing.assert_array_equal(x[:, 3], np.round(x[:, 3]))
    assert 0.2 < np.mean(x[:, 2] == 0) < 0.4


def test_any_event_has_a_finite_score_and_farther_ones_a_larger(fitted: RegionFlows) -> None:
    x = np.array([[40, 20, 30, 1, 1], [4e3, 2e3, 30, 1, 1], [4e6, 2e6, 3e6, 90, 1]], float)
    scores = fitted.score(Sample.from_arrays(np.ones(3), x, NAMES, group=[1, 1, 1]))
    assert np.isfinite(scores).all()
    assert (np.diff(scores) > 0).all()


def test_it_is_the_same_after_being_stored(fitted: RegionFlows, tmp_path) -> None:
    some = leptons(200, 6)
    loaded = load_method(fitted.save(tmp_path / "flows.npz"))
    np.testing.assert_array_equal(loaded.score(some), fitted.score(some))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda s: s.take(np.r_[0:300]), r"in region 0 are worth \d+, too few to learn from"),
        (lambda s: replace(s, weight=-s.weight), r"in region 0 sum to -\d"),
        (
            lambda s: replace(s, features=np.where(s.group[:, None] == 1, 1, s.features)),
            "all features are constant in region 1",
        ),
        (
            lambda s: replace(s, features=s.features[:, [0, 1, 2, 1, 4]]),
            "'met' and 'n_jets' are the same in all events of region 0; leave one",
        ),
    ],
)
def test_a_region_that_cannot_be_learnt_is_refused(change, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        make_method("region_flows", **FAST).learn(change(leptons(2000, 1)), seed=1)  # type: ignore[attr-defined]


def test_a_region_without_simulation_is_refused_by_its_number(fitted: RegionFlows) -> None:
    some = leptons(10, 1)
    with pytest.raises(InputError, match="no simulated background was in region 7"):
        fitted.score(replace(some, group=np.full(10, 7)))


def test_hyperparameters_that_cannot_be_used_are_refused() -> None:
    with pytest.raises(ConfigError, match="min_events = 3 cannot be used"):
        make_method("region_flows", min_events=3)
