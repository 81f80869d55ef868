"""Regions, errors, records and threads of the bump hunt."""

from __future__ import annotations

from itertools import starmap

import numpy as np
import pytest

from overdensity.core import ConfigError, FitError, InputError
from overdensity.core.windows import log_edges
from overdensity.stats.bumphunt.engine import BumpHuntResult
from overdensity.stats.bumphunt.one_mass import bump_hunt, bump_hunt_given_reference

EDGES = log_edges(2632, 6000, 20)
MEAN = 4000 * np.exp(-0.15 * np.arange(20)) * 0.15


def test_an_unknown_direction_gets_the_nearest_name():
    with pytest.raises(ConfigError, match="excess"):
        bump_hunt(EDGES, MEAN.round(), looking_for="exces")


@pytest.mark.parametrize("reference", [MEAN[:-1], -MEAN, np.full(20, np.nan), np.zeros(20)])
def test_an_unusable_reference_is_refused(reference):
    with pytest.raises(InputError, match="reference"):
        bump_hunt_given_reference(EDGES, MEAN.round(), reference)


@pytest.mark.parametrize("counts", [np.zeros(20), np.r_[np.zeros(19), 500.0]])
def test_a_spectrum_that_cannot_be_fitted_says_so(counts):
    with pytest.raises(FitError, match="bins have events"):
        bump_hunt(EDGES, counts, pseudo_experiments=250)


@pytest.mark.parametrize("bad", [-1.0, np.nan, np.inf])
def test_counts_that_are_none_are_refused(bad):
    counts = MEAN.round()
    counts[3] = bad
    with pytest.raises(InputError, match="bin 3"):
        bump_hunt(EDGES, counts)


def test_the_same_seed_gives_the_same_result_wherever_it_runs():
    counts = np.random.default_rng(1).poisson(MEAN)
    scan = {"function": "dijet3", "pseudo_experiments": 500}
    one = bump_hunt(EDGES, counts, seed=3, **scan)
    two = bump_hunt(
        EDGES, counts, seed=3, mapper=lambda f, x: starmap(f, ((k,) for k in x)), **scan
    )
    assert one == two
    other = bump_hunt(EDGES, counts, seed=4, **scan)
    assert other.p_local == one.p_local
    assert other.global_p.largest_z != one.global_p.largest_z


def test_the_result_survives_its_file(tmp_path):
    counts = np.random.default_rng(2).poisson(MEAN)
    result = bump_hunt_given_reference(EDGES, counts, MEAN, pseudo_experiments=250)
    assert BumpHuntResult.from_json(result.to_json(tmp_path / "bump.json")) == result
    low, high = result.interval[0]
    first, stop = result.bins[0]
    assert (low, high) == (EDGES[first], EDGES[stop])
    assert result.observed == counts[first:stop].sum()
    assert result.excess == pytest.approx(result.observed - MEAN[first:stop].sum())


def test_an_excess_beyond_all_pseudo_experiments_is_a_limit():
    counts = MEAN.round()
    counts[8:11] += 400
    result = bump_hunt_given_reference(EDGES, counts, MEAN, pseudo_experiments=1000)
    assert result.global_p.is_limit
    assert result.global_p.p_global == 1 / 1001
    assert result.z_local > 8


def test_an_excess_too_large_for_a_p_value_still_has_a_significance():
    result = bump_hunt_given_reference(EDGES, MEAN.round() * 20, MEAN, pseudo_experiments=250)
    assert result.p_local == 0.0
    assert 40 < result.z_local < 1000
    assert result.global_p.is_limit


def test_a_hopeless_excess_needs_few_pseudo_experiments():
    counts = MEAN.round()
    result = bump_hunt_given_reference(EDGES, counts, MEAN, pseudo_experiments=5000)
    assert result.global_p.pseudo_experiments == 1000
    assert result.global_p.p_global > 0.9
