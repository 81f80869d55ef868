"""Our scan against pyBumpHunter on the same reference, intervals and counts."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from overdensity.core import MissingExtraError
from overdensity.core.windows import log_edges
from overdensity.stats.bumphunt.one_mass import bump_hunt_given_reference
from overdensity.stats.bumphunt.pybumphunter import bumphunter, bumphunter_2d
from overdensity.stats.bumphunt.two_masses import bump_hunt_2d_given_reference

EDGES = log_edges(2632, 6000, 40)
MEAN = 1500 * np.exp(-0.1 * np.arange(40))


def agree(ours, theirs) -> None:
    assert ours.interval == theirs.interval
    assert ours.p_local == pytest.approx(theirs.p_local, rel=1e-8)
    assert ours.observed == theirs.observed
    assert ours.expected == pytest.approx(theirs.expected, rel=1e-12)
    assert ours.regions == theirs.regions
    error = np.hypot(ours.global_p.p_global_error, theirs.global_p.p_global_error)
    assert abs(ours.global_p.p_global - theirs.global_p.p_global) < 4 * error + 2e-3


@pytest.mark.parametrize("looking_for", ["excess", "deficit"])
@pytest.mark.parametrize("sidebands", [None, 0, 3])
def test_intervals_agree_with_pybumphunter(looking_for, sidebands):
    counts = np.random.default_rng(5).poisson(MEAN)
    options = {
        "looking_for": looking_for,
        "sidebands": sidebands,
        "pseudo_experiments": 1000,
        "seed": 1,
    }
    agree(
        bump_hunt_given_reference(EDGES, counts, MEAN, **options),
        bumphunter(EDGES, counts, MEAN, **options),
    )


@pytest.mark.parametrize("bins", [(5, 8), (20, 22), (34, 40)])
def test_an_injected_bump_is_found_by_both(bins):
    counts = np.random.default_rng(6).poisson(MEAN)
    counts[slice(*bins)] += np.ceil(3 * np.sqrt(MEAN[slice(*bins)])).astype(int)
    ours = bump_hunt_given_reference(EDGES, counts, MEAN, pseudo_experiments=1000)
    agree(ours, bumphunter(EDGES, counts, MEAN, pseudo_experiments=300))
    assert abs(ours.bins[0][0] - bins[0]) <= 1
    assert abs(ours.bins[0][1] - bins[1]) <= 1


@pytest.mark.parametrize("looking_for", ["excess", "deficit"])
def test_rectangles_agree_with_pybumphunter(looking_for):
    x, y = log_edges(2000, 6000, 10), log_edges(100, 800, 8)
    mean = 200 * np.exp(-0.2 * np.arange(10))[:, None] * np.exp(-0.3 * np.arange(8))
    counts = np.random.default_rng(7).poisson(mean)
    options = {
        "widths": ((1, 3), (2, 3)),
        "looking_for": looking_for,
        "pseudo_experiments": 250,
        "seed": 2,
    }
    agree(
        bump_hunt_2d_given_reference((x, y), counts, mean, **options),
        bumphunter_2d((x, y), counts, mean, **options),
    )


def test_the_library_leaves_no_trace(capsys):
    np.random.seed(11)  # noqa: NPY002
    expected = np.random.random(3)  # noqa: NPY002
    np.random.seed(11)  # noqa: NPY002
    bumphunter(EDGES, MEAN.round(), MEAN, pseudo_experiments=50, seed=5)
    np.testing.assert_array_equal(np.random.random(3), expected)  # noqa: NPY002
    assert capsys.readouterr().out == ""


def test_the_library_repeats_itself_under_a_seed():
    counts = np.random.default_rng(8).poisson(MEAN)
    one, two = (bumphunter(EDGES, counts, MEAN, pseudo_experiments=100, seed=9) for _ in range(2))
    assert one == two


def test_without_pybumphunter_the_command_that_installs_it_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyBumpHunter", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'overdensity\[bumphunter\]'"):
        bumphunter(EDGES, MEAN.astype(int), MEAN)
