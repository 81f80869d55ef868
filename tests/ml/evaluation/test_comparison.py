"""Data against weighted simulation in regions: uniform without a difference, an excess is found."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import kstest

from overdensity.core import ConfigError, InputError
from overdensity.ml import Comparison, Sample, compare
from overdensity.ml.classifiers.trees import BoostingHyper

NAMES = ("m4l", "met", "n_jets")
FEW = BoostingHyper(iterations=20, leaves=4, events_per_leaf=10, features_per_split=1.0)


def four_leptons(seed: int, *, excess: int = 0, n: int = 500) -> tuple[Sample, Sample]:
    """Data and simulation of three regions, weighted from a harder spectrum, 5 % negative weights."""
    rng = np.random.default_rng(seed)

    def events(n: int, slope: float) -> tuple[np.ndarray, np.ndarray]:
        x = np.column_stack(
            [180 + rng.exponential(slope, n), rng.exponential(40, n), rng.poisson(1, n)]
        )
        return x, rng.integers(3, size=n)

    observed, group = events(n, 150.0)
    observed[:excess, 0] = rng.normal(600, 25, excess)
    observed[:excess, 1] += 100
    group[:excess] = 1
    data = Sample.from_arrays(observed[:, 0], observed, NAMES, group=group)
    x, group = events(3 * n, 200.0)
    weight = np.exp(-(x[:, 0] - 180) / 600) * np.where(rng.random(3 * n) < 0.05, -1, 1)
    return data, Sample.from_arrays(x[:, 0], x, NAMES, group=group, weight=weight)


@pytest.fixture(scope="module")
def with_excess() -> Comparison:
    return compare(*four_leptons(1, excess=30), hyper=FEW, seed=1)


def test_an_excess_is_found_in_its_region(with_excess: Comparison) -> None:
    names = [region.name for region in with_excess.regions]
    best = min(with_excess.regions, key=lambda region: region.p_local)
    assert names == ["0", "1", "2", "all"]
    assert with_excess.p_global < 0.01
    assert best.name in {"1", "all"}
    found = with_excess.regions[1]
    assert found.p_local < 0.01
    assert found.features[0].name in {"m4l", "met"}
    assert found.auc > 0.52
    assert min(with_excess.regions[i].p_local for i in (0, 2)) > 0.01
    assert best.p_local <= with_excess.p_global <= 4.5 * best.p_local


def test_the_same_seed_gives_the_same_and_no_difference_is_quiet() -> None:
    data, simulation = four_leptons(2)
    found = compare(data, simulation, hyper=FEW, permutations=199, seed=3)
    assert compare(data, simulation, hyper=FEW, permutations=199, seed=3) == found
    assert found.p_global > 0.01
    assert not found.is_limit


def test_the_scale_of_weights_is_no_difference() -> None:
    data, simulation = four_leptons(2)
    assert simulation.weight is not None
    twice = replace(simulation, weight=2 * simulation.weight)
    one, other = (
        compare(data, each, hyper=FEW, permutations=99, seed=3) for each in (simulation, twice)
    )
    assert [each.p_local for each in other.regions] == [each.p_local for each in one.regions]
    assert other.regions[0].expected == pytest.approx(2 * one.regions[0].expected)


def test_a_poor_region_is_left_out_and_told() -> None:
    data, simulation = four_leptons(2)
    assert data.group is not None
    data = data.take((data.group != 2) | (np.arange(len(data)) < 30))
    found = compare(data, simulation, hyper=FEW, permutations=99, seed=1)
    assert [region.name for region in found.regions] == ["0", "1", "all"]
    assert found.regions[-1].n_data == sum(region.n_data for region in found.regions[:-1])
    (flag,) = found.flags
    assert flag.startswith("region 2 is not compared: ")


def test_bad_input_is_named() -> None:
    data, simulation = four_leptons(2)
    assert simulation.weight is not None
    options = {"hyper": FEW, "permutations": 99, "seed": 1}
    with pytest.raises(InputError, match="effective ones of simulation; 50 of each"):
        compare(data, replace(simulation, weight=-simulation.weight), **options)
    with pytest.raises(InputError, match="only the simulation are divided"):
        compare(replace(data, group=None), simulation, **options)
    with pytest.raises(InputError, match="'weight' of the data is not 1"):
        compare(replace(data, weight=np.full(len(data), 0.5)), simulation, **options)
    with pytest.raises(InputError, match="data have m4l, met, n_jets, simulation a, met"):
        compare(data, replace(simulation, names=("a", "met", "n_jets")), **options)
    with pytest.raises(ConfigError, match="1000 folds and 99 permutations; give 2 to 100"):
        compare(data, simulation, folds=1000, permutations=99, seed=1)
    with pytest.raises(ConfigError, match="1 folds and 10 permutations"):
        compare(data, simulation, folds=1, permutations=10, seed=1)


@pytest.mark.slow(seconds=20)
def test_p_is_uniform_without_a_difference_and_small_with_one() -> None:
    options = {"hyper": FEW, "permutations": 199}
    found = [compare(*four_leptons(seed, n=400), seed=seed, **options) for seed in range(200)]
    of_all = np.array([each.p_global for each in found])
    local = np.array([[region.p_local for region in each.regions] for each in found])
    for p in (of_all, *local.T):
        assert kstest(p, "uniform").pvalue > 0.003
        assert np.mean(p < 0.1) < 0.17
    options["permutations"] = 1999
    injected = [
        compare(*four_leptons(seed, excess=30), seed=seed, **options).p_global for seed in range(10)
    ]
    assert np.median(injected) < 0.01


def test_very_unequal_weights_are_told() -> None:
    data, simulation = four_leptons(3)
    x = simulation.features[:, 0]
    unequal = replace(simulation, weight=np.exp(0.6 * (x - x.mean()) / x.std()))
    found = compare(data, unequal, hyper=FEW, permutations=99, seed=1)
    assert len(found.flags) == 3
    assert all("so unequal are their weights" in flag for flag in found.flags)
    assert not compare(data, simulation, hyper=FEW, permutations=99, seed=1).flags
